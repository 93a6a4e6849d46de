"""Finds what names a person outside the identifier fields: telling names of properties, e-mail addresses in text.

The identifier fields (`user_data`) are turned into digests; what a sender puts of a person elsewhere is not looked for
by guessing: a name says so, or the text has the shape of an address (RFC 5322 section 3.4.1, its dot-atom form).
"""

import re
from typing import Final
from urllib.parse import unquote_plus

EMAIL_TEXT: Final = "[email]"
PERSONAL_TEXT: Final = "[personal]"
NAME_CHARS: Final = 64  # longer ones name nothing of ours
LOCAL_CHARS: Final = 64  # before the @ (RFC 5321 section 4.5.3.1.1)

# Names without case, spaces, `_`, `-` and `.`; `_WHOSE` may stand before any of them.
_WHOSE = (
    r"(?:(?:customer|client|user|buyer|guest|contact|recipient|subscriber|member|visitor|account|billing|bill|shipping"
    r"|ship|delivery|invoice|checkout|order|payer|sender|lead|your|my|home|work|private|default|primary)*)"
)
_PERSONAL = re.compile(
    _WHOSE
    + r"""(?:
      e?mails? | e?mailaddress(?:es)?
    | (?:tele|mobile|cell)?phones? | (?:tele|mobile|cell)?phone(?:number|no|nr|e164) | tel | telno | telefon | mobile
    | mobil | mobile(?:number|no) | msisdn | cellular | whatsapp(?:number)?
    | firstname | fname | givenname | forename | middlename | lastname | lname | surname | familyname | fullname
    | maidenname | displayname | nameoncard | cardholder(?:name)? | vorname | nachname
    | street | streetaddress | streetname | streetnumber | strasse | straße | address(?:(?:line)?[1-3])? | addressline
    | housenumber | dob | dateofbirth | birthdate | birthday | birthyear | yearofbirth | geburtsdatum
    | gender | sex | ssn | socialsecuritynumber | passport(?:number|no)?
    )""",
    re.VERBOSE,
)
# Whose name it is has to be said: products have names, and `order_name` is Shopify's number of an order.
_PERSONS_NAME = re.compile(
    r"(?:customer|buyer|guest|contact|recipient|subscriber|member|visitor|billing|shipping|payer|sender|your|my)name"
)
_PERSON = re.compile(
    _WHOSE + r"(?:address(?:es)?|(?:person|customer|buyer|guest|recipient|contact|user)s?|billing|shipping)"
)
_FOLD = re.compile(r"[\s_.\-\]]+")

_BEFORE = frozenset(' \t\r\n\f\v<>()[]{},;:"\\/?&=#|@`\xa0“”„‘’«»')  # where an address's local part has begun
# The part after the @. `logo@2x.png` and `lib@1.2.min.js` are names of files.
_DOMAIN = re.compile(
    r"(?!\d+(?:\.\d+)*x?\.(?:min\.)?(?:png|jpe?g|gif|webp|avif|svg|m?js|css)\b)"
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,63})(?![\w-])",
    re.IGNORECASE,
)


def fold(name: str) -> str:
    """A name without case, spaces, `_`, `-` and `.`; of `customer[email]` the part in the last brackets."""
    return _FOLD.sub("", name.rpartition("[")[2] or name).lower()


def is_personal_name(folded: str) -> bool:
    """Whether a property of that name holds what identifies a person."""
    return len(folded) <= NAME_CHARS and bool(_PERSONAL.fullmatch(folded) or _PERSONS_NAME.fullmatch(folded))


def is_person(folded: str) -> bool:
    """Whether an object of that name is about a person, so that a plain `name` in it is theirs."""
    return len(folded) <= NAME_CHARS and _PERSON.fullmatch(folded) is not None


def may_have_email(text: str) -> bool:
    """The cheap look before the right one: an `@`, as it is or percent-encoded (once or twice)."""
    return "@" in text or "%40" in text or "%2540" in text


def has_email(text: str) -> bool:
    """Whether an address is in the text, also a percent-encoded one."""
    for _ in range(3):
        if replace_emails(text)[1]:
            return True
        decoded = unquote_plus(text)
        if decoded == text:
            return False
        text = decoded
    return False


def replace_emails(text: str) -> tuple[str, int]:
    """The text with each e-mail address replaced by `[email]`, and how many there were."""
    parts: list[str] = []
    kept_to, at = 0, text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        start = _local_start(text, at, kept_to) if domain is not None else at
        if domain is not None and start < at:
            parts += (text[kept_to:start], EMAIL_TEXT)
            kept_to = domain.end()
        at = text.find("@", max(at + 1, kept_to))
    return ("".join((*parts, text[kept_to:])), len(parts) // 2) if parts else (text, 0)


def _local_start(text: str, at: int, earliest: int) -> int:
    """Where the part before the @ begins; the place of the @ itself where there is none."""
    start = at
    while start > max(earliest, at - LOCAL_CHARS) and text[start - 1] not in _BEFORE:
        start -= 1
    return start
