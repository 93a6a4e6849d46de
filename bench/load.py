"""Loads as processes of their own: wrk where it is installed and can make the load, else bench/raw_load.py."""

import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from bench.errors import BenchFailed
from bench.load_plan import Figures, Plan
from bench.machine import Cores, on_cores
from bench.wrk_script import script

MORE_S: Final = 60.0  # a load that takes so much longer than it should is stuck
TIMEOUT_S: Final = 30  # slow is a figure, not a failure; wrk's own is 2 s
NUMBERS: Final = 1_000_000_000  # the first event's number is below; each load begins among other visitors


class Load(Struct, frozen=True, kw_only=True):
    """One load under way."""

    plan: Plan
    process: subprocess.Popen[bytes]

    def wait(self) -> Figures:
        """Its figures, once it has ended."""
        out, errors = self.process.communicate(timeout=self.plan.seconds + MORE_S)
        if self.process.returncode != 0:
            raise BenchFailed(f"the load generator ended with {self.process.returncode}: {errors.decode()[-500:]}")
        return msgspec.json.decode(out.splitlines()[-1], type=Figures)


def start(plan: Plan, cores: Cores, directory: Path, random: Random) -> Load:
    """Begins a load whose events were never sent before."""
    plan = msgspec.structs.replace(plan, run=secrets.token_hex(4), first=random.randrange(NUMBERS))
    with on_cores(cores.load):
        process = subprocess.Popen(_command(plan, directory), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return Load(plan=plan, process=process)


def checked(figures: Figures) -> Figures:
    """Raises BenchFailed where any request failed: figures of errors are no figures."""
    if figures.failed:
        raise BenchFailed(f"{figures.failed} of {figures.requests} requests failed")
    return figures


def told() -> str:
    """With what loads are made here."""
    steady = "bench/raw_load.py (raw sockets)"
    return f"closed loops by wrk, loads at a rate by {steady}" if shutil.which("wrk") else f"loads by {steady}"


def _command(plan: Plan, directory: Path) -> list[str]:
    wrk = shutil.which("wrk")
    if wrk is None or plan.rate is not None or plan.requests is not None or plan.batch > 1:
        return [sys.executable, "-m", "bench.raw_load", msgspec.json.encode(plan).decode()]
    path = directory / f"{plan.run}.lua"
    path.write_text(script(plan), "utf-8")
    url = f"http://127.0.0.1:{plan.port}{plan.path}"
    seconds = max(1, round(plan.seconds))
    return [wrk, "-t1", f"-c{plan.connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s", "-s", str(path), url]
