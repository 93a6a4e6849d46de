"""Transports for tests: to servers on loopback, with short bounds."""

import ssl

from actors.addresses import rules
from actors.destinations.base import Request, Response
from actors.transport import Failure, Transport
from tests.torture_parts import faults

OPEN = rules(allow_private=True)
CANARY = "canary-5f1e"


def post(port: int, path: str = "/", host: str = "127.0.0.1", scheme: str = "http", body: bytes = b"{}") -> Request:
    return Request(url=f"{scheme}://{host}:{port}{path}", headers=(("content-type", "application/json"),), body=body)


def secret_post(port: int) -> Request:
    return Request(
        url=f"http://127.0.0.1:{port}/{CANARY}?token={CANARY}",
        headers=(("authorization", f"Bearer {CANARY}"),),
        body=CANARY.encode(),
    )


def here(tls: ssl.SSLContext, *, connections: int = 2, attempt_s: float = 0.3, idle_s: float = 5.0) -> Transport:
    """A transport that may go to loopback and finds every name there."""
    return Transport(
        tls,
        allowed=OPEN,
        connections=connections,
        attempt_s=attempt_s,
        connect_s=attempt_s / 2,
        idle_s=idle_s,
        lookup=lambda host: ["127.0.0.1"],
    )


def outcome(result: Response | Failure) -> str | int:
    return result.kind if isinstance(result, Failure) else result.status


async def once(tls: ssl.SSLContext, handler: faults.Handler, attempt_s: float = 0.3) -> Response | Failure:
    async with faults.serving(handler) as port, here(tls, attempt_s=attempt_s) as transport:
        return await transport.send(secret_post(port))
