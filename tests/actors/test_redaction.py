"""What is taken out of a platform's words before they are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.redaction import WORDS_BYTES, Redactor
from actors.secret import Secret

REDACT = Redactor([Secret("canary-secret-0123456789")], ids=["123456789012345"])

TAKEN_OUT = {
    "e-mail": ("no jane.doe@example.com here", "no [email] here"),
    "escaped e-mail": ("?email=jane%40example.com&x=1", "?email=[email]&x=1"),
    "phone": ("call +49 151 1234567 now", "call [phone] now"),
    "escaped phone": ("phone=%2B491511234567", "phone=[phone]"),
    "phone without plus": ('"phone":"4915112345678"', '"phone":"[phone]"'),
    "phone of the USA": ("2125550123 is wrong.", "[phone] is wrong."),
    "IPv4": ("from 198.51.100.7.", "from [address]."),
    "IPv6": ("from 2001:db8::1 again", "from [address] again"),
    "IPv6 in full": ('"2001:db8:0:0:0:0:0:1"', '"[address]"'),
    "digest": ("hash " + "a1" * 32, "hash [digest]"),
    "secret": ("token canary-secret-0123456789!", "token [secret]!"),
    "secret that was cut": ("token canary-secr", "token [secret]"),
}
LEFT = {
    "Unix time": "at 1795166400 and 1795166400000",
    "the account's own id": "pixel 123456789012345 is unknown",
    "clock": "at 12:30:45",
    "ratio": "1:2:3",
    "part of an id": "trace A1234567890123, req-1234567890123",
    "short number": "code 190 subcode 2804019",
    "amount": "1234567890.55",
    "namespace": "std::error",
}


@pytest.mark.parametrize(("words", "kept"), TAKEN_OUT.values(), ids=TAKEN_OUT.keys())
def test_what_is_secret_or_personal_is_taken_out(words: str, kept: str) -> None:
    assert REDACT(words) == kept


@pytest.mark.parametrize("words", LEFT.values(), ids=LEFT.keys())
def test_what_explains_the_answer_is_left(words: str) -> None:
    assert REDACT(words) == words


def test_a_minted_token_is_taken_out_as_long_as_requests_may_carry_it() -> None:
    redact = Redactor([])
    for token in ("minted-one", "minted-two", None):
        redact.learn(token)
    assert redact("minted-one minted-two") == "[secret] [secret]"


@given(st.integers(0, 3_000))
def test_no_cut_leaves_a_secrets_head(before: int) -> None:
    kept = REDACT("x" * before + " canary-secret-0123456789 " + "y" * 3_000)
    assert "canary" not in kept
    assert len(kept.encode()) <= WORDS_BYTES


@pytest.mark.parametrize("form", ['a/b+c=d e"f', "a%2Fb%2Bc%3Dd%20e%22f", "a%2Fb%2Bc%3Dd+e%22f", 'a/b+c=d e\\"f'])
def test_a_secret_is_known_as_it_stands_in_addresses_and_in_json(form: str) -> None:
    told = Redactor([Secret('a/b+c=d e"f')])(f"invalid value {form} in field")
    assert told == "invalid value [secret] in field"
