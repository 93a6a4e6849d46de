"""strace, for parts that make system calls of a running worker fail or end it, or that record what it wrote."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import trio

from tests.torture_parts.harness import Skip

ATTACH_S = 30.0


def need_strace() -> None:
    """Raises Skip where there is no strace, or where it may trace nothing, as on some CI machines."""
    fault = _fault()
    if fault:
        raise Skip(fault)


@cache
def _fault() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "-e", "inject=getppid:error=EIO:when=999", "true"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else f"strace may not trace here: {done.stderr.strip()[-200:]}"


@asynccontextmanager
async def attached(pid: int, output: Path, options: Sequence[str]) -> AsyncIterator[trio.Process]:
    """All threads of a process traced beside the block. The lines go to `output`, with Unix time in front."""
    command = ["strace", "-f", "-ttt", "-o", str(output), *options, "-p", str(pid)]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        with trio.fail_after(ATTACH_S):
            said = b""
            while b"attached" not in said:
                part = await process.stderr.receive_some()
                if not part:
                    raise Skip(f"strace cannot attach here: {said.decode('utf-8', 'replace').strip()[-200:]}")
                said += part
        yield process
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
                await process.wait()
            await process.stderr.aclose()
