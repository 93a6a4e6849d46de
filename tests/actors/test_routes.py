"""The record of a route: what may be declared, and what is wrong with it said in words (contracts/routing.md, 4.1)."""

from typing import Any

import msgspec
import pytest

from actors.routes import EventName, Keep, Map, Route, Sample, Step, as_table, problems, route_of

STEPS = [
    {"step": "set", "path": "custom_data.x", "expression": "1"},
    {"step": "map", "path": "custom_data.x", "table": {"a": "b"}, "else": None},
    {"step": "drop_if", "expression": "false"},
]


def route(**fields: Any) -> Route:
    return Route(id="r", destination="meta", **fields)


def test_a_route_becomes_a_table_and_the_same_route_again() -> None:
    table = {"id": "r", "destination": "meta", "sample": {"rate": 0.5}, "transform": tuple(STEPS)}
    assert as_table(route_of(table)) == table
    assert msgspec.json.decode(msgspec.json.encode(route_of(table)), type=Route) == route_of(table)


def test_what_is_not_said_has_its_default() -> None:
    assert as_table(route()) == {"id": "r", "destination": "meta"}


@pytest.mark.parametrize(
    "table",
    [
        {"sampel": {}},
        {"sample": {"rate": 1.5}},
        {"sample": {"key": "identity"}},
        {"transform": [{"step": "shuffle", "path": "custom_data.x"}]},
        {"transform": [{"step": "remove", "paths": "custom_data.x"}]},
        {"sources": ["shop"]},
    ],
)
def test_a_table_that_is_no_route_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        route_of({"id": "r", "destination": "meta", **table})


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": "n" * 65}, "name"),
        ({"events": ()}, "events"),
        ({"sources": ()}, "sources"),
        ({"sample": Sample(rate=2.0)}, "sample.rate"),
        ({"transform": (EventName(name=" "),)}, "transform[0].name"),
        ({"transform": (Map(path="custom_data.x", table={}),)}, "transform[0].table"),
        ({"transform": (EventName(name="a"), Keep(paths=()))}, "transform[1].paths"),
        ({"transform": (EventName(name="a"),) * 33}, "transform"),
    ],
)
def test_a_fault_names_its_field(fields: dict[str, Any], place: str) -> None:
    assert [field for field, _ in problems(route(**fields))] == [place]


def test_every_kind_of_step_has_a_name_of_its_own() -> None:
    names = [kind.__struct_config__.tag for kind in Step.__subclasses__()]
    assert len(names) == len(set(names))
    assert set(names) == {"drop_if", "event_name", "hash", "keep", "map", "remove", "rename", "set"}
