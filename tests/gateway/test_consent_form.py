"""Consent as senders write it: purposes first, then the strictest signal; what is kept of how it came."""

import json
from typing import Any

import msgspec
import pytest

from actors.event import Consent, ConsentNote
from gateway.consent_form import ConsentForm, Read, read_consent, with_gpc
from gateway.invalid import Invalid
from tests.support.making import START_MS

GOOGLE = {"ad_storage": "granted", "ad_user_data": "granted", "analytics_storage": "denied"}


def read(**fields: Any) -> Read:
    found = read_consent(msgspec.convert(fields, ConsentForm), START_MS)
    assert isinstance(found, Read)
    return found


def test_purposes_alone_need_no_note() -> None:
    assert read(marketing="granted") == Read(Consent(marketing="granted"))


def test_purposes_go_before_signals_and_of_signals_the_stricter_counts() -> None:
    found = read(analytics="granted", gcm=GOOGLE, shopify={"marketingAllowed": False, "saleOfDataAllowed": True})
    assert found.consent == Consent(analytics="granted", marketing="denied", sale_of_data="granted")


@pytest.mark.parametrize(
    ("fields", "basis"),
    [
        ({"shopify": {"marketingAllowed": True}}, "allowed"),
        ({"shopify": {"marketing": "yes"}}, "chosen"),
        ({"gpp_sections": {"usnat": {"SaleOptOut": 2}}}, "allowed"),
        ({"gcm": GOOGLE}, "chosen"),
        ({"gcm": GOOGLE, "basis": "allowed"}, "allowed"),
    ],
)
def test_what_nobody_chose_is_not_shown_as_a_choice(fields: dict[str, Any], basis: str) -> None:
    note = read(**fields).note
    assert note is not None
    assert note.basis == basis


def test_the_signals_are_kept_as_they_came() -> None:
    note = read(gcm=GOOGLE, policy="banner-7", region="DE-BY").note
    assert note is not None
    assert (note.came, json.loads(note.raw), note.policy, note.region) == (
        ("gcm",), {"gcm": GOOGLE}, "banner-7", "DE-BY",
    )  # fmt: skip


@pytest.mark.parametrize("told", [Read(Consent(sale_of_data="granted")), Read(Consent(), ConsentNote(came=("tcf",)))])
def test_a_browsers_opt_out_is_added_to_whatever_is_said(told: Read) -> None:
    found = with_gpc(told.consent, told.note)
    assert (found.consent.sale_of_data, found.note is not None and found.note.is_gpc) == ("denied", True)


def test_an_objection_denies_all_that_is_granted_beside_it() -> None:
    assert read(objects=True, marketing="granted").consent.marketing == "denied"


def test_a_string_that_cannot_be_read_is_not_quoted() -> None:
    found = read_consent(ConsentForm(tcf="secret-person!"), START_MS)
    assert isinstance(found, Invalid)
    assert found.field == "consent.tcf"
    assert "secret" not in found.message
