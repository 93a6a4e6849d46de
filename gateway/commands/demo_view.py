"""What people see of the demo: a live page on a terminal, one line at a time elsewhere."""

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.commands.demo_numbers import DestinationNumbers, Numbers

LINES: Final = 10  # of what happened with the platforms
SHOP_LINES: Final = 4
PLATFORM_OF: Final[Mapping[str, str]] = {
    "meta-main": "meta", "ga4-main": "ga4", "google-ads-main": "google_ads", "own-backend": "webhook",
}  # fmt: skip
STATUS_EVERY_S: Final = 3.0  # where there is no terminal


class Scene:
    """What the demo has seen so far. The view reads it; the demo writes it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.numbers = Numbers()
        self.platforms_took: dict[str, int] = {}  # by destination: what the simulated platform accepted
        self.hints: list[str] = []  # commands to try
        self.stage = "starting"
        self._lines: deque[tuple[float, str]] = deque(maxlen=LINES)
        self._shop: deque[tuple[float, str]] = deque(maxlen=SHOP_LINES)
        self._began_s = time.monotonic()
        self._status_s = 0.0
        self._live: Live | None = None

    def __enter__(self) -> "Scene":
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=False, get_renderable=self.page)
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """The page stays as it is; what is printed next comes below it."""
        if self._live is not None:
            self._live.stop()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began_s

    def say(self, text: str) -> None:
        """One thing that happened between the gateway and the platforms."""
        self._keep(self._lines, text)

    def sell(self, text: str) -> None:
        """One thing that happened in the shop."""
        self._keep(self._shop, text)

    def _keep(self, lines: deque[tuple[float, str]], text: str) -> None:
        lines.append((self.elapsed_s, text))
        if self._live is None:
            self._print(f"{self.elapsed_s:5.1f} s  {text}")

    def refresh(self) -> None:
        if self._live is not None:
            self._live.refresh()
        elif self.elapsed_s - self._status_s >= STATUS_EVERY_S and self.numbers.destinations:
            self._status_s = self.elapsed_s
            self._print(f"{self.elapsed_s:5.1f} s  {status_line(self.numbers)}")

    def page(self) -> RenderableType:
        head = Text.assemble(("events-gateway demo", "bold"), f"  {self.elapsed_s:.0f} s  ", (self.stage, "cyan"))
        parts: list[RenderableType] = [head, totals(self.numbers), destinations(self.numbers, self.platforms_took)]
        parts += [_panel("what happened", self._lines), _panel("in the shop", self._shop)]
        if self.hints:  # without a frame, so that a command can be copied whole
            parts += [Text("try in another terminal", "bold"), *(Text(hint, overflow="fold") for hint in self.hints)]
        return Group(*parts)

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _panel(title: str, lines: Iterable[tuple[float, str]]) -> Panel:
    text = "\n".join(f"[dim]{at_s:5.1f} s[/]  {escape(text)}" for at_s, text in lines)
    return Panel(text, title=title, title_align="left", border_style="dim")


def totals(numbers: Numbers) -> Text:
    by_source = ", ".join(f"{count} from {source}" for source, count in numbers.received.items())
    return Text.assemble(
        ("in ", "dim"), f"{sum(numbers.received.values())}", (f" ({by_source or 'none yet'})   ", "dim"),
        ("on disk ", "dim"), f"{numbers.accepted}   ",
        ("twins merged ", "dim"), f"{numbers.merged}   ",
        ("duplicates held back ", "dim"), f"{numbers.duplicate}   ",
        ("refused ", "dim"), f"{numbers.rejected}",
    )  # fmt: skip


def destinations(numbers: Numbers, took: Mapping[str, int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("destination")
    for column in ("platform took", "delivered", "waiting", "of them tried", "dropped", "not routed", "match est."):
        table.add_column(column, justify="right")
    table.add_column("state")
    for one in numbers.destinations:
        counts = (took.get(one.destination, 0), one.delivered, one.waiting, one.to_retry, one.dropped, one.not_routed)
        match = f"{one.match_mean:.1f}" if one.match_mean is not None else "-"
        table.add_row(one.destination, *map(str, counts), match, _state(one))
    return table


def _state(one: DestinationNumbers) -> Text:
    if one.is_paused:
        return Text("paused", "yellow")
    if one.breaker != "closed":
        return Text(f"breaker {one.breaker}", "red")
    return Text("delivering", "green")


def status_line(numbers: Numbers) -> str:
    parts = [f"in {sum(numbers.received.values())}", f"merged {numbers.merged}", f"duplicates {numbers.duplicate}"]
    for one in numbers.destinations:
        state = "" if str(_state(one)) == "delivering" else f", {_state(one)}"
        parts.append(f"{one.destination} {one.delivered} delivered, {one.waiting} waiting{state}")
    return "  |  ".join(parts)
