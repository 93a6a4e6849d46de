"""Opens store files that a power cut or a bad disk may have left, one by one, in a process that may die of it.

As a script it reads a folder's path a line and answers with a `Verdict` a line. LMDB maps the file, so a damaged one
can end the reader with SIGBUS or SIGSEGV, and the part that asked then sees which one did.
"""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import lmdb
import msgspec
import trio
from msgspec import Struct

from store.env import Store
from store.errors import StoreError
from tests.torture_parts.compare import Held, read_open
from tests.torture_parts.harness import ROOT

IMAGE_S = 20.0
BUDGET_BYTES = 256 << 20


class Verdict(Struct, frozen=True, kw_only=True):
    """`refused`: the store's own words why it does not open. `died`: the signal that ended the process, or "hung"."""

    held: Held | None = None
    refused: str = ""
    died: str = ""


class Judge:
    """A child that looks at images; a new one takes the place of one that died."""

    def __init__(self) -> None:
        self._process: trio.Process | None = None

    async def look(self, folder: Path) -> Verdict:
        process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        answer = b""
        try:
            with trio.fail_after(IMAGE_S):
                await process.stdin.send_all(f"{folder}\n".encode())
                while not answer.endswith(b"\n"):
                    part = await process.stdout.receive_some()
                    if not part:
                        return await self._dead(process)
                    answer += part
        except (trio.TooSlowError, trio.BrokenResourceError):
            process.kill()
            return await self._dead(process)
        return msgspec.json.decode(answer, type=Verdict)

    async def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._dead(self._process)

    async def _start(self) -> trio.Process:
        self._process = await trio.lowlevel.open_process(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        return self._process

    async def _dead(self, process: trio.Process) -> Verdict:
        self._process = None
        code = await process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            await pipe.aclose()
        return Verdict(
            died="hung" if code == -signal.SIGKILL else signal.Signals(-code).name if code < 0 else str(code)
        )


@asynccontextmanager
async def judging() -> AsyncIterator[Judge]:
    judge = Judge()
    try:
        yield judge
    finally:
        with trio.CancelScope(shield=True):
            await judge.close()


def look(folder: Path) -> Verdict:
    """Opens the store as the gateway does, reads and checks all of it, and commits once."""
    try:
        store = Store(folder, budget_bytes=BUDGET_BYTES)
        try:
            held = read_open(store)
            with store.env.begin(write=True) as txn:
                txn.put(b"torture", b"written", db=store.dbs["meta"])
            return Verdict(held=held)
        finally:
            store.close()
    except (StoreError, lmdb.Error) as error:
        return Verdict(refused=str(error))


if __name__ == "__main__":
    for line in sys.stdin:
        print(msgspec.json.encode(look(Path(line.strip()))).decode(), flush=True)
