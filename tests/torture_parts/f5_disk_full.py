"""The disk fills up under load, is full to the last byte for a while, and has room again (RELIABILITY F5).

The store is on a tmpfs of 16 MB of its own, in a mount namespace that needs no privileges; a ballast file takes space
and gives it back. Bars: 503 while the disk still has room; no process ends by that; deliveries go on; nothing
acknowledged is lost; the metric tells. Then others take the last byte: a commit may fail, and the worker ends with the
code for it and is started again. Events are taken again within 2 s of the space's return, or within 8 s (the longest
wait between two starts, and a start) where it had ended.
"""

import os
import subprocess
import time
from functools import cache
from pathlib import Path

import trio

from gateway.exit_codes import BROKEN
from tests.torture_parts import compare
from tests.torture_parts.harness import Gateway, Setup, Skip, bar_s, folder, free_port, platforms, running
from tests.torture_parts.load import Load, loading

DISK_BYTES = 16 << 20
BALLAST_BYTES = 8 << 20
RETURN_S = 2.0
STARTED_S = 8.0
MOUNT = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'


async def run(full: bool) -> dict[str, object]:
    """In full, ten times over. From the second time on the ballast takes the last byte: the file never shrinks."""
    _need_namespace()
    rounds = 10 if full else 1
    missed: list[str] = []
    free_bytes: list[int] = []
    again_s: list[float] = []
    ended_early = False
    async with platforms() as held:
        with folder() as directory:
            mount = directory / "disk"
            mount.mkdir()
            prefix = ("unshare", "-Urm", "sh", "-c", MOUNT, "sh", str(DISK_BYTES), str(mount))
            setup = Setup(
                directory=directory, platforms=held, port=free_port(), data_dir=mount / "data", prefix=prefix,
                has_meta=False,
            )  # fmt: skip
            async with running(setup) as gateway:
                seen = Path(f"/proc/{gateway.supervisor_pid}/root{mount}")
                async with loading(setup.port, "full", 4, padding_bytes=2_000) as load:
                    for number in range(rounds):
                        ended = len(gateway.codes())
                        _fill(seen / "ballast", BALLAST_BYTES)
                        await load.wait_refused(1)
                        free_bytes.append(_free(seen))
                        missed += await _while_short(gateway)
                        ended_early |= number == 0 and bool(gateway.codes())
                        _fill(seen / "rest", DISK_BYTES)
                        missed += await _while_full(load, seen)
                        most_s = STARTED_S if len(gateway.codes()) > ended else RETURN_S
                        again_s.append(await _give_back(load, seen))
                        missed += (
                            [f"taken again after {again_s[-1]:.1f} s"] if again_s[-1] > bar_s(most_s, full) else []
                        )
                await compare.wait_drained(load.acked, held, 60, has_meta=False)
                codes = gateway.codes()
                compared = await compare.compare(load.acked, held, seen / "data", has_meta=False)
    missed += compared.missed()
    missed += ["a worker ended while there was room"] if ended_early else []
    missed += [f"workers ended with {codes}"] if set(codes) - {BROKEN} else []
    missed += ["503 only when the disk was full"] if free_bytes[0] == 0 else []
    return {
        "rounds": rounds,
        "acknowledged": compared.acknowledged,
        "lost": compared.lost,
        "answers": dict(load.answers),
        "free_at_first_503_bytes": free_bytes[0],
        "taken_again_s": round(max(again_s), 2),
        "workers_ended_on_the_last_byte": len(codes),
        "missed": missed,
    }


async def _while_short(gateway: Gateway) -> list[str]:
    """The gauge is set once a second; a busy machine may take longer to come to it."""
    for _ in range(100):
        if (await gateway.metrics()).get("gateway_room") == 0:
            return []
        await trio.sleep(0.1)
    return ["gateway_room does not say 0 while events get 503"]


async def _while_full(load: Load, disk: Path) -> list[str]:
    """Not a byte is free: the gateway neither ends nor takes anything."""
    await trio.sleep(0.2)
    acked = len(load.acked)
    await trio.sleep(0.5)
    missed = [f"{_free(disk)} bytes are free although the ballast takes all"] if _free(disk) else []
    return missed + ([f"{len(load.acked) - acked} events taken on a full disk"] if len(load.acked) > acked else [])


async def _give_back(load: Load, disk: Path) -> float:
    (disk / "rest").unlink()
    (disk / "ballast").unlink()
    return await load.wait_ack(time.time())


def _fill(path: Path, most_bytes: int) -> None:
    """A file of so many bytes, or of as many as there are."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.tell() < most_bytes:
                file.write(bytes(4096))
        except OSError:
            return


def _free(disk: Path) -> int:
    return os.statvfs(disk).f_bavail * 4096


def _need_namespace() -> None:
    fault = _fault()
    if fault:
        raise Skip(fault)


@cache
def _fault() -> str:
    try:
        done = subprocess.run(
            ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "unshare is not installed"
    return "" if done.returncode == 0 else f"no mount namespace for users here: {done.stderr.strip()[-200:]}"
