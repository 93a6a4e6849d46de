"""Webhooks of any sender: the examples of their page, signature schemes, wrong rules, shapes nobody promised."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings

from gateway.config import load_config
from gateway.errors import ConfigError
from gateway.sources.base import Hook, Refused, Verified, WebhookSource
from gateway.sources.generic import Generic
from tests.gateway.sources.cases import check, encoded, mutations, settle

AT_S = 1_795_168_800
PAGE = (Path(__file__).parents[3] / "docs" / "sources" / "generic.md").read_text("utf-8")
EXAMPLES = re.findall(
    r"(?s)## ([^\n]*)\n(?:(?!\n## ).)*?```toml\n(.*?)```.*?```json\n(.*?)```.*?```json\n(.*?)```", PAGE
)
BODY = b'{"id": 1}'
RULE = '[[sites.sources.events]]\nevent_name = "lead_submitted"\n'
NOTHING: Mapping[str, str] = MappingProxyType({})


def sources(text: str, folder: Path) -> tuple[WebhookSource, ...]:
    path = folder / "config.toml"
    path.write_text(f'[[sites]]\nid = "shop"\n{text}', "utf-8")
    return load_config(path, {}).sites[0].sources


def source(signature: str, folder: Path, rules: str = RULE) -> WebhookSource:
    text = f'[[sites.sources]]\nid = "forms"\ntype = "generic"\nsignature = {{ {signature} }}\n{rules}'
    return sources(text, folder)[0]


def hook(body: bytes, headers: Mapping[str, str] = NOTHING, age_s: float = 0, address: str = "") -> Hook:
    return Hook(headers=headers, body=body, received_at_ms=round((AT_S + age_s) * 1000), address=address)


@pytest.mark.parametrize("example", EXAMPLES, ids=[one[0] for one in EXAMPLES])
def test_an_example_of_the_page_does_what_the_page_says(example: tuple[str, ...], tmp_path: Path) -> None:
    _, config, sample, wanted = example
    [read] = sources(config, tmp_path)
    [draft] = read.decode(hook(sample.encode())).drafts
    check(draft, json.loads(wanted), "webhook")


def test_the_page_has_its_examples() -> None:
    assert [one[0] for one in EXAMPLES] == [
        "A form on the site", "B2B leads that change their stage", "A meeting that was booked", "Orders from an ERP",
    ]  # fmt: skip


def mac(key: str | bytes, signed: bytes, hash: str = "sha256") -> bytes:
    return hmac.new(key.encode() if isinstance(key, str) else key, signed, hash).digest()


HEX = mac("new-secret", BODY).hex()
TIMED = mac("new-secret", f"v0:{AT_S}:".encode() + BODY).hex()
BOTH = mac("new-secret", f"{AT_S}.".encode() + BODY).hex()
HMAC = 'scheme = "hmac", header = "X-Sig", secrets = ["new-secret", "old-secret"]'
PAIRS = ', signed = "{timestamp}.{body}", signature_key = "v1", timestamp_key = "t"'
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOKS = f'scheme = "standard_webhooks", secrets = ["{WHSEC}"]'
STANDARD = mac(base64.b64decode(WHSEC[6:]), b"msg_1." + str(AT_S).encode() + b"." + BODY)
SIGNED = {"webhook-id": "msg_1", "webhook-timestamp": str(AT_S)}
SIGNATURE = f"v1,{base64.b64encode(STANDARD).decode()}"
LONG = "a-secret-long-enough"


@pytest.mark.parametrize(
    ("signature", "headers", "is_good"),
    [
        (HMAC, {"x-sig": HEX}, True),
        (HMAC, {"x-sig": HEX.upper()}, True),
        (HMAC, {"x-sig": mac("old-secret", BODY).hex()}, True),
        (HMAC, {"x-sig": mac("other", BODY).hex()}, False),
        (HMAC, {"x-sig": hashlib.sha256(b"new-secret" + BODY).hexdigest()}, False),
        (HMAC, {"x-sig": ""}, False),
        (HMAC, {}, False),
        (HMAC + ', prefix = "sha256="', {"x-sig": f"sha256={HEX}"}, True),
        (HMAC + ', prefix = "sha256="', {"x-sig": HEX}, False),
        (HMAC + ', hash = "sha512", encoding = "base64"',
         {"x-sig": base64.b64encode(mac("new-secret", BODY, "sha512")).decode()}, True),
        (HMAC + ', encoding = "base64url"',
         {"x-sig": base64.urlsafe_b64encode(mac("new-secret", BODY)).decode().rstrip("=")}, True),
        (HMAC + ', prefix = "v0=", signed = "v0:{timestamp}:{body}", timestamp_header = "X-Time"',
         {"x-sig": f"v0={TIMED}", "x-time": str(AT_S)}, True),
        (HMAC + ', prefix = "v0=", signed = "v0:{timestamp}:{body}", timestamp_header = "X-Time"',
         {"x-sig": f"v0={TIMED}", "x-time": str(AT_S + 1)}, False),
        (HMAC + PAIRS,
         {"x-sig": f"v1=00,t={AT_S},v1={BOTH}"}, True),
        (HMAC + PAIRS, {"x-sig": f"v1={BOTH}"}, False),
        (WEBHOOKS, {**SIGNED, "webhook-signature": SIGNATURE}, True),
        (WEBHOOKS, {**SIGNED, "webhook-signature": f"v1a,x v1,eA== {SIGNATURE}"}, True),
        (WEBHOOKS,
         {"svix-id": "msg_1", "svix-timestamp": str(AT_S), "svix-signature": SIGNATURE}, True),
        (WEBHOOKS, {**SIGNED, "webhook-id": "m", "webhook-signature": SIGNATURE}, False),
        (WEBHOOKS, SIGNED, False),
        (f'scheme = "bearer", secrets = ["{LONG}"]', {"authorization": f"bearer {LONG}"}, True),
        (f'scheme = "bearer", secrets = ["{LONG}"]', {"authorization": LONG}, False),
        (f'scheme = "bearer", secrets = ["{LONG}"], header = "X-Api-Key"', {"x-api-key": LONG}, True),
        (f'scheme = "bearer", secrets = ["{LONG}"]', {}, False),
        (f'scheme = "basic", user = "u", secrets = ["{LONG}"]',
         {"authorization": "Basic " + base64.b64encode(f"u:{LONG}".encode()).decode()}, True),
        (f'scheme = "basic", user = "u", secrets = ["{LONG}"]', {"authorization": "Basic dTo="}, False),
        (f'scheme = "basic", user = "u", secrets = ["{LONG}"]', {"authorization": "Basic é"}, False),
    ],
)  # fmt: skip
def test_who_is_let_in(signature: str, headers: dict[str, str], is_good: bool, tmp_path: Path) -> None:
    assert isinstance(source(signature, tmp_path).verify(hook(BODY, headers)), Verified if is_good else Refused)


def test_the_vector_of_the_reference_libraries(tmp_path: Path) -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }  # fmt: skip
    found = source(WEBHOOKS, tmp_path)
    at_ms = 1_614_265_330_000
    body = b'{"test": 2432232314}'
    assert isinstance(found.verify(Hook(headers=headers, body=body, received_at_ms=at_ms)), Verified)
    assert isinstance(found.verify(Hook(headers=headers, body=body, received_at_ms=at_ms + 301_000)), Refused)


@pytest.mark.parametrize(("age_s", "is_good"), [(60, True), (-60, True), (61, False), (-61, False)])
def test_a_signed_time_is_good_within_its_window(age_s: int, is_good: bool, tmp_path: Path) -> None:
    more = ', signed = "v0:{timestamp}:{body}", timestamp_header = "X-Time", tolerance_s = 60'
    found = source(HMAC + more, tmp_path).verify(hook(BODY, {"x-sig": TIMED, "x-time": str(AT_S)}, age_s))
    assert isinstance(found, Verified if is_good else Refused)


@pytest.mark.parametrize(
    ("address", "is_good"), [("192.0.2.7", True), ("2001:db8::1", True), ("198.51.100.1", False), ("", False)]
)
def test_without_a_secret_only_these_addresses_are_let_in(address: str, is_good: bool, tmp_path: Path) -> None:
    found = source('scheme = "none", addresses = ["192.0.2.0/24", "2001:db8::/32"]', tmp_path)
    assert isinstance(found.verify(hook(BODY, address=address)), Verified if is_good else Refused)


@pytest.mark.parametrize(
    ("signature", "rules", "fault"),
    [
        ('scheme = "none"', RULE, "sources[0].signature: 'addresses' is missing; give it"),
        ('scheme = "md5"', RULE, "signature.scheme: 'md5' is none of the choices; give one of standard_webhooks, hmac"),
        ('scheme = "none", addresses = []', RULE, "sources[0].signature.addresses: "),
        ('scheme = "hmac", secrets = ["x"], header = "X-Sig", hsah = "md5"', RULE, "signature: 'hsah' is no setting"),
        ('scheme = "bearer", secrets = ["short"]', RULE, "signature.secrets: holds one that can be guessed"),
        ('scheme = "standard_webhooks", secrets = ["no base64"]', RULE, "secrets: holds one that is no secret"),
        (HMAC + ', signed = "{timestamp}.{body}"', RULE, "signature.signed: names {timestamp} where there is none"),
        (HMAC + ', timestamp_header = "X-Time"', RULE, "a time counts only if it is signed"),
        (HMAC, "", "sources[0].events: is missing; give"),
        (HMAC, "[[sites.sources.events]]\n", "events[0].event_name: is missing; give a name"),
        (HMAC, RULE + 'user_data.mail = "$.email"', "events[0].user_data.mail: there is no such field"),
        (HMAC, RULE + 'user_data.email = "$.[email"', "user_data.email: '$.[email' is no path; give"),
        (HMAC, RULE + 'custom_data.value = { cel = "body." }', "events[0].custom_data.value.cel: is no CEL: 1:6"),
        (HMAC, RULE + 'custom_data.value = { cel = "order.total" }', "custom_data.value.cel: 'order' is no name here"),
        (HMAC, RULE + 'when = "boddy.x"', "events[0].when: 'boddy' is no name here; there are body, item"),
        (HMAC, RULE + "custom_data.value = { pth = '$.x' }", "custom_data.value: says not where it comes from"),
        (HMAC, RULE + "custom_data.key = { header = 'Authorization' }", "events: reads the header 'authorization'"),
        (HMAC, RULE + "custom_data.items = { each = '$.x', fields = { sku = '@.sku' } }", "items.fields.sku: there"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(signature: str, rules: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        source(signature, tmp_path, rules)
    assert fault in str(told.value)


RULES = (
    RULE
    + """each = "$.leads"
event_id = "@.id"
occurred_at = "@.at"
user_data.email = "@.email"
custom_data.value = { cel = "double(item.net) * 1.19" }
custom_data.items = { each = "@.lines[*]", fields = { id = "@.sku", price = { cel = "item.cents / 100" } } }
custom_data.ids = "@.lines[*].sku"

[[sites.sources.events]]
when = "body.leads.exists(x, x.id == 'a')"
event_name = "$.name"
consent.marketing = { cel = "body.agreed" }
"""
)
WORKED = {
    "name": "many", "agreed": False,
    "leads": [
        {"id": "a", "at": "1795168800123", "email": "a@example.com", "net": "100", "lines": [{"sku": 1, "cents": 50}]},
        {"id": "b", "at": "2026-11-20", "email": "", "net": "x", "lines": []},
    ],
}  # fmt: skip


def test_an_expression_that_fails_sets_its_own_event_apart_and_no_other(tmp_path: Path) -> None:
    first, second, third = source(HMAC, tmp_path, RULES).decode(hook(encoded(WORKED))).drafts
    assert first.event["occurred_at"] == "2026-11-20T10:00:00.123000+00:00"
    assert first.event["custom_data"]["ids"] == [1]
    assert second.fault is not None
    assert second.fault.field == "events[0].custom_data.value"
    assert third.event["consent"] == {"marketing": "denied"}


def test_the_same_bytes_are_the_same_events(tmp_path: Path) -> None:
    read = source(HMAC, tmp_path)
    ids = [read.decode(hook(body)).drafts[0].event["event_id"] for body in (BODY, BODY, b'{"id": 2}')]
    assert ids[0] == ids[1] != ids[2]


def test_a_form_as_browsers_post_it(tmp_path: Path) -> None:
    read = source(HMAC, tmp_path, RULE + 'user_data.email = "$.email"\ncustom_data.topics = "$.topic"')
    headers = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
    [draft] = read.decode(hook(b"email=jane%40example.com&topic=tea&topic=cups", headers)).drafts
    assert draft.event["user_data"] == {"email": "jane@example.com"}
    assert draft.event["custom_data"] == {"topics": ["tea", "cups"]}


@pytest.mark.parametrize("body", [b"", b"nope", b"7", b'"x"', b"\xff"])
def test_a_body_that_is_neither_json_nor_a_form_is_kept(body: bytes, tmp_path: Path) -> None:
    [draft] = source(HMAC, tmp_path).decode(hook(body)).drafts
    assert draft.is_internal
    assert draft.event["event_name"] == "webhook forms"


def test_a_body_that_makes_more_events_than_are_taken_is_refused_whole(tmp_path: Path) -> None:
    read = source(HMAC, tmp_path, RULE + 'each = "$[*]"')
    assert len(read.decode(hook(encoded([1] * 1_000))).drafts) == 1_000
    assert read.decode(hook(encoded([1] * 1_001))).malformed


def test_no_event_gets_the_secret_that_a_header_shows(tmp_path: Path) -> None:
    signature = f'scheme = "bearer", header = "X-Key", secrets = ["{LONG}"]'
    read = source(signature, tmp_path, RULE + "custom_data.all = { cel = 'headers' }")
    [draft] = read.decode(hook(BODY, {"authorization": "Bearer x", "x-key": LONG, "x-request": "1"})).drafts
    assert draft.event["custom_data"] == {"all": {"x-request": "1"}}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> WebhookSource:
    read = source(HMAC, tmp_path_factory.mktemp("mapped"), RULES)
    assert isinstance(read, Generic)
    return read


@settings(max_examples=50)
@given(bodies=mutations(WORKED))
def test_any_shape_becomes_events_or_is_kept(mapped: WebhookSource, bodies: list[bytes]) -> None:
    for body in bodies:
        for draft in mapped.decode(hook(body)).drafts:
            settle(draft, "webhook")
