"""Who counts as a bot: the score of a request's headers, and what it costs."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.bots import _GENERAL, _HEADLESS, _MAIL_PROXY, WEIGHTS, _has_hint, is_prefetch, judge, names_bot
from actors.event import BOT_SCORE

DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 14; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"

PEOPLE = {
    "Chrome": DESKTOP.format(141),
    "Firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Safari": f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
    "Facebook's app": f"{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/512.0.0.43;FBDV/iPhone15,2;FBSV/17.5;FBLC/de_DE]",
    "Instagram's app": f"{IPHONE} Mobile/21F79 Instagram 332.0.2.20 (iPhone14,5; iOS 17_5; de_DE; scale=3.00)",
    "Pinterest's app": f"{IPHONE} Mobile/21F79 [Pinterest/iOS]",
    "TikTok's app": ANDROID.format("SM-G960F; wv") + " trill_2021806060 JsSdk/1.0 AppName/musical_ly ByteLocale/fr",
    "Google's app": f"{IPHONE} GSA/277.0.555192628 Mobile/15E148 Safari/604.1",
    "Snapchat's app": f"{IPHONE} Mobile/15E148 Snapchat/12.38.0.34 (like Safari/8615.2.9.10.4, panda)",
    "Ecosia": ANDROID.format("K") + " (Ecosia android@111.0.5563.116)",
    "WhatsApp's own browser": ANDROID.format("K") + " WhatsApp/2.24",
    "an old Internet Explorer": "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)",
    "a phone of Cubot": ANDROID.format("CUBOT MAX Build/MRA58K"),
    "a mail service's picture": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via GoogleImageProxy)",
}
BOTS = {
    "Googlebot": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "a preview": "facebookexternalhit/1.1",
    "curl": "curl/8.5.0",
    "a library": "python-requests/2.31.0",
    "a monitor": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 PTST/211202",
    "a scanner": "Mozilla/5.00 (Nikto/2.1.5) (Evasions:None) (Test:Port Check)",
    "an assistant": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "a script's browser": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0 Safari/537.36",
    "a messenger's preview": "WhatsApp/2.19.330 A",
    "one that says it is compatible": "Mozilla/5.0 (compatible; Impact.com Agent) Chrome/129.0 Safari/537.36",
    "nothing": "",
}


def asked_by(user_agent: str, **more: str) -> dict[str, str]:
    return {"user-agent": user_agent, "accept": "*/*", "accept-language": "de", **more}


@pytest.mark.parametrize("name", PEOPLE)
def test_a_browser_of_people_has_no_score(name: str) -> None:
    assert judge(asked_by(PEOPLE[name])).score == 0


@pytest.mark.parametrize("name", BOTS)
def test_a_bot_scores_as_one(name: str) -> None:
    assert judge(asked_by(BOTS[name])).score >= BOT_SCORE


def test_what_drives_a_browser_is_told_from_what_it_names() -> None:
    assert judge(asked_by(BOTS["a script's browser"])).reasons == ("headless",)
    hidden = asked_by(DESKTOP.format(141), **{"sec-ch-ua": '"HeadlessChrome";v="141"'})
    assert judge(hidden).reasons == ("headless",)


def test_one_missing_header_makes_no_bot_and_two_with_haste_do() -> None:
    bare = {"user-agent": PEOPLE["Chrome"]}
    assert judge(bare).score < BOT_SCORE
    assert judge(bare, is_limited=True).score >= BOT_SCORE
    assert judge(bare, is_limited=True).reasons == ("no_language", "no_accept", "high_rate")


def test_what_a_browser_fetches_ahead_is_nobodys() -> None:
    ahead = asked_by(PEOPLE["Chrome"], **{"sec-purpose": "prefetch;prerender"})
    assert is_prefetch(ahead)
    assert judge(ahead).reasons == ("prefetch",)


@given(
    st.dictionaries(st.sampled_from(["user-agent", "accept", "accept-language", "sec-purpose", "sec-ch-ua"]), st.text())
)
def test_any_headers_get_a_score_between_0_and_100_with_its_reasons(headers: dict[str, str]) -> None:
    found = judge(headers)
    assert 0 <= found.score <= 100
    assert found.score == min(100, sum(WEIGHTS[reason] for reason in found.reasons))


@given(st.one_of(*(st.from_regex(pattern) for pattern in (_GENERAL, _HEADLESS, _MAIL_PROXY))))
def test_the_quick_look_misses_nothing_that_the_patterns_find(text: str) -> None:
    assert _has_hint(text)


def test_the_score_costs_little_where_browsers_come_again() -> None:
    """500 browsers by turns, each far more often than once: well under 3 µs on the machine of docs/performance.md."""
    headers = [asked_by(DESKTOP.format(number)) for number in range(500)]
    for one in headers:
        judge(one)
    began = time.process_time()
    for _ in range(4):
        for one in headers:
            judge(one)
    assert (time.process_time() - began) / 2000 < 0.001  # that it is remembered at all: no figure of a machine


def test_a_word_of_a_bot_counts_whole_and_in_any_case() -> None:
    assert names_bot("ZGRAB/0.x")
    assert not names_bot("Mozilla/5.0 zgrabbers")
