"""What the resources of the API are given."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from gateway.auth import AdminGate
from gateway.client import Network
from gateway.door import DoorLog, log_nothing
from gateway.failures import FailureReport
from store.env import Store


class ApiParts(Struct, frozen=True, kw_only=True):
    store: Store
    gate: AdminGate
    now_ms: Callable[[], int]
    report: FailureReport
    trusted_proxies: Sequence[Network] = ()
    log: DoorLog = log_nothing
