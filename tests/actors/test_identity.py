"""Normalisation and digests: the worked examples of every contract page, and the rules as properties."""

import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors import identity
from actors.event import EmailDigests, NameDigests, PhoneDigests
from actors.identity import (
    date_digest,
    email_digests,
    gender_digest,
    is_blocked,
    is_placeholder,
    name_digests,
    phone_digests,
    street_digest,
)

HEX = "dbf1912b4cad4df9823f627874244e64b50a6ac550b9cb33b17df671a26679db"
JANE = "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"

# (page, input, form of the digest set, SHA-256 or MD5 as the page prints it)
EMAILS = [
    ("meta", "John_Smith@gmail.com", "sha256", "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
    ("ga4", " Jane.Doe@Gmail.com", "gmail", "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69"),
    ("ga4", " Jane.Doe+news@Example.com", "sha256", HEX),
    ("tiktok", " Jane.Doe+news@Example.com", "sha256", HEX),
    ("google_ads", " ALEXZ@example.com ", "sha256", "509e933019bb285a134a9334b8bb679dff79d0ce023d529af4bd744d47b4fd8a"),
    (
        "google_ads",
        "cloudy.sanfrancisco+shopping@gmail.com",
        "google",
        "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4",
    ),
    (
        "google_ads",
        "user.name+NYC@Example.com",
        "sha256",
        "f109a2a632fbcea5fc82049f50beed3d8621bf9034399f437fb622222acccdac",
    ),
    ("pinterest", " Jane.Doe@Example.com ", "sha256", JANE),
    ("snapchat", " Jane.Doe@Example.com ", "sha256", JANE),
    ("snapchat", "person@example.com", "sha256", "542d240129883c019e106e3b1b2d3f3cb3537c43c425364de8e951d5a3083345"),
    ("linkedin", " Jane.Doe@Example.com ", "sha256", JANE),
    ("klaviyo", " Jane.Doe@Example.com ", "sha256", JANE),
    (
        "reddit",
        "Al.ice$+Apple@Example.Com",
        "reddit",
        "ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976",
    ),
    (
        "reddit",
        " Jane.Doe+news@Example.com",
        "reddit",
        "c4d25e9c90ff23e9145397bc6fbd5385ca5fbe78211222ccbecd0b369ebb19a6",
    ),
    ("criteo", " Jane.Doe+news@Example.com", "md5", "6a58e7286ac0e6944c137f0fb3f101b1"),
    (
        "criteo",
        " Jane.Doe+news@Example.com",
        "sha256_md5",
        "cd9020cef7b4a5f3d1c655cfa6a6c8b39abfb153c571a9f544e8756c42caa8ae",
    ),
    ("criteo", "User@Example.com", "md5", "b58996c504c5638798eb6b511e6f49af"),
    ("criteo", "User@Example.com", "sha256", "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"),
    ("criteo", "User@Example.com", "sha256_md5", "7f7892563bd354c8aa47ec54a5ce8c6100c6258089273db2f8c777e1853d365b"),
    ("criteo", "customer@example.org", "md5", "514a8530f239116ca6fd15c8b401bc2a"),
    ("criteo", "customer@example.org", "sha256", "7016fcf54ae194a1bdab8740baf889438eb924a58341b3f2d72b44f5e9356794"),
    (
        "criteo",
        "customer@example.org",
        "sha256_md5",
        "f223003c26ce15904251c58f3a3d895433690da12cb93b7183ecbea1950cdee7",
    ),
]
PHONES = [
    ("meta", "(650)555-1212", "US", "digits", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
    ("ga4", "+1 (212) 555-0123", None, "sha256", "27e0fa5123e83b8d78af1156024ff01694f7ccf420aa0a3b0b1cbd2f0c40a33d"),
    ("meta", "+1 (212) 555-0123", None, "digits", "53ed517fa8e01227bd3ebdc60c78b3f7a7f3a199decdf492af61584ed4ac608d"),
    (
        "google_ads",
        "1 800 555 0100",
        "US",
        "sha256",
        "fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30",
    ),
    (
        "pinterest",
        "+1 (831) 555-0142",
        "DE",
        "digits",
        "0c94480433b17d9f6147db6da198ae28ed25468e645140553730944c4079e6d5",
    ),
    ("snapchat", "448444124653", "GB", "digits", "dc008fda46e2e64002cf2f82a4906236282d431c4f75e5b60bfe79fc48546383"),
    (
        "reddit",
        "+1 (555) 444-1234 ext. 789",
        None,
        "sha256",
        "e5b124c58580eb16bd959b8d0cac12b12c952e2ceae0203d416cff94f10b994a",
    ),
]
NAMES = [
    ("meta", "Valéry", "sha256", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
    ("meta", "O'Neil-Smith", "sha256", "825e66cf3a9a1ab140083fc38941c75ce6e41b49991e839f15b071b53dad639b"),
    ("ga4", " O'Neil", "sha256", "67a42a846e98e3c1a96cd6ba14883a5ea05990cd93964ce8b832aa9497ca785c"),
    ("linkedin", "Jane", "sha256", "81f8f6dde88365f3928796ec7aa53f72820b06db8664f5fe76a7eb13e24546a2"),
    ("pinterest", "O'Neil", "plain", "eb1aed4f494ca276a88d3161252e48e0fe703f32666fe44fe4652f660b82cda4"),
]


@pytest.mark.parametrize(("page", "text", "form", "digest"), EMAILS)
def test_an_email_has_the_digest_of_its_contract_page(page: str, text: str, form: str, digest: str) -> None:
    digests = email_digests(text)
    assert digests is not None
    assert getattr(digests, form) == digest, page


@pytest.mark.parametrize(("page", "text", "country", "form", "digest"), PHONES)
def test_a_phone_has_the_digest_of_its_contract_page(
    page: str, text: str, country: str | None, form: str, digest: str
) -> None:
    digests = phone_digests(text, country)
    assert digests is not None
    assert getattr(digests, form) == digest, page


@pytest.mark.parametrize(("page", "text", "form", "digest"), NAMES)
def test_a_name_has_the_digest_of_its_contract_page(page: str, text: str, form: str, digest: str) -> None:
    digests = name_digests(text)
    assert digests is not None
    assert getattr(digests, form) == digest, page


@pytest.mark.parametrize(
    ("reader", "text", "digest"),
    [
        (street_digest, "12 Main St.", "dc822cf3c9d416fae29f7ecddd2815dc0ea8b57a1b05047c5350f3b09d93d0e8"),
        (date_digest, "1990-04-23", "325f07f80f1aabd207da43c6b7ea94c5c466a89d9cf634118b196ca1a9f09de1"),
        (date_digest, "1988-12-04", "df64e837e6c17f441fe38f1ba2442f8a24fa08bc1a0c2341bfed7953aaccdc5e"),
        (gender_digest, "female", "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111"),
    ],
)
def test_street_birth_date_and_gender_have_the_digest_of_their_page(reader: object, text: str, digest: str) -> None:
    assert callable(reader)
    assert reader(text).sha256 == digest


def test_a_form_is_kept_only_where_it_differs_from_the_standard_one() -> None:
    plain, gmail = email_digests("jane@example.com"), email_digests("jane.doe+news@gmail.com")
    assert plain is not None
    assert gmail is not None
    assert (plain.gmail, plain.google, plain.reddit) == (None, None, None)
    assert gmail.gmail == _sha256("janedoe+news@gmail.com")
    assert gmail.google == gmail.reddit == _sha256("janedoe@gmail.com")
    name = name_digests("Mary Ann")
    assert name is not None
    assert (name.sha256, name.words, name.plain) == (_sha256("maryann"), _sha256("mary ann"), _sha256("mary ann"))


@pytest.mark.parametrize(
    ("text", "country", "normal"),
    [
        ("+49 (0)151 12345678", None, "+4915112345678"),
        ("0151 12345678", "de", "+4915112345678"),
        ("4915112345678", "DE", "+4915112345678"),
        ("0049 151 12345678", None, "+4915112345678"),
        ("011 49 151 12345678", "US", "+4915112345678"),
        ("447700900123", "GB", "+447700900123"),
        ("391 2345678", "IT", "+393912345678"),
        ("+999 123 456 789", None, "+999123456789"),  # a numbering plan the tables do not know
        ("0151 12345678", None, None),  # whose number it is depends on the country
        ("16505551212", None, None),
        ("+43 000 000", None, "+430000"),
        ("call me", "US", None),
        ("000-0000", "US", None),
        ("+12", None, None),
        ("", "US", None),
    ],
)
def test_a_phone_becomes_e164_or_is_left_out(text: str, country: str | None, normal: str | None) -> None:
    assert identity.normal_phone(text, country) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("1990-04-23", "19900423"),
        ("1990-04-23T00:00:00Z", "19900423"),
        ("19900423", "19900423"),
        ("04/23/1990", "19900423"),
        ("4/3/1990", "19900403"),
        ("23/04/1990", None),  # no 23rd month, and day first is a guess
        ("1990-02-30", None),
        ("1899-12-31", None),
        ("23. April 1990", None),
    ],
)
def test_a_birth_date_is_read_in_the_forms_the_pages_allow(text: str, normal: str | None) -> None:
    assert identity.normal_date(text) == normal


@pytest.mark.parametrize("text", ["", "jane", "jane@", "@example.com", "a b@example.com", "a@b@c", "x" * 250 + "@a.de"])
def test_what_is_no_email_is_left_out(text: str) -> None:
    assert email_digests(text) is None


@pytest.mark.parametrize("text", [HEX, HEX.upper(), f" {HEX} "])
def test_a_hash_that_arrives_fills_only_the_standard_form(text: str) -> None:
    email, phone, name = email_digests(text), phone_digests(text, "US"), name_digests(text)
    assert email == EmailDigests(sha256=HEX)
    assert phone == PhoneDigests(sha256=HEX)
    assert name == NameDigests(sha256=HEX)
    assert street_digest(text) == date_digest(text) == gender_digest(text)


@pytest.mark.parametrize("suffix", ["AQ", "BAgIAQEA"])
def test_the_suffix_of_a_platforms_library_is_kept(suffix: str) -> None:
    digests = email_digests(f"{HEX.upper()}.{suffix}")
    assert digests is not None
    assert (digests.sha256, digests.suffix) == (HEX, suffix)


@pytest.mark.parametrize("digest", sorted(identity.BLOCKED_DIGESTS))
def test_the_digest_of_a_placeholder_is_no_identifier(digest: str) -> None:
    assert (email_digests(digest), phone_digests(digest, None), name_digests(digest)) == (None, None, None)
    assert is_blocked(digest.upper())


@pytest.mark.parametrize("text", ["", "0", "000-000", "-1", "NULL", " undefined ", "N/A", "Guest", "anonymous", "none"])
def test_a_placeholder_is_no_identifier(text: str) -> None:
    assert is_placeholder(text)
    assert is_blocked(text)
    assert (email_digests(text), name_digests(text), phone_digests(text, "US")) == (None, None, None)


def test_a_test_address_is_blocked_and_a_short_id_joins_nobody() -> None:
    assert email_digests(" Test@Example.com") is None
    assert is_blocked("42")
    assert not is_placeholder("42")
    assert not is_blocked("cust_10482")


@given(st.text() | st.emails())
@example("0:")  # without its sign it is a placeholder
@example("\u03390\u0334")  # without the digit the accents change places
def test_normalising_twice_is_normalising_once(text: str) -> None:
    for normal in (
        identity.normal_email,
        identity.normal_name,
        identity.normal_words,
        identity.normal_street,
        identity.normal_date,
        identity.normal_gender,
    ):
        once = normal(text)
        assert once is None or normal(once) == once


@given(st.text("0123456789+-() x", max_size=24), st.sampled_from([None, "US", "DE", "IT", "XX"]))
@example("+43000000", None)
@example("+4300000+0", None)
def test_a_normalised_phone_needs_no_country_to_stay_the_same(text: str, country: str | None) -> None:
    once = identity.normal_phone(text, country)
    assert once is None or identity.normal_phone(once, country) == identity.normal_phone(once, None) == once


@given(st.binary(min_size=32, max_size=32))
def test_hashing_what_is_hashed_changes_nothing(data: bytes) -> None:
    digest = data.hex()
    for one in (email_digests(digest), phone_digests(digest, "US"), name_digests(digest), street_digest(digest)):
        assert one is not None
        assert one.sha256 == digest


@given(st.text())
def test_no_text_makes_the_digests_fail(text: str) -> None:
    for read in (email_digests, name_digests, street_digest, date_digest, gender_digest):
        digests = read(text)
        assert digests is None or len(digests.sha256) == 64


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
