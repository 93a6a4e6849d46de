"""What rate-limit headers say, one table: as the contract pages name them, in later forms, and when they are absurd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import Response, encode_json
from actors.destinations.meta import Meta
from actors.quota import DAY_S, read_quota
from actors.rates import Quota
from actors.secret import Secret

NOW_MS = 1_795_166_400_000  # Fri, 20 Nov 2026 09:20:00 GMT
NOW = "Fri, 20 Nov 2026 09:20:00 GMT"
IN_A_MINUTE = "Fri, 20 Nov 2026 09:21:00 GMT"

CASES: dict[str, tuple[dict[str, str], Quota]] = {
    "nothing": ({}, Quota()),
    "seconds (contracts/klaviyo.md)": ({"retry-after": "12"}, Quota(wait_s=12)),
    "fractions of seconds (contracts/webhook.md)": ({"retry-after": "1.5"}, Quota(wait_s=1.5)),
    "a date, by the answer's own clock": ({"retry-after": IN_A_MINUTE, "date": NOW}, Quota(wait_s=60)),
    "a date, by ours": ({"retry-after": IN_A_MINUTE}, Quota(wait_s=60)),
    "a date without a zone": ({"retry-after": "Fri, 20 Nov 2026 09:21:00 -0000"}, Quota(wait_s=60)),
    "a date that has passed": ({"retry-after": NOW, "date": IN_A_MINUTE}, Quota()),
    "ten years": ({"retry-after": "315360000"}, Quota(wait_s=DAY_S)),
    "a date in ten years": ({"retry-after": "Fri, 20 Nov 2036 09:20:00 GMT"}, Quota(wait_s=DAY_S)),
    "negative": ({"retry-after": "-5"}, Quota()),
    "no number": ({"retry-after": "soon"}, Quota()),
    "too many digits": ({"retry-after": "9" * 400}, Quota()),
    "infinite": ({"retry-after": "1e309"}, Quota()),
    "digits of other scripts": ({"retry-after": "١٢"}, Quota()),
    "RateLimit- (contracts/klaviyo.md)": (
        {"ratelimit-limit": "150", "ratelimit-remaining": "149", "ratelimit-reset": "58"},
        Quota(remaining=149, reset_s=58),
    ),
    "X-RateLimit- (contracts/pinterest.md)": (
        {"x-ratelimit-limit": "120000, 120000;w=60", "x-ratelimit-remaining": "119999", "x-ratelimit-reset": "57"},
        Quota(remaining=119_999, reset_s=57),
    ),
    "several windows in one header": (
        {"x-ratelimit-remaining": "9, 100;w=60", "x-ratelimit-reset": "1, 58"},
        Quota(remaining=9, reset_s=1),
    ),
    "a reset that is a time": (
        {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(NOW_MS // 1000 + 30)},
        Quota(remaining=0, reset_s=30),
    ),
    "a reset in milliseconds": (
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOW_MS + 2_500)},
        Quota(remaining=0, reset_s=2.5),
    ),
    "a reset that has passed": ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795166399"}, Quota()),
    "a reset of now": ({"ratelimit-remaining": "0", "ratelimit-reset": "0"}, Quota()),
    "a reset in ten years": (
        {"ratelimit-remaining": "0", "ratelimit-reset": "315360000"},
        Quota(remaining=0, reset_s=DAY_S),
    ),
    "remaining without a reset": ({"ratelimit-remaining": "0"}, Quota()),
    "negative remaining": ({"ratelimit-remaining": "-1", "ratelimit-reset": "9"}, Quota()),
    "the later form": ({"ratelimit": '"default";r=50;t=30'}, Quota(remaining=50, reset_s=30)),
    "the tightest of two policies": (
        {"ratelimit": '"minute";r=100;t=30, "day";r=7;t=9000'},
        Quota(remaining=7, reset_s=9_000),
    ),
    "the middle form": ({"ratelimit": "limit=100, remaining=50, reset=5"}, Quota(remaining=50, reset_s=5)),
    "both kinds": (
        {"retry-after": "3", "ratelimit-remaining": "0", "ratelimit-reset": "9"},
        Quota(wait_s=3, remaining=0, reset_s=9),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_headers_say(name: str) -> None:
    headers, said = CASES[name]
    assert read_quota(headers, NOW_MS) == said


header_names = st.sampled_from(
    ["retry-after", "date", "ratelimit", "ratelimit-remaining", "ratelimit-reset", "x-ratelimit-reset"]
)


@given(headers=st.dictionaries(header_names, st.text(max_size=40) | st.from_regex(r"[0-9;=rt, .-]{0,30}")))
def test_no_header_raises_or_stops_for_longer_than_a_day(headers: dict[str, str]) -> None:
    quota = read_quota(headers, NOW_MS)
    assert 0 <= quota.wait_s <= DAY_S
    assert quota.reset_s is None or 0 < quota.reset_s <= DAY_S
    assert quota.remaining is None or quota.remaining >= 0


# --- Meta's usage headers ------------------------------------------------------------------------------------------


def usage(**figures: int) -> str:
    entry = {"type": "ads_management", "call_count": 5, "total_cputime": 5, "total_time": 5, **figures}
    return encode_json({"1234567890": [entry]}).decode()


@pytest.mark.parametrize(
    ("header", "value", "said"),
    [
        ("x-business-use-case-usage", usage(), Quota()),
        ("x-business-use-case-usage", usage(call_count=95), Quota(is_near=True)),
        ("x-business-use-case-usage", usage(estimated_time_to_regain_access=7), Quota(wait_s=420)),
        ("x-app-usage", '{"call_count":10,"total_time":90,"total_cputime":1}', Quota(is_near=True)),
        ("x-app-usage", '{"call_count":true,"total_time":"99"}', Quota()),
        ("x-app-usage", "not json", Quota()),
        ("retry-after", "30", Quota(wait_s=30)),
    ],
)
def test_metas_usage_headers_say(header: str, value: str, said: Quota) -> None:
    meta = Meta(id="m", pixel_id="1", access_token=Secret("t"))
    assert meta.heed(Response(status=200, headers={header: value}), NOW_MS) == said
