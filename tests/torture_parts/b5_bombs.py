"""Small requests that unpack to large ones, and large ones of no use (RELIABILITY B5).

Bars: each is answered with a 4xx, no process ends, and the worker's memory grows by at most 5 MB over all of them. Over
many passes it grows on until the interpreter collects what is cyclic, which it does seldom (gateway/serve.py), and then
stays: the second figure.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import trio

from tests.torture_parts.bodies import event
from tests.torture_parts.harness import Gateway, Setup, fetch, folder, platforms, running
from tests.torture_parts.load import request

MIB = 1 << 20
GROWTH_BYTES = 5 * MIB
PLATEAU_BYTES = 48 * MIB
MULTIPART = b"".join(b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % i for i in range(10_000))


def bombs() -> Iterator[tuple[str, bytes, tuple[str, ...]]]:
    """Name, body, headers."""
    zeros = gzip.compress(bytes(200 * MIB), 9)
    packed = ("Content-Encoding: gzip",)
    yield "200 MiB of zeros in gzip", zeros, packed
    yield "200 members of a mebibyte", gzip.compress(bytes(MIB), 9) * 200, packed
    yield "a bomb of spaces before an event", gzip.compress(b" " * (20 * MIB) + event(), 9), packed
    yield "gzip in gzip", gzip.compress(zeros, 9), packed
    yield "gzip twice, said", zeros, ("Content-Encoding: gzip, gzip",)
    yield "gzip cut short", gzip.compress(event())[:-9], packed
    yield "gzip with a wrong checksum", gzip.compress(event())[:-8] + bytes(8), packed
    yield "no gzip", event(), packed
    yield "an endless name in gzip", b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 500_000, packed
    yield "deflate", zlib.compress(bytes(MIB)), ("Content-Encoding: deflate",)
    yield "raw deflate", zlib.compress(bytes(MIB))[2:-4], ("Content-Encoding: deflate",)
    yield "brotli", b"\x5b\xff\xff\xff" * 100, ("Content-Encoding: br",)
    yield "zstd", b"\x28\xb5\x2f\xfd" * 100, ("Content-Encoding: zstd",)
    yield "multipart of 10,000 parts", MULTIPART, ("Content-Type: multipart/form-data; boundary=b",)
    yield "a form of 100,000 fields", b"&".join(b"a%d=1" % i for i in range(100_000)), ()
    yield "more than any body", bytes(3 * MIB), ()


async def run(full: bool) -> dict[str, object]:
    """In full, all of it 200 times over."""
    missed: list[str] = []
    answers: dict[str, list[int]] = {}
    async with platforms() as held:
        with folder() as directory:
            async with running(Setup(directory=directory, platforms=held, has_meta=False)) as gateway:
                await _ask(gateway, event(), (), is_chunked=True)  # what both doors need once is there
                before = _anonymous_bytes(gateway)
                all_bombs = list(bombs())
                grown: list[int] = []
                for _ in range(200 if full else 1):
                    for name, body, headers in all_bombs:
                        answers[name] = [await _ask(gateway, body, headers, is_chunked=way) for way in (False, True)]
                    answers["a query of a mebibyte"] = [await _query(gateway)]
                    grown.append(_anonymous_bytes(gateway) - before)
                missed += [f"workers ended with {gateway.codes()}"] if gateway.codes() else []
                missed += [f"no line of the log: {line}" for line in gateway.noise[:2]]
    missed += [f"{name}: {codes}" for name, codes in answers.items() if not all(400 <= code < 500 for code in codes)]
    missed += [f"memory grew by {grown[0]} bytes"] if grown[0] > GROWTH_BYTES else []
    missed += [f"memory grew by {max(grown)} bytes in {len(grown)} passes"] if max(grown) > PLATEAU_BYTES else []
    return {
        "bombs": len(answers),
        "statuses": sorted({code for codes in answers.values() for code in codes}),
        "memory_grew_bytes": {"first pass": grown[0], f"at most, in {len(grown)} passes": max(grown)},
        "missed": missed,
    }


async def _ask(gateway: Gateway, body: bytes, headers: tuple[str, ...], *, is_chunked: bool) -> int:
    """The status; a refusal may come before all is sent, and then the connection ends."""
    raw = request(body, *headers, is_chunked=is_chunked)
    try:
        return _status(await fetch(gateway.port, raw))
    except trio.BrokenResourceError:
        return await _read_first(gateway, raw)


async def _read_first(gateway: Gateway, raw: bytes) -> int:
    """Sends and reads at once, as clients do that take an early answer."""
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream, trio.open_nursery() as nursery:

        async def send() -> None:
            try:
                await stream.send_all(raw)
            except trio.BrokenResourceError:
                return

        nursery.start_soon(send)
        data = await stream.receive_some()
        nursery.cancel_scope.cancel()
    return _status(bytes(data))


async def _query(gateway: Gateway) -> int:
    return await _ask_raw(gateway, b"POST /v1/events?" + b"a" * MIB + b" HTTP/1.1\r\nHost: a\r\n\r\n")


async def _ask_raw(gateway: Gateway, raw: bytes) -> int:
    try:
        return _status(await fetch(gateway.port, raw))
    except trio.BrokenResourceError:
        return await _read_first(gateway, raw)


def _status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def _anonymous_bytes(gateway: Gateway) -> int:
    status = Path(f"/proc/{gateway.worker_pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024
