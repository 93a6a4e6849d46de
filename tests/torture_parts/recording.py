"""What a worker wrote to its store and acknowledged to its callers, in order, read from strace's lines.

Only what the disk has confirmed survives a power cut: writes through the descriptor opened with O_DSYNC once they
return, all others once an fdatasync that began after them returns (open(2), fdatasync(2)).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

TRACE = ("-f", "-xx", "-s", "8000000", "-e", "trace=openat,pwrite64,writev,lseek,fdatasync,sendto", "-e", "signal=none")
PAGE = 4096
LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*?)( <unfinished \.\.\.>)?)$", re.DOTALL)
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
EVENT_ID = re.compile(rb'"event_id":"([^"]+)","status":"accepted"')


class Write(Struct, frozen=True):
    """One page, or the part of one, that was handed to the system."""

    offset: int
    data: bytes


class Synced(Struct, frozen=True):
    """The disk has confirmed all that was written before."""


class Acked(Struct, frozen=True):
    """An answer left that says these events are kept."""

    event_ids: tuple[str, ...]


Step = Write | Synced | Acked


def read_recording(trace: Path) -> Iterator[Step]:
    recorder = _Recorder()
    with trace.open() as lines:
        for line in lines:
            yield from recorder.line(line.rstrip("\n"))


class _Recorder:
    """Knows the descriptors of data.mdb, and which calls of which thread have not returned yet."""

    def __init__(self) -> None:
        self._files: dict[str, bool] = {}  # descriptor -> whether each write is synced by itself
        self._positions: dict[str, int] = {}
        self._begun: dict[str, str] = {}  # thread -> arguments of the call it is in

    def line(self, line: str) -> Iterator[Step]:
        found = LINE.match(line)
        if found is None:
            return
        thread, resumed, _, call, arguments, unfinished = found.groups()
        if resumed:
            yield from self._left(resumed, self._begun.pop(thread, ""), line)
            return
        yield from self._entered(call, arguments)
        if unfinished:
            self._begun[thread] = arguments
        else:
            yield from self._left(call, arguments, line)

    def _entered(self, call: str, arguments: str) -> Iterator[Step]:
        file = arguments.partition(",")[0]
        if call == "sendto":
            said = b"".join(map(_bytes, TEXT.findall(arguments)))
            if b" 202 " in said[:20]:
                yield Acked(tuple(name.decode() for name in EVENT_ID.findall(said)))
        elif call in ("pwrite64", "writev") and file in self._files:
            data = b"".join(map(_bytes, TEXT.findall(arguments)))
            offset = self._positions.get(file, 0)
            if call == "pwrite64":
                offset = int(arguments.partition(")")[0].rpartition(",")[2])
            yield from _pages(offset, data)

    def _left(self, call: str, arguments: str, line: str) -> Iterator[Step]:
        file = arguments.partition(",")[0].partition(")")[0]
        result = line.rpartition(" = ")[2].split()[0]
        if call == "openat" and result.isdigit():
            self._open(arguments, result)
        elif call == "lseek" and file in self._files:
            self._positions[file] = int(result)
        elif file in self._files and (call == "fdatasync" or (call != "lseek" and self._files[file])):
            yield Synced()

    def _open(self, arguments: str, descriptor: str) -> None:
        name = _bytes(TEXT.findall(arguments)[0])
        if name.endswith(b"/data.mdb"):
            self._files[descriptor] = "O_DSYNC" in arguments
        else:
            self._files.pop(descriptor, None)


def _pages(offset: int, data: bytes) -> Iterator[Write]:
    """A run of pages, page by page: the disk may keep any of them."""
    start = 0
    while start < len(data):
        end = min(len(data), start + PAGE - (offset + start) % PAGE)
        yield Write(offset + start, data[start:end])
        start = end


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
