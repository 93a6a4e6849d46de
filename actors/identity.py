"""Normalising and hashing what identifies a person: plaintext or an arrived hash in, a digest set out.

A *normal form* is the text that is hashed. Every `normal_…` function gives None where the text holds no usable value,
and changes nothing when it is applied to its own result. A value that arrives hashed (64 hex digits, perhaps with the
suffix of a platform's own library) fills only the standard digest and is never hashed again.

Sources, read 2026-11-20: section "Normalisation and hashing" of contracts/meta.md, ga4.md, google_ads.md, tiktok.md,
pinterest.md, snapchat.md, linkedin.md, reddit.md, criteo.md, klaviyo.md; contracts/dedup_and_identity.md section 2.2.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

import phonenumbers

from actors.event import Digest, EmailDigests, NameDigests, PhoneDigests

EMAIL_CHARS = 254  # RFC 5321, section 4.5.3.1.3
FIRST_YEAR = 1900  # Meta takes no earlier year of birth (contracts/meta.md section 6)
GMAIL_DOMAINS = frozenset({"gmail.com", "googlemail.com"})

# Words that software writes where it has no value (contracts/dedup_and_identity.md section 2.2).
PLACEHOLDERS = frozenset({"-1", "null", "anonymous", "undefined", "none", "n/a", "unknown", "guest"})
BLOCKED_DIGESTS = frozenset(
    {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",  # empty
        "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b",  # null
        "eb045d78d273107348b0300c01d29b7552d622abbc6faf81b3ec55359aa9950c",  # undefined
        "140bedbf9c3f6d56a9846d2ba7088798683f4da0c248231336e6a05679e4fdfe",  # none
        "2f183a4e64493af3f377f745eda502363cd3e7ef6e4d266d444758de0a85fcc8",  # anonymous
        "f660ab912ec121d1b1e928a0bb4bc61b15f5ad44d5efdc4e1c92a25e99b8e44a",  # test@test.com
        "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b",  # test@example.com
    }
)

_GENDERS: Mapping[str, str] = MappingProxyType(
    {word: "f" for word in ("f", "female", "woman", "girl", "w")}
    | {word: "m" for word in ("m", "male", "man", "boy")}
    | {word: "n" for word in ("n", "nonbinary", "non-binary", "non binary", "nb", "x", "diverse")}
)

_HASHED = re.compile(r"([0-9A-Fa-f]{64})(?:\.([A-Za-z0-9_-]{2,8}))?")
_ZEROS = re.compile(r"[0-]*")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
# ASCII punctuation and signs, then those of Latin-1, the general block and East Asia: Meta's code strips only the
# first, its page says "no punctuation", and phones type ’ for '.
_SIGNS = (
    r"!-/:-@\[-`{-~"
    r"\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7"
    r"\u2010-\u205e\u3001-\u301f\u30fb"
)
_SIGN = re.compile(f"[{_SIGNS}]+")
_SIGN_OR_SPACE = re.compile(rf"[{_SIGNS}\s]+")
_SIGN_OR_DIGIT = re.compile(f"[{_SIGNS}0-9]+")
_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{7,14}")
_DATE_FORMS = (
    re.compile(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})(?:[Tt ].*)?"),
    re.compile(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})"),
    re.compile(r"(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})/(?P<y>[0-9]{4})"),
)


def is_placeholder(value: str) -> bool:
    """Whether the value says that there is none: such an identifier is not kept."""
    text = value.strip().lower()
    return text in PLACEHOLDERS or text in BLOCKED_DIGESTS or _ZEROS.fullmatch(text) is not None


def is_blocked(value: str) -> bool:
    """Whether the value may join no events to a person. A customer id shorter than 3 characters is kept, not joined."""
    return len(value.strip()) < 3 or is_placeholder(value)


def hashed(text: str) -> tuple[str, str | None] | None:
    """Digest in lower case and suffix of a value that arrived hashed."""
    if len(text) < 64:
        return None
    found = _HASHED.fullmatch(text.strip())
    return (found[1].lower(), found[2]) if found else None


def email_digests(text: str) -> EmailDigests | None:
    if known := hashed(text):
        return None if known[0] in BLOCKED_DIGESTS else EmailDigests(sha256=known[0], suffix=known[1])
    normal = normal_email(text)
    if normal is None:
        return None
    sha256 = _sha256(normal)
    if sha256 in BLOCKED_DIGESTS:
        return None
    md5 = hashlib.md5(normal.encode(), usedforsecurity=False).hexdigest()
    local, _, domain = normal.rpartition("@")
    gmail = google = None
    if domain in GMAIL_DOMAINS:
        gmail = _other(local.replace(".", ""), domain, normal)
        google = _other(local.partition("+")[0].replace(".", ""), domain, normal)
    reddit = _other(_letters_and_digits(local.partition("+")[0]), domain, normal)
    return EmailDigests(sha256=sha256, gmail=gmail, google=google, reddit=reddit, md5=md5, sha256_md5=_sha256(md5))


def normal_email(text: str) -> str | None:
    """Trimmed and in lower case; dots and `+tag` stay."""
    normal = text.strip().lower()
    if len(normal) > EMAIL_CHARS or not _EMAIL.fullmatch(normal):
        return None
    return normal


def phone_digests(text: str, country: str | None) -> PhoneDigests | None:
    """`country`: ISO 3166-1 alpha-2 of a number in national form."""
    if known := hashed(text):
        return None if known[0] in BLOCKED_DIGESTS else PhoneDigests(sha256=known[0], suffix=known[1])
    normal = normal_phone(text, country)
    if normal is None:
        return None
    return PhoneDigests(sha256=_sha256(normal), digits=_sha256(normal[1:]))


def normal_phone(text: str, country: str | None) -> str | None:
    """E.164 with its `+`. A number that says neither its country nor is told one has no E.164 form: the digest of a
    national number would be another person's abroad."""
    number = text.strip()
    if is_placeholder(number):
        return None
    if country is None and number.startswith("00"):
        number = "+" + number[2:]
    region = country.upper() if country else None
    parsed = _parse_phone(_with_plus(number, region), region)
    if parsed is not None:
        return _settled(_e164(parsed))
    # A numbering plan newer than the library's tables: Meta's rule (digits only) with E.164's length.
    plain = "+" + "".join(sign for sign in number if sign in "0123456789")
    return _settled(plain) if number.startswith("+") and _INTERNATIONAL.fullmatch(plain) else None


def name_digests(text: str) -> NameDigests | None:
    if known := hashed(text):
        return None if known[0] in BLOCKED_DIGESTS else NameDigests(sha256=known[0], suffix=known[1])
    plain = _lower(text)
    normal = normal_name(plain)
    if normal is None:
        return None
    words = normal_words(plain)
    return NameDigests(
        sha256=_sha256(normal),
        words=_sha256(words) if words and words != normal else None,
        plain=_sha256(plain) if plain != normal else None,
    )


def normal_name(text: str) -> str | None:
    """Lower case without punctuation and spaces, accents kept (Meta, Snapchat, LinkedIn)."""
    plain = _lower(text)
    normal = plain if plain.isalnum() else _composed(_SIGN_OR_SPACE.sub("", plain))
    return None if not normal or is_placeholder(normal) or is_placeholder(plain) else normal


def normal_words(text: str) -> str | None:
    """Lower case without digits and punctuation, inner spaces kept (Google)."""
    plain = _lower(text)
    return plain if plain.isalpha() else _composed(_SIGN_OR_DIGIT.sub("", plain)).strip() or None


def street_digest(text: str) -> Digest | None:
    return _digest(text, normal_street(text))


def normal_street(text: str) -> str | None:
    """Lower case without symbols, digits and inner spaces kept (GA4)."""
    return _composed(_SIGN.sub("", _lower(text))).strip() or None


def date_digest(text: str) -> Digest | None:
    return _digest(text, normal_date(text))


def normal_date(text: str) -> str | None:
    """`YYYYMMDD` of `YYYY-MM-DD`, `YYYYMMDD` or `MM/DD/YYYY`; a date that does not exist is none."""
    for form in _DATE_FORMS:
        if found := form.fullmatch(text.strip()):
            return _date(int(found["y"]), int(found["m"]), int(found["d"]))
    return None


def gender_digest(text: str) -> Digest | None:
    return _digest(text, normal_gender(text))


def normal_gender(text: str) -> str | None:
    """`f`, `m` or `n`."""
    return _GENDERS.get(text.strip().lower())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(text: str, normal: str | None) -> Digest | None:
    if known := hashed(text):
        return None if known[0] in BLOCKED_DIGESTS else Digest(sha256=known[0], suffix=known[1])
    return Digest(sha256=_sha256(normal)) if normal else None


def _other(local: str, domain: str, normal: str) -> str | None:
    """Digest of another form of the address, where it is one and differs from the standard form."""
    address = f"{local}@{domain}"
    return _sha256(address) if local and address != normal else None


def _letters_and_digits(text: str) -> str:
    return text if text.isalnum() else "".join(sign for sign in text if sign.isalnum())


def _lower(text: str) -> str:
    return _composed(text.strip().lower()).strip()


def _composed(text: str) -> str:
    """Accents in the composed form (NFC) that forms and pixels send."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _with_plus(number: str, region: str | None) -> str:
    """Adds the `+` that callers leave out (`4915112345678` from DE). Where a country writes national numbers with a
    trunk prefix, one without it that begins with the country's code is international, if that makes it valid."""
    if region is None or number[:1] in ("+", "0"):
        return number
    code = str(phonenumbers.country_code_for_region(region))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    if not number.startswith(code) or metadata is None or not metadata.national_prefix:
        return number
    parsed = _parse_phone("+" + number, None)
    return "+" + number if parsed is not None and phonenumbers.is_valid_number(parsed) else number


def _settled(number: str) -> str:
    """The form that reading it again does not change: of `+43 000 …` each reading drops one more trunk prefix."""
    for _ in range(len(number)):
        parsed = _parse_phone(number, None)
        if parsed is None or (again := _e164(parsed)) == number:
            break
        number = again
    return number


def _e164(parsed: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _parse_phone(number: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    return parsed if phonenumbers.is_possible_number(parsed) else None


def _date(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).strftime("%Y%m%d") if year >= FIRST_YEAR else None
    except ValueError:
        return None
