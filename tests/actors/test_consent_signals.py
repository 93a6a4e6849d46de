"""Signals of consent platforms as canonical purposes: the vectors and tables of contracts/consent.md, section 2."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consent_signals import consent_mode, gpp, shopify, tcf
from actors.consent_signals.bits import ALPHABET, Unread
from actors.consent_signals.consent_mode import ConsentMode
from actors.consent_signals.shopify import ShopifyPrivacy
from actors.event import Consent
from tests.support.making import DAY_MS, START_MS

TCF_VECTORS = {
    "CQSbk4AQSbk4ANwAAAENAwCgALIAAAAAAAYgACPAAAAA": {1, 3, 4, 7},
    "CQSbk4AQSbk4ANwAAAENAwCgAMPAAAAAAAYgACPAAAAA": {1, 2, 7, 8, 9, 10},
    "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA": set[int](),
}
ALL_PURPOSES = frozenset(range(1, 12))


def bits(*fields: tuple[int, int]) -> str:
    """(value, length) one after the other, as base64url padded to whole characters."""
    text = "".join(f"{value:0{length}b}" for value, length in fields)
    text += "0" * (-len(text) % 6)
    return "".join(ALPHABET[int(text[at : at + 6], 2)] for at in range(0, len(text), 6))


def tc_string(
    purposes: frozenset[int] | set[int], policy: int = 5, *, is_specific: bool = True, days_old: int = 1
) -> str:
    consents = sum(1 << (24 - purpose) for purpose in purposes)
    return bits(
        (2, 6),
        (0, 36),
        ((START_MS - days_old * DAY_MS) // 100, 36),
        (0, 54),
        (policy, 6),
        (int(is_specific), 1),
        (0, 13),
        (consents, 24),
        (0, 24),
    )


def state_section(layout: gpp.Layout, *flags: int, version: int = 1) -> str:
    value = version << 54
    for place, flag in zip(layout, flags, strict=True):
        value |= flag << (58 - place)
    return bits((value, 60))


def header(*fibonacci: str) -> str:
    """Of single sections, each by the code of its distance from the last."""
    code = "".join(f"0{one}" for one in fibonacci)
    return bits((3, 6), (1, 6), (len(fibonacci), 12), (int(code, 2), len(code)))


@pytest.mark.parametrize(("text", "purposes"), TCF_VECTORS.items())
def test_the_vectors_of_the_contract_are_read(text: str, purposes: set[int]) -> None:
    assert tcf.read(text).purposes == purposes


@pytest.mark.parametrize(
    ("purposes", "wanted"),
    [
        (ALL_PURPOSES, Consent(analytics="granted", marketing="granted", preferences="granted")),
        ({1, 7}, Consent(analytics="denied", marketing="granted", preferences="denied", sale_of_data="denied")),
        ({1, 8, 9, 3, 4}, Consent(analytics="granted", marketing="denied", preferences="denied")),
        ({7, 8, 9, 11}, Consent(analytics="denied", marketing="denied", preferences="denied", sale_of_data="denied")),
    ],
)
def test_purposes_of_tcf_are_canonical_purposes(purposes: set[int], wanted: Consent) -> None:
    assert tcf.consent_of(tc_string(purposes), START_MS) == wanted


@pytest.mark.parametrize("text", [tc_string(ALL_PURPOSES, policy=2), tc_string(ALL_PURPOSES, is_specific=False)])
def test_a_string_of_an_old_policy_or_of_a_group_of_shops_grants_nothing(text: str) -> None:
    assert tcf.consent_of(text, START_MS) == Consent()


@pytest.mark.parametrize(("days_old", "marketing"), [(396, "granted"), (398, None)])
def test_a_string_that_was_not_renewed_for_13_months_grants_nothing(days_old: int, marketing: str | None) -> None:
    assert tcf.consent_of(tc_string(ALL_PURPOSES, days_old=days_old), START_MS).marketing == marketing


@pytest.mark.parametrize("text", ["", "C", "BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA", "CQ!bk4", "DBABMA~x"])
def test_what_is_no_tcf_string_cannot_be_read(text: str) -> None:
    with pytest.raises(Unread):
        tcf.consent_of(text, START_MS)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("DBABMA~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA", [2]),
        ("DBACNYA~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN", [2, 6]),
    ],
)
def test_the_header_of_a_gpp_string_lists_its_sections(text: str, ids: list[int]) -> None:
    assert list(gpp.sections(text)) == ids


def test_a_range_of_sections_is_counted_up() -> None:
    # one group: from 7 (01011) over the next 2 (011), that is 7 to 9
    text = bits((3, 6), (1, 6), (1, 12), (0b1, 1), (0b01011, 5), (0b011, 3))
    assert list(gpp.sections(f"{text}~a~b~c")) == [7, 8, 9]


@pytest.mark.parametrize(
    ("flags", "wanted"), [((1, 0, 0), "denied"), ((2, 1, 2), "denied"), ((2, 0, 0), "granted"), ((0, 0, 0), None)]
)
def test_an_opt_out_of_any_of_the_three_denies_the_sale(flags: tuple[int, int, int], wanted: str | None) -> None:
    text = f"{header('01011')}~{state_section(gpp.LAYOUTS[7], *flags)}"
    assert gpp.consent_of(text, START_MS) == Consent(sale_of_data=wanted)  # type: ignore[arg-type]  # the table's own words


@pytest.mark.parametrize("number", sorted(gpp.LAYOUTS))
def test_every_state_is_read_at_its_own_place(number: int) -> None:
    layout = gpp.LAYOUTS[number]
    for place in layout:
        flags = [1 if one == place else 2 for one in layout]
        assert list(gpp._state_flags(number, state_section(layout, *flags))) == flags


def test_a_layout_that_nobody_knows_counts_as_an_opt_out() -> None:
    assert list(gpp._state_flags(24, state_section((12, 14), 2, 2))) == [gpp.OPTED_OUT]
    assert list(gpp._state_flags(8, state_section((12, 14), 2, 2, version=3))) == [gpp.OPTED_OUT]


def test_gpc_in_a_subsection_denies_the_sale() -> None:
    section = f"{state_section(gpp.LAYOUTS[8], 2, 2)}.{bits((1, 2), (1, 1))}"
    assert list(gpp._state_flags(8, section)) == [2, 2, gpp.OPTED_OUT]


@pytest.mark.parametrize(
    ("parsed", "wanted"),
    [
        ({"uspv1": "1YYN"}, "denied"),
        ({"uspv1": {"OptOutSale": "N"}}, "granted"),
        ({"usnat": [{"SaleOptOut": 2, "SharingOptOut": 0}, {"Gpc": True}]}, "denied"),
        ({"usmd": {"TargetedAdvertisingOptOut": 2}}, "granted"),
        ({"tcfeuv2": {}}, None),
    ],
)
def test_sections_that_the_platform_parsed_are_read_by_name(parsed: dict[str, Any], wanted: str | None) -> None:
    assert gpp.consent_of_parsed(parsed).sale_of_data == wanted


@given(text=st.text(alphabet=ALPHABET + "~.", max_size=200))
def test_whatever_is_sent_is_read_or_refused(text: str) -> None:
    for read in (tcf.consent_of, gpp.consent_of):
        try:
            assert isinstance(read("D" + text, START_MS), Consent)
        except Unread:
            continue


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ({"analytics_storage": "granted"}, Consent(analytics="granted")),
        ({"ad_storage": "granted", "ad_user_data": "granted"}, Consent(marketing="granted")),
        ({"ad_storage": "granted"}, Consent()),
        ({"ad_storage": "granted", "ad_user_data": "denied"}, Consent(marketing="denied")),
        ({"ad_personalization": "denied"}, Consent(sale_of_data="denied")),
        ({"ad_personalization": "granted", "security_storage": "denied"}, Consent()),
        ({"functionality_storage": "granted", "personalization_storage": "granted"}, Consent(preferences="granted")),
    ],
)
def test_consent_mode_is_canonical_purposes(mode: dict[str, Any], wanted: Consent) -> None:
    assert consent_mode.consent_of(ConsentMode(**mode)) == wanted


@pytest.mark.parametrize(
    ("privacy", "wanted", "basis"),
    [
        ({"marketingAllowed": True, "saleOfDataAllowed": False}, Consent(marketing="granted", sale_of_data="denied"),
         "allowed"),
        ({"analytics": "yes", "marketing": "no", "preferences": ""}, Consent(analytics="granted", marketing="denied"),
         "chosen"),
        ({"marketingAllowed": True, "marketing": False}, Consent(marketing="denied"), "chosen"),
        ({"analytics": None}, Consent(), "allowed"),
    ],
)  # fmt: skip
def test_shopifys_choice_goes_before_what_it_allows(privacy: dict[str, Any], wanted: Consent, basis: str) -> None:
    found = ShopifyPrivacy(**privacy)
    assert (shopify.consent_of(found), shopify.basis_of(found)) == (wanted, basis)
