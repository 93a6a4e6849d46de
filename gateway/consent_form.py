"""Consent as senders write it: canonical purposes, and the signals of consent platforms beside them (docs/consent.md).

What the purposes say themselves goes first; of several signals the stricter (contracts/consent.md, section 1). A string
that cannot be read is refused: were it left out, the event would count as one that nobody said anything about.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from actors.consent_signals import consent_mode, gpp, shopify, tcf
from actors.consent_signals.bits import Unread
from actors.consent_signals.consent_mode import ConsentMode
from actors.consent_signals.shopify import ShopifyPrivacy
from actors.consent_state import ALL_DENIED
from actors.event import PURPOSES, Basis, Consent, ConsentNote, State
from actors.merging import strictest
from gateway.invalid import Invalid, invalid_field

Signal = Annotated[str, Meta(max_length=8192)]
Name = Annotated[str, Meta(max_length=200)]
Region = Annotated[str, Meta(max_length=40)]
SIGNALS: Final = ("tcf", "gpp", "gpp_sections", "gcm", "shopify", "gpc")
GRANTED: Final[State] = "granted"
RAW_CHARS: Final = 16_384  # of all signals of one event; what is longer is kept without its parsed sections

UNSAID: Final = (None, None, None, None)
_NOTHING = Consent()


class ConsentForm(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`gcm`: Google Consent Mode; `gpp_sections`: a consent platform's `parsedSections`; `gpc`: the browser's own
    `navigator.globalPrivacyControl`. `objects`: the person objects to everything, or takes that back."""

    analytics: State | None = None
    marketing: State | None = None
    preferences: State | None = None
    sale_of_data: State | None = None
    tcf: Signal | None = None
    gpp: Signal | None = None
    gpp_sections: dict[str, Any] | None = None
    gcm: ConsentMode | None = None
    shopify: ShopifyPrivacy | None = None
    gpc: bool | None = None
    basis: Basis | None = None
    policy: Name | None = None
    region: Region | None = None
    objects: bool | None = None


class Read(Struct, frozen=True):
    """What a form says. `note` None: purposes alone."""

    consent: Consent
    note: ConsentNote | None = None


def read_consent(form: ConsentForm, now_ms: int) -> Read | Invalid:
    own = Consent(
        analytics=form.analytics, marketing=form.marketing, preferences=form.preferences,
        sale_of_data=form.sale_of_data,
    )  # fmt: skip
    came = tuple(name for name in SIGNALS if getattr(form, name) not in (None, False))
    if not came and (form.basis, form.policy, form.region, form.objects) == UNSAID:
        return Read(own)
    said = _said(form, now_ms)
    if isinstance(said, Invalid):
        return said
    note = ConsentNote(
        came=came, basis=form.basis or _basis(form, own, came), raw=_raw(form, came), policy=form.policy or "",
        region=form.region or "", is_gpc=form.gpc is True, objects=form.objects,
    )  # fmt: skip
    return Read(_overridden(_first_known(own, said), form), note)


def with_gpc(consent: Consent, note: ConsentNote | None) -> Read:
    """The same of a browser that opts out of every sale, whatever its page says."""
    note = note or ConsentNote()
    came = note.came if "gpc" in note.came else (*note.came, "gpc")
    return Read(
        msgspec.structs.replace(consent, sale_of_data="denied"),
        msgspec.structs.replace(note, came=came, is_gpc=True),
    )


def _said(form: ConsentForm, now_ms: int) -> Consent | Invalid:
    """The stricter of the signals, purpose by purpose."""
    said = _NOTHING
    for name, read in (("tcf", tcf.consent_of), ("gpp", gpp.consent_of)):
        text = getattr(form, name)
        if text is None:
            continue
        try:
            said = strictest(said, read(text.strip(), now_ms))
        except Unread as error:
            return invalid_field(f"consent.{name}", f"cannot be read: it {error}")
    if form.gpp_sections is not None:
        said = strictest(said, gpp.consent_of_parsed(form.gpp_sections))
    if form.gcm is not None:
        said = strictest(said, consent_mode.consent_of(form.gcm))
    return said if form.shopify is None else strictest(said, shopify.consent_of(form.shopify))


def _first_known(own: Consent, said: Consent) -> Consent:
    return Consent(**{purpose: getattr(own, purpose) or getattr(said, purpose) for purpose in PURPOSES})


def _overridden(consent: Consent, form: ConsentForm) -> Consent:
    if form.objects:
        return ALL_DENIED
    return msgspec.structs.replace(consent, sale_of_data="denied") if form.gpc else consent


def _basis(form: ConsentForm, own: Consent, came: tuple[str, ...]) -> Basis:
    """Nobody chose where only a shop's rules allow, or where all that is told is that nobody opted out."""
    if GRANTED in (own.analytics, own.marketing, own.preferences, own.sale_of_data) or {"tcf", "gcm"} & set(came):
        return "chosen"
    if form.shopify is not None:
        return shopify.basis_of(form.shopify)
    return "allowed" if {"gpp", "gpp_sections"} & set(came) else "chosen"


def _raw(form: ConsentForm, came: tuple[str, ...]) -> str:
    """The signals as they came, for the record of what the person was asked and said."""
    kept = {name: getattr(form, name) for name in came}
    text = msgspec.json.encode(kept).decode() if kept else ""
    if len(text) <= RAW_CHARS:
        return text
    kept.pop("gpp_sections", None)
    return msgspec.json.encode(kept).decode()[:RAW_CHARS]
