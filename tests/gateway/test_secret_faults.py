"""A secret that is refused is in no word of the refusal, whatever is wrong with it."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from gateway.config_reader import members
from gateway.errors import SettingsError
from gateway.stored_destinations import read_destination, secret_fields

CANARY = "canary-7f3a9c"
WRONG: tuple[Any, ...] = (
    CANARY,
    CANARY + "\n",
    "\x00" + CANARY,
    "ä" + CANARY,
    "whsec_" + CANARY,
    '{"type": "service_account", "private_key": "' + CANARY + '"}',
    [CANARY],
    [[CANARY]],
    {"a": CANARY},
    {CANARY: 1},
    {"a": {CANARY: CANARY}},
    {"env": CANARY},
    {"file": CANARY},
    "x" * 70_000 + CANARY,
)


def secrets() -> Iterator[tuple[type[Destination], str]]:
    for kind in members(AnyDestination):
        yield from ((kind, name) for name in secret_fields(kind))


@pytest.mark.parametrize(
    ("kind", "field"), list(secrets()), ids=lambda one: one if isinstance(one, str) else one.platform
)
def test_no_fault_quotes_a_secret(kind: type[Destination], field: str) -> None:
    told = [text for value in WRONG for text in faults(kind, {"type": str(kind.platform), field: value})]
    assert told
    assert [text for text in told if CANARY in text] == []


def faults(kind: type[Destination], table: dict[str, Any]) -> tuple[str, ...]:
    """Of a table with every other setting that is needed, wrong as it may be."""
    needed = {one.name: "1" for one in msgspec.structs.fields(kind) if one.required and one.name != "id"}
    try:
        read_destination("one", {**needed, **table}, is_sealed=False)
    except SettingsError as error:
        return error.faults
    return ()
