"""What is set apart: it passes every check whatever was said, and keeps within its bounds."""

from typing import Any

import pytest

from gateway.invalid import invalid_field
from gateway.sources.base import Draft
from tests.gateway.sources.cases import settle


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    "said",
    [
        {"n": 2**63},
        {"n": -(10**4000)},
        {"t": "x" * 100_000},
        {"k" * 9_000: 1},
        {"\x00": "\x00\x1b[31m"},
        nested(100),
        {"many": ["x" * 1_000] * 5_000},
        {"many": [0] * 100_000},
        {"many": [[]] * 100_000},
        {str(number): None for number in range(50_000)},
    ],
    ids=range(10),
)
def test_whatever_was_said_is_kept(said: Any) -> None:
    fault = invalid_field("custom_data.value", "no amount")
    kept = settle(Draft(event={"event_name": "a\x00name" * 40, "custom_data": said}, fault=fault), "webhook")
    assert kept.event_name.startswith("unfit aname")
    assert kept.is_internal
    assert kept.custom_data.properties["field"] == "custom_data.value"


def test_an_internal_draft_that_no_event_can_hold_is_kept_too() -> None:
    kept = settle(Draft(event={"event_name": "shopify a/b", "custom_data": {"n": 2**70}}, is_internal=True), "webhook")
    assert kept.event_name == "unfit shopify a/b"
