"""What a destination is: pure functions from events to a request, and from an answer to a verdict per event.

An adapter does no I/O, reads no clock and draws no random number. The dispatcher calls it in this order:

    encode(event)              one Payload, or Drop with the reason why this event can never be sent
    request(payloads, attempt) one Request for payloads whose `envelope` is the same, within `limits`
    judge(response, payloads)  one Verdict per payload, in order

A destination with `oauth()` is also asked for its access token, before the first request and after a `Refresh`:

    oauth(at_ms)               the request that gets a token
    read_token(response)       the Token, or why there is none

Before a destination is configured its credentials may be tried:

    credential_check(attempt)  a request by which the platform looks at them and counts nothing
    judge_check(response)      passed, failed, or neither can be told
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from actors.event import STRIPPED, Event, Purpose
from actors.quota import read_quota
from actors.rates import Quota, Rate
from actors.secret import Secret

DAY_S = 86_400
WORDS_CHARS = 4_096  # how much of a platform's own text a verdict carries: 2 KiB are kept, cut after they are redacted
ANSWER_BYTES = 65_536  # how much of an answer is read
TOKEN_LIFE_S = 300.0  # of a token whose answer does not say how long it lives

_encoder = msgspec.json.Encoder(decimal_format="number")


class Limits(Struct, frozen=True, kw_only=True):
    """What the platform takes in one request. `age_s`: an older event is dropped before a request is spent on it.

    `answer_bytes`: how much of an answer is kept for `judge`; more than the default where a platform answers per event.
    `rate`: of requests, where the platform's page names a limit.
    """

    events: int = 1
    body_bytes: int = 1_000_000
    age_s: int | None = None
    answer_bytes: int = ANSWER_BYTES
    rate: Rate | None = None


class Payload(Struct, frozen=True):
    """One event as the platform wants it. Payloads share a request only if their envelopes are equal."""

    body: bytes  # JSON of the event's own part
    envelope: bytes = b""  # JSON of what stands at the request's level, or any other key that must not be mixed
    carries: int = 0  # bits of carried.py: the identifiers that are in it


class Attempt(Struct, frozen=True, kw_only=True):
    """What the dispatcher knows about the request it is about to make."""

    at_ms: int
    number: int = 1
    delivery_ids: tuple[str, ...] = ()  # one per payload: stable over all attempts, letters, digits and `_` only
    access_token: str | None = None  # for destinations with `oauth()`


class Request(Struct, frozen=True, kw_only=True):
    url: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Response(Struct, frozen=True, kw_only=True):
    """A platform's answer: header names in lower case, at most the first `Limits.answer_bytes` of the body."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def words(self) -> str:
        """The platform's own words: the head of the body as text."""
        return self.body[: WORDS_CHARS * 4].decode("utf-8", "replace")[:WORDS_CHARS]


class Delivered(Struct, frozen=True):
    """The platform has it. `note` keeps a warning that came with the yes."""

    note: str = ""


class Retry(Struct, frozen=True):
    """Not this time. `after_s`: the platform's own delay, used when longer than ours; `is_throttle`: send slower;
    `is_unforeseen`: the contract does not name the answer."""

    reason: str
    after_s: float | None = None
    is_throttle: bool = False
    is_unforeseen: bool = False


class Drop(Struct, frozen=True):
    """Never. The reason is final and carries the platform's own words."""

    reason: str


class Split(Struct, frozen=True):
    """One event spoiled the request: its parts are sent again apart. A payload alone is dropped with the reason."""

    reason: str


class Pause(Struct, frozen=True):
    """The credentials or the account are refused: the destination waits, its queue stays."""

    reason: str


class Refresh(Struct, frozen=True):
    """The access token is old: a new one, and again; costs no attempt. A second one in a row counts as Pause."""

    reason: str


class Again(Struct, frozen=True):
    """Innocent: another event spoiled the request. Sent again at once, without it; costs no attempt."""

    reason: str


Verdict = Delivered | Retry | Drop | Split | Pause | Refresh | Again


class CheckPassed(Struct, frozen=True):
    """The platform was asked and had nothing against the credentials. `words`: also what it did not look at."""

    words: str = ""


class CheckFailed(Struct, frozen=True):
    """The platform refused the credentials, or the account is not the one they belong to."""

    words: str


class CheckUnsure(Struct, frozen=True):
    """Neither: the platform has no such check, was not reached, or answered something else."""

    words: str


CredentialCheck = CheckPassed | CheckFailed | CheckUnsure


class OAuth(Struct, frozen=True, kw_only=True):
    """How to get an access token: the request that exchanges what is kept for one (RFC 6749, section 6; RFC 7523)."""

    request: Request


class Token(Struct, frozen=True, kw_only=True):
    """An access token and how long it lives from the answer on."""

    value: Secret
    expires_in_s: float


class InTestMode(Struct, frozen=True):
    """The destination as its platform's own test mode wants it. `effect`: what becomes of an event sent so.

    `may_count`: the platform may take such an event for a real one, so that only a person who knows should send it.
    """

    destination: "Destination"
    effect: str
    may_count: bool = False


class NoTestMode(Struct, frozen=True):
    """Whatever is sent is live. `why`: the platform has no test mode, or needs a setting for it."""

    why: str


class Destination(Struct, frozen=True, kw_only=True, tag_field="type"):
    """One configured platform account of a site. Subclasses add their settings as fields and the class variables."""

    id: str
    events: tuple[str, ...] | None = None  # names it takes; default: all that the platform knows
    consent: tuple[Purpose, ...] | None = None  # purposes it needs granted; default: those of its class
    relies_on: str | None = None  # the basis other than consent on which it needs fewer than its class
    base_url: str | None = None  # another host for the platform's API; default: the platform's own
    allow_private: bool = False  # may connect to addresses that are not public
    allow_networks: tuple[str, ...] = ()  # of those only these, as CIDR
    allow_http: bool = False  # may connect without TLS to public addresses too
    ca_file: str | None = None  # PEM file whose certificates are trusted beside the public authorities'
    keep_payloads: bool = False  # keep the event's own part of each request
    concurrency: int = 8  # requests in flight at most
    rate: Rate | None = None  # requests in a time at most; default: the platform's own limit, where it is known
    latency_goal_s: float = 5.0  # fewer requests at once while answers take longer
    pause_share: float = 0.25  # pauses where more of its deliveries fail; 0: never
    pause_after_s: float = 300.0  # over so long
    pause_least: int = 20  # deliveries in that time
    enabled: bool = True  # false: gets no new deliveries, and those that wait stay
    paused: bool = False  # sends nothing, its queue stays

    platform: ClassVar[str]  # the tag
    limits: ClassVar[Limits]
    names: ClassVar[Mapping[str, str | None]]  # canonical name -> the platform's; None: explicitly not sent
    needs: ClassVar[tuple[Purpose, ...]] = ("marketing",)
    without_sale: ClassVar[bool] = True  # may get events with sale_of_data denied (with the platform's own flag)
    takes_anonymous: ClassVar[bool] = False  # makes sense of events without any identifier
    takes_custom: ClassVar[bool] = True  # custom events are sent under their own name
    match_on: ClassVar[int] = 0  # bits of carried.py: what the platform finds people by; 0: it looks for none
    click_ids: ClassVar[tuple[str, ...]] = ()  # fields of `UserData` that hold the platform's own click id
    browser_ids: ClassVar[tuple[str, ...]] = ()  # and its own id of a browser
    dedup_window_s: ClassVar[int | None] = None  # for how long it drops a second copy; None: its pages name no time
    needs_plaintext: ClassVar[bool] = False  # opens the sealed plaintext, where the site keeps it
    default_base_url: ClassVar[str]

    def problems(self) -> Iterable[tuple[str, str]]:
        """Faults in the settings, as (field, what is wrong and what would be right)."""
        return ()

    def takes(self, event_name: str) -> bool:
        """Whether an event of this name goes to this destination at all."""
        if self.events is not None:
            return event_name in self.events or "*" in self.events
        if event_name in self.names:
            return self.names[event_name] is not None
        return self.takes_custom

    def platform_name(self, event_name: str) -> str:
        """The platform's name for the event; a custom event keeps its own."""
        return self.names.get(event_name) or event_name

    def denied(self, event: Event) -> Purpose | None:
        """A purpose that it needs and the event denies: such an event never leaves, whatever routed it; but for one
        without anybody in it, where the platform makes sense of that."""
        if self.takes_anonymous and STRIPPED in event.marks:
            return None
        if event.consent.sale_of_data == "denied" and not self.without_sale:
            return "sale_of_data"
        needed = self.needs if self.consent is None else self.consent
        return next((purpose for purpose in needed if getattr(event.consent, purpose) == "denied"), None)

    def matches_on(self) -> int:
        """What it finds people by; the way into a platform may decide."""
        return self.match_on

    def max_age_s(self, event: Event) -> int | None:
        """How old this event may be when it is sent; a platform may take some kinds later than others."""
        return self.limits.age_s

    def platform_rate(self) -> Rate | None:
        """The platform's own limit; a setting may decide."""
        return self.limits.rate

    def heed(self, response: Response, now_ms: int) -> Quota:
        """What the answer's headers say about asking again."""
        return read_quota(response.headers, now_ms)

    def deduplicates_for_s(self, event: Event) -> int | None:
        """For how long the platform drops a second copy of this event; None where it names no time, or drops none."""
        return self.dedup_window_s

    def api_url(self, path: str) -> str:
        """The address of the platform's API, on `base_url` where one is set."""
        return (self.base_url or self.default_base_url).rstrip("/") + path

    def in_test_mode(self) -> InTestMode | NoTestMode:
        """How an event is sent on trial. Every adapter says it of its platform."""
        return NoTestMode("no test mode of this platform is known")

    def oauth(self, at_ms: int = 0) -> OAuth | None:
        """Where an access token comes from, for platforms that want one. Default: none is needed. `at_ms`: the time
        now, for a request that is signed with it; to ask whether there is one it may be left out."""
        return None

    def read_token(self, response: Response) -> Token | Retry | Pause:
        """What the answer to `oauth()`'s request says, by RFC 6749, sections 5.1 and 5.2."""
        return read_token(response)

    def credential_check(self, attempt: Attempt) -> Request | None:
        """A request by which the platform looks at the credentials and counts nothing; None: it has no such way."""
        return None

    def judge_check(self, response: Response) -> CredentialCheck:
        """What the answer to `credential_check` says, in the platform's own words."""
        return CheckUnsure(f"answer {response.status}: {response.words()}")

    def opens_plaintext(self) -> bool:
        """Whether the sealed plaintext is opened for it; a setting may decide."""
        return self.needs_plaintext

    def encode(self, event: Event) -> Payload | Drop:
        raise NotImplementedError

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        raise NotImplementedError

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        raise NotImplementedError


def read_token(response: Response) -> Token | Retry | Pause:
    """An OAuth token answer. The body of a good answer is never quoted: it holds the token."""
    body = response.json()
    fields = body if isinstance(body, dict) else {}
    value, life_s = fields.get("access_token"), fields.get("expires_in")
    if response.status == 200 and isinstance(value, str) and value:
        told_s = float(life_s) if isinstance(life_s, int | float) else 0.0
        return Token(value=Secret(value), expires_in_s=told_s if told_s > 0 else TOKEN_LIFE_S)
    if 400 <= response.status < 500 and response.status != 429 and isinstance(fields.get("error"), str):
        return Pause(f"token refused: {fields['error']}: {fields.get('error_description', '')}"[:WORDS_CHARS])
    return Retry(f"no token in an answer {response.status}", is_throttle=response.status == 429)


def happened_at_ms(event: Event) -> int:
    """When it happened, but never after it arrived: a sender's clock may be ahead, and platforms refuse the future."""
    return min(event.occurred_at_ms, event.received_at_ms or event.occurred_at_ms)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def encode_json(value: object) -> bytes:
    """Compact JSON; decimals as numbers."""
    return _encoder.encode(value)


def drop_absent(**fields: Any) -> dict[str, Any]:
    """The fields that are there: None, empty strings, lists and objects are left out."""
    return {
        name: value
        for name, value in fields.items()
        if value or (value is not None and value != "" and value != [] and value != {})
    }


def post_json(url: str, body: bytes, *, bearer: Secret | str | None = None, **headers: str) -> Request:
    """A JSON POST. `headers` names are written with `_` for `-`."""
    pairs = [("content-type", "application/json")]
    if bearer is not None:
        token = bearer.reveal() if isinstance(bearer, Secret) else bearer
        pairs.append(("authorization", f"Bearer {token}"))
    pairs += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(url=url, headers=tuple(pairs), body=body)


def all_of(verdict: Verdict, payloads: Sequence[Payload]) -> list[Verdict]:
    """The same verdict for each payload of the request."""
    return [verdict] * len(payloads)


def unforeseen(response: Response) -> Retry:
    """An answer the contract does not name: tried again, with its status and the head of its body kept."""
    return Retry(f"unforeseen answer {response.status}: {response.words()}", is_unforeseen=True)
