"""What the simulated Klaviyo takes, as records: an unknown field is a fault.

Source: the tables of contracts/klaviyo.md, sections "Payload" and "Batching".
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Text = Annotated[str, Meta(min_length=1, max_length=100_000)]


class Location(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    address1: Text | UnsetType = UNSET
    address2: Text | UnsetType = UNSET
    city: Text | UnsetType = UNSET
    region: Text | UnsetType = UNSET
    zip: Text | UnsetType = UNSET
    country: Text | UnsetType = UNSET
    ip: Annotated[str, Meta(pattern=r"\A[0-9A-Fa-f.:]{2,45}\Z")] | UnsetType = UNSET


class ProfileFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    _kx: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_~+/=-]+\.[A-Za-z0-9_-]+\Z")] | UnsetType = UNSET
    email: Annotated[str, Meta(pattern=r"\A[^@\s]+@[^@\s]+\.[^@\s]+\Z")] | UnsetType = UNSET
    phone_number: Annotated[str, Meta(pattern=r"\A\+[1-9][0-9]{6,14}\Z")] | UnsetType = UNSET
    external_id: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    anonymous_id: Text | UnsetType = UNSET
    first_name: Text | UnsetType = UNSET
    last_name: Text | UnsetType = UNSET
    location: Location | UnsetType = UNSET


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Literal["profile"]
    attributes: ProfileFields
    id: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9]{1,64}\Z")] | UnsetType = UNSET


class ProfileData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    data: Profile


class MetricName(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=127)]


class Metric(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Literal["metric"]
    attributes: MetricName


class MetricData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    data: Metric


class EventFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    properties: Annotated[dict[str, Any], Meta(max_length=400)]
    metric: MetricData
    time: datetime | UnsetType = UNSET
    value: float | UnsetType = UNSET
    value_currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")] | UnsetType = UNSET
    unique_id: Text | UnsetType = UNSET
    backfill: bool | UnsetType = UNSET


class SingleFields(EventFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    profile: ProfileData


class Single(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Literal["event"]
    attributes: SingleFields


class OfGroup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Literal["event"]
    attributes: EventFields


class GroupEvents(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    data: Annotated[list[OfGroup], Meta(min_length=1)]


class GroupFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    profile: ProfileData
    events: GroupEvents


class Group(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Literal["event-bulk-create"]
    attributes: GroupFields
