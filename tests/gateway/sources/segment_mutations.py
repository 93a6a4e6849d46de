"""The page's message with some of its fields replaced by what nobody promised."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

CASE = Path(__file__).parents[2] / "cases" / "sources" / "segment" / "worked_example.json"
SAMPLE: dict[str, Any] = json.loads(CASE.read_text())["sent"]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
    | st.sampled_from(["1969-01-01", "9999-12-31T23:59:59-23:59", "0001-01-01", "NaN", "-1", "1e999", "\ud800", "::1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
PLACES: list[tuple[str, ...]] = [
    *((name,) for name in [*SAMPLE, "traits", "previousId", "groupId", "originalTimestamp", "integrations", "name"]),
    *(("context", name) for name in [*SAMPLE["context"], "consent", "consentManagement", "clientIds", "device"]),
    *(("properties", name) for name in [*SAMPLE["properties"], "query", "quantity", "price", "email", "fbp", "items"]),
    ("context", "consent", "categoryPreferences"), ("context", "clientIds", "ga4"), ("context", "traits", "address"),
]  # fmt: skip


CHANGES = st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3)
CALLS = st.sampled_from(["track", "identify", "page", "screen", "group", "alias"])


def mutated(changes: list[tuple[tuple[str, ...], Any]], call: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(json.dumps({**SAMPLE, "type": call}))
    for place, value in changes:
        inner = message
        for name in place[:-1]:
            if not isinstance(inner.get(name), dict):
                inner[name] = {}
            inner = inner[name]
        inner[place[-1]] = value
    return message
