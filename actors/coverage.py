"""Which identifiers an event carries, as one number: the share of events that carry each is told by it.

Bit i is identifier i of `IDENTIFIERS`. Several fields stand for one where an event has but one of them (Google's click
ids), or where one says little without the other (address and user agent).
"""

from actors.event import UserData

# fmt: off
IDENTIFIERS: tuple[str, ...] = (
    "email", "phone", "external_id", "fbp", "fbc", "ga_client_id", "ttclid", "ttp", "epik", "sc_click_id",
    "sc_cookie1", "li_fat_id", "rdt_cid", "rdt_uuid", "awc", "tblci", "criteo_id", "msclkid", "google_click_id",
    "klaviyo_id", "name", "place", "ip_and_user_agent",
)
# fmt: on


def coverage(user: UserData) -> int:
    """The identifiers that are there. Written out: it runs for every event, and a loop over the names takes 5 times as
    long (1.4 µs instead of 0.3)."""
    bits = _joint(user)
    if user.email is not None:
        bits |= 1 << 0
    if user.phone is not None:
        bits |= 1 << 1
    if user.external_id is not None:
        bits |= 1 << 2
    if user.fbp is not None:
        bits |= 1 << 3
    if user.fbc is not None:
        bits |= 1 << 4
    if user.ga_client_id is not None:
        bits |= 1 << 5
    if user.ttclid is not None:
        bits |= 1 << 6
    if user.ttp is not None:
        bits |= 1 << 7
    if user.epik is not None:
        bits |= 1 << 8
    if user.sc_click_id is not None:
        bits |= 1 << 9
    if user.sc_cookie1 is not None:
        bits |= 1 << 10
    if user.li_fat_id is not None:
        bits |= 1 << 11
    if user.rdt_cid is not None:
        bits |= 1 << 12
    if user.rdt_uuid is not None:
        bits |= 1 << 13
    if user.awc is not None:
        bits |= 1 << 14
    if user.tblci is not None:
        bits |= 1 << 15
    if user.criteo_id is not None:
        bits |= 1 << 16
    if user.msclkid is not None:
        bits |= 1 << 17
    return bits


def _joint(user: UserData) -> int:
    """Those that several fields stand for."""
    bits = 0
    if user.gclid is not None or user.wbraid is not None or user.gbraid is not None:
        bits |= 1 << 18
    if user.klaviyo_id is not None or user.kx is not None:
        bits |= 1 << 19
    if user.first_name is not None and user.last_name is not None:
        bits |= 1 << 20
    if user.country is not None and (user.city is not None or user.postal_code is not None):
        bits |= 1 << 21
    if user.client_ip is not None and user.client_user_agent is not None:
        bits |= 1 << 22
    return bits
