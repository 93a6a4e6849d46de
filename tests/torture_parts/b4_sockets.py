"""B4: mutated HTTP/1.1, HTTP/2, WebSocket and TLS bytes on raw sockets: no process ends, no task or descriptor is left.

The bar: 100,000 connections, 0 exits, 0 answers of 500, 0 failures that had to be contained, the same counts of tasks
and descriptors before and after.
"""

import json
import random
import sys
from contextlib import suppress

import trio

from gateway.door import DoorBounds
from tests.torture_parts.door_process import ASK, Process, open_process

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
SEEDS = (
    ASK,
    ASK.replace(b"/i", b"/v1/events") * 3,
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=d\r\n\r\n",
    b"OPTIONS /i HTTP/1.1\r\nHost: a\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: POST\r\n\r\n",
    b"POST /i HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"POST /i HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"GET http://a/readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n\x81\x05hello",
    PREFACE + bytes.fromhex("000000040000000000") + bytes.fromhex("00000401050000000182868441"),
    PREFACE + bytes.fromhex("0000050200000000030000000010") * 20,
    bytes.fromhex("16030100a5010000a10303") + bytes(range(160)),
)
PIECES = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b"\xff",
    b" ",
    b":",
    b"%",
    b"%00",
    b"chunked",
    b"Content-Length: 9\r\n",
    b"?",
    b"#",
    b"//",
)


async def run(full: bool) -> dict[str, object]:
    connections, at_once = (100_000, 200) if full else (600, 50)
    bounds = DoorBounds(head_s=0.3, body_s=0.3, keep_alive_s=0.3, linger_s=0.1, app_read_s=0.3)
    missed: list[str] = []
    async with open_process(bounds) as process:
        before = await process.books()
        begun = trio.current_time()
        async with trio.open_nursery() as nursery:
            for worker in range(at_once):
                nursery.start_soon(_attack, process, random.Random(worker), connections // at_once, missed)
        took_s = trio.current_time() - begun
        await trio.sleep(bounds.keep_alive_s + 1)
        after = await process.books()
        _, code = await process.stop()
    if code != 0:
        missed.append(f"exit code {code}")
    if (after.descriptors, after.tasks) != (before.descriptors, before.tasks):
        missed.append(f"left over: {before} before, {after} after")
    if after.answered_500 or after.contained:
        missed.append(f"{after.answered_500} answers of 500, {after.contained} contained failures: {after.log_lines}")
    return {
        "connections": connections // at_once * at_once,
        "connections_per_s": round(connections / took_s),
        "reached_the_handler": after.handled - before.handled,
        "exit_code": code,
        "descriptors_and_tasks_after": [after.descriptors, after.tasks],
        "missed": missed,
    }


async def _attack(process: Process, chance: random.Random, connections: int, missed: list[str]) -> None:
    for _ in range(connections):
        raw = _mutate(chance)
        try:
            said = await _throw(process.port, raw, chance)
        except ConnectionRefusedError:
            missed.append(f"refused after {raw!r}")
            return
        if b"Traceback" in said or b" 500 " in said:
            missed.append(f"{raw!r} got {said[:80]!r}")


async def _throw(port: int, raw: bytes, chance: random.Random) -> bytes:
    """Sends in one or two pieces, then hangs up in one of three ways, or waits for the end."""
    stream = await _connect(port)
    said = b""
    with suppress(trio.BrokenResourceError):
        async with stream:
            cut = chance.randrange(len(raw) + 1)
            await stream.send_all(raw[:cut])
            await stream.send_all(raw[cut:])
            manner = chance.randrange(8)
            if manner < 6:
                await stream.send_eof()
            if manner < 7:
                with trio.move_on_after(2):
                    said = b"".join([part async for part in stream])
    return said


async def _connect(port: int) -> trio.SocketStream:
    sock = trio.socket.socket()
    await sock.connect(("127.0.0.1", port))
    return trio.SocketStream(sock)


def _mutate(chance: random.Random) -> bytes:
    raw = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(5):
            case 0:
                raw[at:at] = chance.choice(PIECES)
            case 1:
                raw[at : at + chance.randrange(1, 12)] = b""
            case 2:
                raw[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                raw[at:at] = raw[at : at + chance.randrange(40)]
            case _:
                raw[at:at] = chance.choice(SEEDS)[: chance.randrange(80)]
    return bytes(raw)


if __name__ == "__main__":
    figures = trio.run(run, "--full" in sys.argv)
    print(json.dumps(figures, indent=2))
    sys.exit(1 if figures["missed"] else 0)
