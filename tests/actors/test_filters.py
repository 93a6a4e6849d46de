"""Filters of routes: a missing field makes its comparison false, wherever it stands; what is refused, and in what words
(contracts/routing.md, section 4.3)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from actors.event import CustomData, EmailDigests, Event, Item, Page, UserData
from actors.expressions import BadExpression, Budget, Expression, Failed, Missing
from actors.facts import AttributionFacts, Facts, Handed, Names, VisitorFacts
from actors.filters import Filter, Value
from tests.support.making import event

BOUGHT = event(
    name="purchase_placed",
    custom_data=CustomData(
        value=Decimal("12.50"),
        currency="EUR",
        items=(Item(id="a", price=Decimal(5), quantity=1), Item(id="b")),
        properties={"tier": "gold", "nested": {"deep": 1}, "list": [1, 2], "nothing": None, "flag": True},
    ),
    user_data=UserData(email=EmailDigests(sha256="ab" * 32), country="DE"),
    page=Page(url="https://shop.example/a?b=c"),
)


def holds(text: str, one: Event = BOUGHT, **facts: Any) -> bool | Failed:
    names = Names()
    condition = Filter(text, names)
    return condition.evaluate(Handed(names, Facts(event=one, site="shop", **facts)), Budget())


def value_of(text: str, one: Event = BOUGHT) -> Any:
    names = Names()
    value = Value(text, names)
    return value.evaluate(Handed(names, Facts(event=one)), Budget())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("event.event_name == 'purchase_placed' && event.custom_data.value > 10", True),
        ("event.custom_data.value > 10.5 && event.custom_data.value < 13", True),
        ("event.event_name == 'Purchase_placed'", False),
        ("event.custom_data.tier in ['gold', 'silver']", True),
        ("event.custom_data.properties.tier == 'gold'", True),
        ("event.custom_data['tier'] == 'gold'", True),
        ("event.custom_data.nested.deep == 1", True),
        ("event.custom_data.list[1] == 2", True),
        ("'tier' in event.custom_data.properties", True),
        ("event.custom_data.items.exists(one, one.price > 3)", True),
        ("event.custom_data.items.size() == 2", True),
        ("size(event.custom_data.items) == 2", True),
        ("event.custom_data.flag", True),
        ("!event.custom_data.flag", False),
        ("event.page.url.startsWith('https://shop')", True),
        ("has(event.user_data.email) && event.user_data.email.sha256.startsWith('ab')", True),
        ("event.custom_data.value > 10 ? event.custom_data.currency == 'EUR' : false", True),
        ("timestamp(event.received_at).getFullYear() >= 1970", True),
        ("event.site == site.id", True),
        ("-event.custom_data.value < -12.0", True),
        ("{'a': event.custom_data.tier}['a'] == 'gold'", True),
        ("(event.custom_data.value > 10) == true", True),
        ("event.custom_data.items.map(one, one.id).exists(id, id == 'b')", True),
    ],
)
def test_what_a_filter_says(text: str, wanted: bool) -> None:
    assert holds(text) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("event.custom_data.coupon == 'x'", False),
        ("event.custom_data.coupon != 'x'", False),
        ("!(event.custom_data.coupon == 'x')", True),
        ("event.custom_data.coupon == 'x' || event.custom_data.value > 10", True),
        ("event.custom_data.value > 10 && !(event.custom_data.own > 3)", True),
        ("event.custom_data.own.deeper.still > 3", False),
        ("!(event.custom_data.own.deeper.still > 3)", True),
        ("event.custom_data.nested.other == 1 || true", True),
        ("event.custom_data.nested.deep.deeper == 1", False),
        ("event.custom_data.list[7] == 2", False),
        ("!(event.custom_data.own[0] == 2)", True),
        ("event.custom_data.nothing == null", False),
        ("has(event.custom_data.nothing)", False),
        ("has(event.custom_data.own.deeper)", False),
        ("event.custom_data.own", False),
        ("!event.custom_data.own", True),
        ("event.custom_data.coupon.contains('x')", False),
        ("!event.custom_data.coupon.contains('x')", True),
        ("event.custom_data.coupon in ['x']", False),
        ("'x' in event.custom_data.own", False),
        ("event.custom_data.coupon == event.custom_data.own", False),
        ("event.custom_data.value + event.custom_data.tax > 1", False),
        ("event.custom_data.items.exists(one, !(one.price > 10))", True),
        ("event.custom_data.items.exists(one, one.brand == 'x')", False),
        ("event.custom_data.items.all(one, one.price > 3)", False),
        ("event.custom_data.items.filter(one, one.price > 3).size() == 1", True),
        ("event.custom_data.items.exists_one(one, one.price > 3)", True),
        ("event.custom_data.items.map(one, one.price).size() == 2", False),
        ("event.custom_data.items.map(one, has(one.price), one.price).size() == 1", True),
        ("event.custom_data.items[1].price > 1", False),
        ("event.custom_data.own.exists(one, one > 1)", False),
        ("!event.custom_data.own.exists(one, one > 1)", True),
        ("event.custom_data.own ? true : event.custom_data.value > 10", True),
        ("(has(event.custom_data.own) ? event.custom_data.own : 20) > 10", True),
        ("(event.custom_data.coupon == 'x') == (event.custom_data.own == 3)", True),
        ("attribution.channel == 'email'", False),
        ("!(bot.score > 50)", True),
        ("geo.country != 'DE'", False),
        ("size(event.custom_data.own) == 0", False),
        ("[event.custom_data.coupon].exists(one, one == 'x')", False),
        ("event.custom_data.nested[event.event_name] == 1", False),
        ("!(event.custom_data.nested[event.event_name] == 1)", True),
        ("event.custom_data.nested[event.event_name] == 1 || event.custom_data.value > 10", True),
        ("event.custom_data.list[size(event.custom_data.items)] == 2 || true", True),
        ("!(event.custom_data.list[-1] == 2)", True),
        ("event.custom_data.list[size(event.custom_data.items) - 1] == 2", True),
        ("event.custom_data.properties['ti' + 'er'] == 'gold'", True),
        ("!(event.custom_data.nested[0] == 1)", True),
    ],
)
def test_a_comparison_with_a_field_that_is_missing_is_false_and_nothing_more(text: str, wanted: bool) -> None:
    assert holds(text) is wanted


def test_what_is_beside_the_event_can_be_asked() -> None:
    text = "visitor.is_new && visitor.visits == 1 && attribution.channel == 'email' && 'headless' in bot.reasons"
    facts: dict[str, Any] = {
        "visitor": VisitorFacts(is_new=True, visits=1),
        "attribution": AttributionFacts(channel="email", winner="email"),
    }
    one = structs.replace(BOUGHT, bot_score=90, bot_reasons=("headless",))
    assert holds(text + " && bot.score >= 60 && geo.country == 'DE'", one, country="DE", **facts) is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("event.custom_data.tier > 3", "of other types"),
        ("event.custom_data.value * 2 > 3", "of other types"),
        ("event.custom_data.value", "no true or false"),
        ("1 / 0 == 1", "division by zero"),
        ("event.custom_data.tier || false", "of other types"),
    ],
)
def test_an_error_at_run_time_is_told_without_values(text: str, words: str) -> None:
    found = holds(text)
    assert isinstance(found, Failed)
    assert words in found.words
    assert "gold" not in found.words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("event.event_name ==", "is no CEL: 1:"),
        ("event.evnt_name == 'x'", "1:1: there is no field 'evnt_name'; give 'event_name'"),
        ("true && event.user_data.emial == 'x'", "1:9: there is no field 'user_data.emial'; give 'email'"),
        ("event.user_data.email == 'x'", "1:1: event.user_data.email is kept as digests only; compare its SHA-256"),
        ("event.user_data.plain.email == 'x'", "plaintext is not to be read"),
        ("event.custom_data.who == 'jane@example.com'", "1:26: holds an e-mail address"),
        ("event.user_data.client_ip == '192.0.2.1'", "personal data"),
        ("visitor.age > 3", "there is no 'visitor.age'"),
        ("now() > 3", "is no function"),
        ("event == 3", "event is no value by itself"),
        ("event.event_name.foo == 'x'", "it is a single value"),
        ("has(3)", ""),
        ("event.custom_data.x == Foo{a: 1}", ""),
        ("a.map(b, b)", "'a' is no name here"),
        ("x" * 3_000, "is longer than"),
        ("!" * 1_900 + "true", ""),
    ],
)
def test_a_filter_that_is_wrong_is_refused_with_place_and_reason(text: str, words: str) -> None:
    with pytest.raises(BadExpression) as error:
        Filter(text, Names())
    assert words in str(error.value)


def test_what_would_grow_without_bound_as_it_is_compiled_is_refused() -> None:
    text = "event.custom_data.a"
    for number in range(14):
        text = f"(({text} == {number}) ? event.custom_data.b : event.custom_data.c)"
    with pytest.raises(BadExpression, match="nest fewer"):
        Filter(f"{text} == 1", Names())


def test_a_filter_that_would_cost_too_much_fails() -> None:
    text = "event.custom_data.list.exists(a, event.custom_data.list.exists(b, a + b == 'never'))"
    one = event(custom_data=CustomData(properties={"list": ["x" * 100] * 1_000}))
    assert holds(text, one) == Failed("would cost too much for one event")


def test_what_is_asked_twice_as_it_is_evaluated_costs_twice() -> None:
    one, text = event(custom_data=CustomData(properties={"list": [1] * 1_000})), "event.custom_data.list"
    for _ in range(5):
        text = f"[{text}.filter(x, x > 1)][0]"
    assert holds(f"{text}[0] == 2", one) == Failed("would cost too much for one event")


def test_a_field_with_too_many_values_is_not_handed_over() -> None:
    one = event(custom_data=CustomData(properties={"list": [0] * 10_000}))
    assert holds("event.custom_data.list.size() > 3", one) == Failed("a field that it names is too large")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("event.event_name == 'x' && event.custom_data.value > 10", "event.event_name == 'x'"),
        ("event.custom_data.value > 10 && (event.event_name == 'x' || !has(event.custom_data.tier))",
         "(event.event_name == 'x' || !has(event.custom_data.tier))"),
        ("event.event_name == 'x' || event.custom_data.value > 10", "event.custom_data.value > 10"),
        ("true && !(event.event_name == 'x')", "true && !(event.event_name == 'x')"),
        ("!(event.event_name == 'purchase_placed' || false)", "event.event_name == 'purchase_placed'"),
    ],
)  # fmt: skip
def test_the_part_that_decided_is_named(text: str, part: str) -> None:
    names = Names()
    condition = Filter(text, names)
    assert condition.decided_by(Handed(names, Facts(event=BOUGHT))) == part


def test_a_value_whose_field_is_missing_is_missing() -> None:
    assert value_of("event.custom_data.value * 0.5") == Decimal("6.25")
    assert value_of("event.custom_data.tax * 0.5") == Missing()
    assert value_of("has(event.custom_data.tax) ? event.custom_data.tax : null") is None
    assert value_of("event.custom_data.list.map(x, x + 1)") == [2, 3]


Case = dict[str, Any]
Condition = tuple[str, Callable[[Case], bool]]  # in CEL, and what it means
ATOMS: list[Condition] = [
    ("(event.custom_data.a > 1)", lambda case: case.get("a", 0) > 1),
    ("(event.custom_data.b == 'x')", lambda case: case.get("b") == "x"),
    ("has(event.custom_data.a)", lambda case: "a" in case),
    ("event.custom_data.c", lambda case: case.get("c", False)),
]


def joined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    two, three = st.tuples(inner, inner), st.tuples(inner, inner, inner)
    return st.one_of(
        inner.map(lambda one: (f"!{one[0]}", lambda case: not one[1](case))),
        two.map(lambda of: (f"({of[0][0]} && {of[1][0]})", lambda case: of[0][1](case) and of[1][1](case))),
        two.map(lambda of: (f"({of[0][0]} || {of[1][0]})", lambda case: of[0][1](case) or of[1][1](case))),
        three.map(
            lambda of: (
                f"({of[0][0]} ? {of[1][0]} : {of[2][0]})",
                lambda case: of[1][1](case) if of[0][1](case) else of[2][1](case),
            )
        ),
    )


CASES = st.fixed_dictionaries(
    {}, optional={"a": st.integers(0, 3), "b": st.sampled_from(["x", "y"]), "c": st.booleans()}
)


@given(condition=st.recursive(st.sampled_from(ATOMS), joined, max_leaves=8), case=CASES)
def test_conditions_join_as_they_do_where_a_missing_comparison_is_false(condition: Condition, case: Case) -> None:
    text, meaning = condition
    assert holds(text, event(custom_data=CustomData(properties=case))) is meaning(case)


@given(condition=st.recursive(st.sampled_from(ATOMS), joined, max_leaves=8), case=CASES)
def test_where_nothing_is_missing_a_filter_says_what_cel_says(condition: Condition, case: Case) -> None:
    whole = {"a": 0, "b": "y", "c": False} | case
    told = Expression(condition[0], ["event"]).evaluate({"event": {"custom_data": whole}}, Budget())
    assert holds(condition[0], event(custom_data=CustomData(properties=whole))) is told
