"""CEL expressions: what they give, what is refused when they are read, and that their cost is bounded."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.expressions import BadExpression, Budget, Expression, Failed, Missing

NAMES = ("body", "item")


def value_of(text: str, body: Any = None, budget: Budget | None = None) -> Any:
    return Expression(text, NAMES).evaluate({"body": body}, budget or Budget())


@pytest.mark.parametrize(
    ("text", "body", "value"),
    [
        ("body.a + 'x'", {"a": "1"}, "1x"),
        ("0.1 + 0.2", None, Decimal("0.3")),
        ("body.price * 2.0", {"price": Decimal("12.10")}, Decimal("24.2")),
        ("timestamp('2026-11-20T10:00:00Z')", None, "2026-11-20T10:00:00+00:00"),
        ("body.filter(x, x.n > 1).map(x, x.n)", [{"n": 1}, {"n": 2}], [2]),
        ("has(body.a) ? body.a : 'none'", {}, "none"),
        ("body == 9223372036854775808.0", 2**63, True),
        ("{'a': [body]}", None, {"a": [None]}),
        ("'a.map(b, c)' // .map(x, .map(y, .map(z,", None, "a.map(b, c)"),
    ],
)
def test_what_an_expression_gives(text: str, body: Any, value: Any) -> None:
    assert value_of(text, body) == value


@pytest.mark.parametrize("text", ["body.a.b", "body['a']"])
def test_a_field_that_is_not_there_is_missing(text: str) -> None:
    assert value_of(text, {}) == Missing()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / body", "failed: a division by zero"),
        ("body + 9223372036854775807 + 1", "failed: a number is too large"),
        ("'secret' + body", "failed: the values are of other types than it takes"),
        ("int('secret')", "failed: it gives no value here"),
        ("[1][3]", "failed: a list is shorter than it takes"),
        ("duration('1s')", "failed: the values are of other types than it takes"),
    ],
)
def test_a_failure_is_told_without_the_values(text: str, words: str) -> None:
    assert value_of(text, 0) == Failed(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("body.", "is no CEL: 1:6: Syntax error"),
        ("bodi.a", "'bodi' is no name here; there are body, item"),
        ("lower(body.a)", "'lower' is no function"),
        ("[1].map(a, [1].map(b, [1].map(c, 1)))", "nests more than 2 comprehensions"),
        ("(" * 33 + "1" + ")" * 33, "has more than 32 brackets in each other"),
        ("1 + " * 500 + "1", "is longer than 2000 characters"),
        ("", "is no CEL"),
    ],
)
def test_what_cannot_be_right_is_refused_when_it_is_read(text: str, words: str) -> None:
    with pytest.raises(BadExpression, match=f"^{words.replace('(', '.')}"):
        Expression(text, NAMES)


@pytest.mark.parametrize(
    "text",
    ["body.map(x, body.map(y, x == y).size())", "body.map(x, x + x)", "body.filter(x, body.exists(y, y == x))"],
)
def test_what_would_take_too_long_is_not_begun(text: str) -> None:
    found = value_of(text, ["x" * 40_000] * 600)
    assert isinstance(found, Failed)
    assert found.words.startswith("too much for one request")


def test_the_expressions_of_one_request_share_a_budget() -> None:
    budget, body = Budget(), list(range(40_000))
    found = [value_of("size(body)", body, budget) for _ in range(6)]
    assert found[:4] == [40_000] * 4
    assert isinstance(found[-1], Failed)


PARTS = st.sampled_from(
    ["body", "item", ".a", "[0]", "1", "'x'", "+", "-", "*", "/", "==", "<", "&&", "?", ":", "(", ")", "[", "]", ",",
     ".map(x, x)", ".filter(x, x == 1)", "size(", "string(", "int(", "{'a': ", "}", "!", "null", "1.5", " in "]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(max_size=5),  # JSON has no NaN
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(parts=st.lists(PARTS, max_size=8), body=VALUES)
def test_any_expression_is_refused_or_gives_something_for_any_value(parts: list[str], body: Any) -> None:
    try:
        expression = Expression("".join(parts), NAMES)
    except BadExpression:
        return
    expression.evaluate({"body": body, "item": body}, Budget())
