"""Google Consent Mode v2 as canonical purposes (contracts/consent.md, section 2.1)."""

from msgspec import Struct

from actors.event import Consent, State


class ConsentMode(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest state of the page, by Google's own names. `security_storage` says nothing here."""

    analytics_storage: State | None = None
    ad_storage: State | None = None
    ad_user_data: State | None = None
    ad_personalization: State | None = None
    functionality_storage: State | None = None
    personalization_storage: State | None = None
    security_storage: State | None = None


def consent_of(mode: ConsentMode) -> Consent:
    """Denied personalisation denies the sale, the nearest there is; granted it says nothing of it."""
    return Consent(
        analytics=mode.analytics_storage,
        marketing=_both(mode.ad_storage, mode.ad_user_data),
        preferences=_both(mode.functionality_storage, mode.personalization_storage),
        sale_of_data="denied" if mode.ad_personalization == "denied" else None,
    )


def _both(one: State | None, other: State | None) -> State | None:
    if "denied" in (one, other):
        return "denied"
    return "granted" if one == other == "granted" else None
