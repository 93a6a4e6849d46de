"""The API in this process, behind the checks of the web application: a client that has the admin token."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import httpx
from msgspec import Struct

from actors.observer import Observer
from actors.secret import Secret
from actors.snapshot import Snapshot
from gateway.api.application import create_api
from gateway.api.parts import ApiParts
from gateway.app import create_app
from gateway.auth import AdminGate
from gateway.client import Network
from gateway.control import Control
from gateway.door import DoorLog, log_nothing
from gateway.failures import FailureReport
from gateway.key_ring import load_key_ring
from gateway.vault import Vault
from store.env import Store
from store.writer import InlineWriter
from tests.gateway.doors import Echo

TOKEN = "0123456789abcdef-admin"
BEARER: Mapping[str, str] = MappingProxyType({"authorization": f"Bearer {TOKEN}"})


class Api(Struct, frozen=True, kw_only=True):
    """Asks as a client at `peer` does. `headers`: those of each request, beside the token."""

    app: Any
    peer: str = "127.0.0.1"
    headers: Mapping[str, str] = BEARER

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, client=(self.peer, 1234))
        headers = {**self.headers, **more.pop("headers", {})}
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
            return await client.request(method, path, headers=headers, **more)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.ask("GET", path, params=query or None)


def api_on(
    store: Store,
    *,
    token: str | None = TOKEN,
    now_ms: Callable[[], int] = lambda: 0,
    now_s: Callable[[], float] = lambda: 0.0,
    trusted: Sequence[Network] = (),
    log: DoorLog = log_nothing,
    make_control: Callable[[], Control] | None = None,
    snapshot: Callable[[], Snapshot] = Snapshot,
) -> Api:
    gate = AdminGate(Secret(token) if token is not None else None, now_s)
    report = FailureReport(observer=Observer(), log=log)
    given = ApiParts(
        store=store,
        writer=InlineWriter(store),
        snapshot=snapshot,
        gate=gate,
        make_control=make_control or partial(control_on, store, now_ms),
        now_ms=now_ms,
        report=report,
        trusted_proxies=trusted,
        log=log,
    )
    return Api(app=create_app(handler=Echo(), ready=lambda: "never", api=create_api(given)))


def control_on(store: Store, now_ms: Callable[[], int]) -> Control:
    """One that knows the configuration of the environment: no file, one site."""
    vault = Vault(partial(load_key_ring, store.path, {}))
    return Control(store=store, writer=InlineWriter(store), vault=vault, config_path=None, env={}, now_ms=now_ms)
