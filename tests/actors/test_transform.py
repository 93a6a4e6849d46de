"""Transformations of routes: what each step does, what none may change, and that what fails sends nothing
(contracts/routing.md, section 4.4)."""

import hashlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.content import Content, content_of, read_content, with_content, without_removed
from actors.event import CustomData, EmailDigests, Event, Item, Page, Plaintext, UserData
from actors.expressions import Budget
from actors.facts import Facts
from actors.routes import AnyStep, DropIf, EventName, Hash, Keep, Map, Remove, Rename, Set
from actors.transform import Dropped, Transformation, Unmade
from tests.support.making import START_MS, event

EMAIL = EmailDigests(sha256="ab" * 32)
BOUGHT = event(
    name="purchase_placed",
    custom_data=CustomData(
        value=Decimal("12.50"),
        currency="EUR",
        items=(Item(id="a", price=Decimal(5), quantity=1), Item(id="b", name="B")),
        product_ids=("a", "b"),
        properties={"tier": "gold", "nested": {"deep": 1, "other": 2}, "ok": True, "n": 3},
    ),
    user_data=UserData(email=EMAIL, external_id=" c-1 ", country="DE", gclid="g", sealed=b"s"),
    page=Page(url="https://shop.example/a?b=c"),
)
STAYS = Set(path="custom_data.currency", expression="event.custom_data.currency")


def made(*steps: AnyStep, of: Event = BOUGHT, **given: Any) -> Any:
    found = Transformation(steps)
    assert found.problems == []
    return found.apply(of, Facts(event=of), Budget(), **given)


def test_a_value_is_set_from_an_expression() -> None:
    after = made(Set(path="custom_data.value", expression="event.custom_data.value * 0.5"), STAYS)
    assert (after.custom_data.value, after.custom_data.currency) == (Decimal("6.25"), "EUR")


@pytest.mark.parametrize(
    ("path", "expression", "wanted"),
    [
        ("custom_data.own", "'x' + event.custom_data.tier", {"own": "xgold"}),
        ("custom_data.deep.er", "event.custom_data.n + 1", {"deep": {"er": 4}}),
        ("custom_data.nested.deep", "1.5", {"nested": {"deep": 1.5, "other": 2}}),
        ("custom_data.own", "event.custom_data.items.map(one, one.id)", {"own": ["a", "b"]}),
        ("custom_data.tier", "null", {}),
    ],
)
def test_a_custom_property_is_set_anew_or_taken_away(path: str, expression: str, wanted: dict[str, Any]) -> None:
    properties = {**BOUGHT.custom_data.properties, **wanted}
    if not wanted:
        del properties["tier"]
    assert made(Set(path=path, expression=expression)).custom_data.properties == properties


def test_a_later_step_sees_what_an_earlier_one_did() -> None:
    after = made(EventName(name="big_order"), Set(path="custom_data.as", expression="event.event_name"))
    assert (after.event_name, after.custom_data.properties["as"]) == ("big_order", "big_order")


def test_every_item_is_reached() -> None:
    after = made(
        Remove(path="items[].price"), Set(path="custom_data.items[].brand", expression="'acme'"),
        Rename(path="items[].name", to="items[].variant"), Hash(path="items[].id"),
    )  # fmt: skip
    one, other = after.custom_data.items
    assert (one.price, one.brand, one.quantity) == (None, "acme", 1)
    assert (other.variant, other.name, other.id) == ("B", None, hashlib.sha256(b"b").hexdigest())


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert (
        made(Remove(path="custom_data.coupon"), Remove(path="custom_data.a.b"), Remove(path="user_data.kx")) == BOUGHT
    )


def test_keep_leaves_only_what_is_named_in_the_groups_it_names() -> None:
    after = made(Keep(paths=("custom_data.items[].id", "custom_data.nested.deep", "custom_data.ok")))
    assert after.custom_data == CustomData(
        items=(Item(id="a"), Item(id="b")), properties={"nested": {"deep": 1}, "ok": True}
    )
    assert after.user_data == BOUGHT.user_data


def test_keep_of_identifiers_takes_all_others() -> None:
    after = made(Keep(paths=("user_data.email", "user_data.country")))
    assert after.user_data == UserData(email=EMAIL, country="DE", sealed=b"s")


def test_rename_moves_a_value() -> None:
    after = made(Rename(path="custom_data.tier", to="custom_data.content_category"))
    assert (after.custom_data.content_category, "tier" in after.custom_data.properties) == ("gold", False)


def test_what_an_event_cannot_be_without_is_not_renamed() -> None:
    ((field, words),) = Transformation([Rename(path="action_source", to="custom_data.tier")]).problems
    assert (field, words) == ("transform[0].path", "action_source cannot be renamed; set it")


@pytest.mark.parametrize(
    ("path", "table", "otherwise", "wanted"),
    [
        ("custom_data.tier", {"gold": "A"}, msgspec.UNSET, "A"),
        ("custom_data.tier", {"silver": "B"}, msgspec.UNSET, "gold"),
        ("custom_data.tier", {"silver": "B"}, "C", "C"),
        ("custom_data.tier", {"silver": "B"}, None, None),
        ("custom_data.ok", {"true": 1}, msgspec.UNSET, 1),
        ("custom_data.n", {"3": 30}, msgspec.UNSET, 30),
        ("custom_data.none", {"3": 30}, "C", None),
    ],
)
def test_a_value_is_looked_up(path: str, table: dict[str, Any], otherwise: Any, wanted: Any) -> None:
    after = made(Map(path=path, table=table, otherwise=otherwise))
    assert after.custom_data.properties.get(path.rpartition(".")[2]) == wanted


def test_a_text_is_trimmed_and_hashed_and_a_digest_is_not_hashed_again() -> None:
    after = made(Hash(path="user_data.external_id"), Hash(path="user_data.email"), Hash(path="custom_data.n"))
    assert after.user_data.external_id == hashlib.sha256(b"c-1").hexdigest()
    assert after.custom_data.properties["n"] == hashlib.sha256(b"3").hexdigest()
    assert made(Hash(path="user_data.external_id"), Hash(path="user_data.external_id")).user_data == (
        made(Hash(path="user_data.external_id")).user_data
    )
    assert after.user_data.email == EMAIL


def test_drop_if_makes_no_delivery() -> None:
    assert made(DropIf(expression="event.custom_data.value > 10")) == Dropped()
    assert made(DropIf(expression="event.custom_data.tax > 10")) == BOUGHT


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([Set(path="custom_data.own", expression="event.custom_data.tax")], "a field that the expression names"),
        ([Set(path="custom_data.own", expression="1 / 0")], "transform[0]: failed: a division by zero"),
        ([Set(path="custom_data.num_items", expression="'three'")], "custom_data.num_items: Expected"),
        ([Set(path="custom_data.tier.x", expression="1")], "tier holds a single value"),
        ([Set(path="custom_data.customer_type", expression="'vip'")], "customer_type: a value that is none"),
        ([Set(path="custom_data.value", expression="null"), STAYS], "value and currency change together"),
        ([Map(path="custom_data.currency", table={"EUR": "€"}),
          Set(path="custom_data.value", expression="event.custom_data.value")], "no ISO 4217"),
        ([Set(path="occurred_at", expression="'2999-01-01T00:00:00Z'")], "only backwards"),
        ([Set(path="occurred_at", expression="'yesterday'")], "takes a time"),
        ([Set(path="occurred_at", expression="-9000000000000000000"),
          Set(path="custom_data.x", expression="event.occurred_at")], "gives no value here"),
        ([Set(path="occurred_at", expression="-1")], "occurred_at: before 1970"),
        ([Set(path="custom_data.discount", expression="1e300")], "no amount"),
        ([Hash(path="custom_data.nested")], "only text and numbers are hashed"),
        ([DropIf(expression="event.custom_data.tier > 3")], "of other types"),
    ],
)  # fmt: skip
def test_a_transformation_that_fails_makes_no_event(steps: list[AnyStep], words: str) -> None:
    found = made(*steps)
    assert isinstance(found, Unmade)
    assert words in found.words
    assert "gold" not in found.words


def test_the_time_may_be_set_backwards_within_what_the_platform_takes() -> None:
    step = Set(path="occurred_at", expression="timestamp('2026-11-20T09:00:00Z')")
    assert made(step).occurred_at_ms == START_MS - 20 * 60_000
    assert made(step, max_age_s=3_600).occurred_at_ms == START_MS - 20 * 60_000
    assert "older than the 60 s" in made(step, max_age_s=60).words


@pytest.mark.parametrize(
    ("steps", "place", "words"),
    [
        ([Set(path="event_id", expression="'x'")], "transform[0].path", "event_id is never changed"),
        ([Remove(path="consent.marketing")], "transform[0].path", "never changed"),
        ([Set(path="source", expression="'server'")], "transform[0].path", "never changed"),
        ([Set(path="site", expression="'x'")], "transform[0].path", "never changed"),
        ([Set(path="received_at", expression="'x'")], "transform[0].path", "never changed"),
        ([Set(path="event_name", expression="'x'")], "transform[0].path", "a step of its own"),
        ([Set(path="user_data.email", expression="'x'")], "transform[0].path", "kept as digests"),
        ([Rename(path="custom_data.a", to="user_data.email.sha256")], "transform[0].to", "kept as digests"),
        ([Rename(path="user_data.phone", to="user_data.email")], "transform[0].path", "kept as digests"),
        ([Remove(path="custom_data")], "transform[0].path", "is a group"),
        ([Remove(path="occurred_at")], "transform[0].path", "can only be set"),
        ([Remove(path="user_data.emial")], "transform[0].path", "give 'email'"),
        ([Remove(path="items[].prise")], "transform[0].path", "give 'price'"),
        ([Remove(path="custom_data..x")], "transform[0].path", "is no path"),
        (
            [EventName(name="a"), Set(path="custom_data.x", expression="now()")],
            "transform[1].expression",
            "no function",
        ),
        ([Set(path="custom_data.value", expression="1")], "transform[0].path", "value and currency change together"),
        ([Remove(path="custom_data.properties.currency")], "transform[0].path", "value and currency"),
        ([Keep(paths=("custom_data.value",))], "transform[0].paths", "value and currency"),
        ([Keep(paths=("page.url",))], "transform[0].paths", "custom_data and user_data only"),
        ([Rename(path="items[].id", to="custom_data.x")], "transform[0].to", "not in the same list"),
    ],
)
def test_a_step_that_may_not_be_is_refused_with_its_place(steps: list[AnyStep], place: str, words: str) -> None:
    ((field, told),) = Transformation(steps).problems
    assert field == place
    assert words in told


def test_what_is_kept_with_a_delivery_makes_the_same_of_the_event_again() -> None:
    after = made(EventName(name="big"), Remove(path="user_data.gclid"), Set(path="custom_data.x", expression="1"))
    content = read_content(content_of(BOUGHT, after) or b"")
    assert content is not None
    assert with_content(BOUGHT, content) == after
    assert content.user_data == {"gclid": None}


def test_a_transformation_that_changes_nothing_keeps_nothing() -> None:
    assert content_of(BOUGHT, made(Remove(path="custom_data.coupon"))) is None


def test_content_that_cannot_be_read_is_none() -> None:
    assert read_content(b"\xc1") is None


def test_plaintext_of_what_was_removed_is_not_opened() -> None:
    content = read_content(content_of(BOUGHT, made(Remove(path="user_data.email"))) or b"") or Content()
    opened = msgspec.structs.replace(
        BOUGHT.user_data, plain=Plaintext(email="jane@shop.example", phone="+491701234567")
    )
    user_data = without_removed(msgspec.structs.replace(BOUGHT, user_data=opened), content).user_data
    assert user_data.plain == Plaintext(phone="+491701234567")


PATHS = st.sampled_from(
    ["custom_data.x", "custom_data.nested.deep", "items[].id", "user_data.external_id", "page.url", "user_data.email",
     "custom_data.coupon", "event_id", "consent.marketing", "user_data.gclid", "custom_data.tier"]
)  # fmt: skip
EXPRESSIONS = st.sampled_from(["'x'", "1", "null", "event.custom_data.tier", "event.custom_data.items", "true", "1.5"])
ANY_STEP = st.one_of(
    st.builds(Set, path=PATHS, expression=EXPRESSIONS),
    st.builds(Remove, path=PATHS),
    st.builds(Rename, path=PATHS, to=PATHS),
    st.builds(Hash, path=PATHS),
    st.builds(Map, path=PATHS, table=st.just({"gold": "x", "a": 1}), otherwise=st.sampled_from([None, "y"])),
    st.builds(Keep, paths=st.lists(PATHS, min_size=1, max_size=3).map(tuple)),
    st.builds(EventName, name=st.sampled_from(["a", "purchase_placed"])),
)


@given(steps=st.lists(ANY_STEP, max_size=5))
def test_a_transformation_never_changes_what_it_must_not(steps: list[AnyStep]) -> None:
    found = Transformation(steps)
    before = msgspec.msgpack.encode(BOUGHT)
    after = found.apply(BOUGHT, Facts(event=BOUGHT), Budget())
    assert msgspec.msgpack.encode(BOUGHT) == before, "the event itself stays as it is"
    if isinstance(after, Event):
        for name in ("event_id", "received_at_ms", "source", "consent", "site", "occurred_at_ms"):
            assert getattr(after, name) == getattr(BOUGHT, name)
        assert after.user_data.email in (None, EMAIL)
        assert (after.custom_data.value is None) == (after.custom_data.currency is None)
        assert with_content(BOUGHT, read_content(content_of(BOUGHT, after) or b"") or Content()) == after
