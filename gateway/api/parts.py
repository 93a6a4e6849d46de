"""What the resources of the API are given, and how a worker that has doors makes it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog
from msgspec import Struct

from actors.snapshot import Snapshot
from gateway.accepted_config import read_accepted
from gateway.auth import AdminGate
from gateway.client import Network
from gateway.control import Control
from gateway.door import DoorLog, log_nothing
from gateway.edge import Edge
from gateway.failures import FailureReport
from gateway.key_ring import load_key_ring
from gateway.settings import ServerSettings
from gateway.vault import Vault
from store.env import Store
from store.writer import Writer

log = structlog.get_logger()


class ApiParts(Struct, frozen=True, kw_only=True):
    """`make_control`: anew for each request, so that it knows the keys and the file of this moment."""

    store: Store
    writer: Writer
    snapshot: Callable[[], Snapshot]  # the configuration in force
    gate: AdminGate
    make_control: Callable[[], Control]
    now_ms: Callable[[], int]
    report: FailureReport
    edge: Edge | None = None  # what takes events
    trusted_proxies: Sequence[Network] = ()
    log: DoorLog = log_nothing


def parts_of(
    edge: Edge, server: ServerSettings, env: Mapping[str, str], config_path: Path | None, accepted: int | None
) -> ApiParts:
    """`accepted`: descriptor of the configuration that the supervisor accepted; what the file holds may be newer."""

    def make_control() -> Control:
        return Control(
            store=edge.store,
            writer=edge.writer,
            vault=Vault(partial(load_key_ring, Path(server.data_dir), env)),
            config_path=config_path,
            env=env,
            now_ms=edge.now_ms,
            text=partial(read_accepted, accepted) if accepted is not None else None,
        )

    return ApiParts(
        store=edge.store,
        writer=edge.writer,
        snapshot=lambda: edge.snapshot,
        gate=AdminGate(server.admin_token),
        make_control=make_control,
        now_ms=edge.now_ms,
        edge=edge,
        report=FailureReport(observer=edge.observer, log=log.warning),
        trusted_proxies=edge.trusted_proxies,
        log=log.info,
    )
