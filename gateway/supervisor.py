"""The process that `gateway run` is: holds the listening socket, starts the workers, starts anew what ends.

It opens no store and serves no request, so nothing that happens to a worker reaches it; while a worker is started anew,
connections wait in the socket's queue. With `server.edges` above 0 the edges go on accepting while the core restarts.
Workers end when the supervisor does, however it ends: each holds one end of a pipe.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
import trio
from msgspec import Struct

from gateway.accepted_config import AcceptedConfig
from gateway.config import Config, load_config, read_text
from gateway.errors import ConfigError
from gateway.exit_codes import FAILED, FINAL, OK, STORE
from gateway.listener import open_listening_socket
from gateway.stall import STALLED

AGAIN_S: Final = 0.1  # a worker that ended is started again at once; one that soon ends again after so long,
AGAIN_MOST_S: Final = 5.0  # and later and later
STEADY_S: Final = 10.0
SERVED_S: Final = 3.0  # a worker that cannot start at all ends sooner
DAMAGED_MOST: Final = 5  # a worker that a damaged file ended so often, each time soon after its start, is given up
DAMAGED_SOON_S: Final = 120.0  # what is read now and then only, as by retention, ends it as surely
STALLS_COUNT: Final = 2  # a stall takes its time, and says more than an error
STORE_SIGNALS: Final = frozenset({-signal.SIGBUS, -signal.SIGSEGV, -signal.SIGABRT})  # of a mapped file that is damaged
STOP_S: Final = 15.0  # workers bound their own stop at 10 s

log = structlog.get_logger()


class Plan(Struct, frozen=True, kw_only=True):
    """One worker to keep running."""

    role: str
    number: int
    takes_socket: bool
    wake_in: int | None = None
    wake_out: int | None = None


class Supervisor:
    def __init__(
        self,
        config: Config,
        config_path: Path | None,
        text: bytes | None,
        env: Mapping[str, str],
        lifeline: int | None = None,
    ) -> None:
        """`text`: that of the file at `config_path`, which gave `config`. `lifeline`: a pipe's end to read, which ends
        with who started this.
        """
        self._config = config
        self._config_path = config_path
        self._accepted = AcceptedConfig(text) if text is not None else None
        self._env = env
        self._lifeline = lifeline
        self._stopping = trio.Event()
        self._exit_code = OK
        self._running: dict[int, trio.Process] = {}

    async def run(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> int:
        """Returns the exit code. Raises OSError where the address cannot be bound."""
        bind = self._config.server.bind
        listening = open_listening_socket(bind.host, bind.port)
        lifeline = os.pipe()
        wake = os.pipe()
        os.set_blocking(wake[1], False)
        log.info("listening", bound=f"{bind.host}:{listening.getsockname()[1]}")
        async with trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            await nursery.start(self._signals, scope)
            if self._lifeline is not None:
                nursery.start_soon(self._hold_lifeline, self._lifeline, scope)
            task_status.started(listening.getsockname()[1])
            async with trio.open_nursery() as workers:
                for plan in _plans(self._config.server.edges, wake):
                    workers.start_soon(self._keep, plan, listening, lifeline[0], workers)
            scope.cancel()
        listening.close()
        for descriptor in (*lifeline, *wake):
            os.close(descriptor)
        if self._accepted is not None:
            self._accepted.close()
        return self._exit_code

    async def _keep(self, plan: Plan, listening: socket.socket, lifeline: int, workers: trio.Nursery) -> None:
        """Starts a worker until it ends in a way that another start cannot mend, or everything stops.

        One that has served once is started again: what stops it now may pass, as a full disk does. Only a damaged file
        does not.
        """
        wait_s, damaged, has_served = 0.0, 0, False
        while not self._stopping.is_set():
            began_s = trio.current_time()
            code = await self._run_one(plan, listening, lifeline)
            if self._stopping.is_set():
                return
            log.error("worker_ended", role=plan.role, number=plan.number, code=code)
            is_steady = trio.current_time() - began_s > STEADY_S
            has_served = has_served or trio.current_time() - began_s > SERVED_S
            damaged = damaged + _weight(code) if trio.current_time() - began_s < DAMAGED_SOON_S else 0
            if damaged >= DAMAGED_MOST:
                log.error(
                    "given_up", role=plan.role, hint="gateway check-store tells what is damaged; restore a backup"
                )
            is_final = code in FINAL and not has_served
            if is_final or damaged >= DAMAGED_MOST:
                self._exit_code = code if is_final else STORE
                self._stop()
                return
            wait_s = 0.0 if is_steady else wait_s
            await trio.sleep(wait_s)
            wait_s = min(AGAIN_MOST_S, max(AGAIN_S, wait_s * 2))

    async def _run_one(self, plan: Plan, listening: socket.socket, lifeline: int) -> int:
        inherited = [descriptor for descriptor in (lifeline, plan.wake_in, plan.wake_out) if descriptor is not None]
        if plan.takes_socket:
            inherited.append(listening.fileno())
        if self._accepted is not None:
            inherited.append(self._accepted.descriptor)
        process: trio.Process = await trio.lowlevel.open_process(
            self._command(plan, listening, lifeline), pass_fds=inherited, stdin=subprocess.DEVNULL, env=dict(self._env)
        )
        self._running[process.pid] = process
        try:
            code = await process.wait()
        finally:
            del self._running[process.pid]
            if process.returncode is None:
                process.kill()  # it did not stop in its time; what it acknowledged is on disk
        if self._stopping.is_set() and code != OK:
            self._exit_code = FAILED
        return code

    def _command(self, plan: Plan, listening: socket.socket, lifeline: int) -> list[str]:
        command = [sys.executable, "-m", "gateway", "worker", "--role", plan.role, "--number", str(plan.number)]
        command += ["--lifeline", str(lifeline)]
        if self._config_path is not None:
            command += ["--config", str(self._config_path)]
        if self._accepted is not None:
            command += ["--accepted", str(self._accepted.descriptor)]
        if plan.takes_socket:
            command += ["--listen", str(listening.fileno())]
        if plan.wake_in is not None:
            command += ["--wake-in", str(plan.wake_in)]
        if plan.wake_out is not None:
            command += ["--wake-out", str(plan.wake_out)]
        return command

    async def _signals(
        self, scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
            task_status.started()
            async for number in received:
                if number == signal.SIGHUP:
                    self._reload()
                    continue
                self._stop_within(scope)

    async def _hold_lifeline(self, descriptor: int, scope: trio.CancelScope) -> None:
        async with trio.lowlevel.FdStream(descriptor) as stream:
            while await stream.receive_some(1):
                pass
        self._stop_within(scope)

    def _stop_within(self, scope: trio.CancelScope) -> None:
        self._stop()
        scope.deadline = trio.current_time() + STOP_S

    def _reload(self) -> None:
        """Has the workers publish the file as it is now; one with faults changes nothing, now or at a later start."""
        if self._config_path is None or self._accepted is None:
            self._tell(signal.SIGHUP)
            return
        try:
            text = read_text(self._config_path)
            load_config(self._config_path, self._env, text)
        except ConfigError as error:
            log.error("config_refused", faults=list(error.faults))
            return
        self._accepted.put(text)
        self._tell(signal.SIGHUP)

    def _stop(self) -> None:
        self._stopping.set()
        self._tell(signal.SIGTERM)

    def _tell(self, number: int) -> None:
        for process in self._running.values():
            process.send_signal(number)


def _weight(code: int) -> int:
    """How much a worker's end says that the store's file is damaged. Another end says nothing: it may be a kill."""
    if code == STALLED:
        log.error("worker_stalled", hint="its event loop stood still, as a damaged file or a bug can make it")
        return STALLS_COUNT
    return 1 if code == STORE or code in STORE_SIGNALS else 0


def _plans(edges: int, wake: tuple[int, int]) -> list[Plan]:
    if edges == 0:
        return [Plan(role="all", number=0, takes_socket=True)]
    core = Plan(role="core", number=0, takes_socket=False, wake_in=wake[0])
    return [core, *(Plan(role="edge", number=1 + i, takes_socket=True, wake_out=wake[1]) for i in range(edges))]
