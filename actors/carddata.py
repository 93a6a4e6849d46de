"""Finds card data in what is kept: names of properties that hold it, and card numbers in free text.

A card number is a run of digits (single spaces or dashes between them allowed) with an issuer's prefix, a length that
this issuer uses and a right check digit (ISO/IEC 7812-1, Luhn). Identifier fields are never searched: every tenth
long number passes the check by chance. Issuer ranges: each network's own published ranges, as of 2026-11-20.
"""

import re

CARD_TEXT = "[card]"
TRIES = 500  # card-like runs of digits looked at in one event; what follows the last one is taken out unread
MIN_DIGITS = 12
MAX_DIGITS = 19

# Names without case, spaces, `_`, `-` and `.`.
_NUMBER_NAMES = frozenset(
    {
        "pan",
        "primaryaccountnumber",
        "cardno",
        "cardnum",
        "cardnumber",
        "ccno",
        "ccnum",
        "ccnumber",
        "creditcardno",
        "creditcardnum",
        "creditcardnumber",
        "debitcardno",
        "debitcardnumber",
        "paymentcardnumber",
        "track1",
        "track2",
        "trackdata",
        "magstripe",
    }
)
_CODE_NAMES = frozenset(
    {
        "ccv",
        "csc",
        "cvc",
        "cvc2",
        "cvv",
        "cvv2",
        "cvccode",
        "cvvcode",
        "cardccv",
        "cardcsc",
        "cardcvc",
        "cardcvv",
        "cardcvv2",
        "cardcode",
        "cardpin",
        "cardsecuritycode",
        "cardverificationcode",
        "cardverificationvalue",
        "cccsc",
        "cccvc",
        "cccvv",
        "creditcardcvc",
        "creditcardcvv",
        "securitycode",
    }
)
_EXPIRY_NAMES = frozenset(
    {
        "cardexp",
        "cardexpiry",
        "cardexpirydate",
        "cardexpiration",
        "cardexpirationdate",
        "cardexpmonth",
        "cardexpyear",
        "cardexpirymonth",
        "cardexpiryyear",
        "ccexp",
        "ccexpiry",
        "ccexpmonth",
        "ccexpyear",
        "creditcardexpiry",
    }
)
_CARD_NAMES = _NUMBER_NAMES | _CODE_NAMES | _EXPIRY_NAMES

_ID_ENDINGS = ("id", "ids", "uuid", "guid", "sku", "gtin", "gtin13", "ean", "ean13", "upc", "isbn", "token", "barcode")
_ID_ENDINGS_TOO = ("ordernumber", "trackingnumber", "invoicenumber", "ordername", "timestamp", "atms")

_SUSPECT = re.compile(r"[0-9](?:[ -]?[0-9]){11}")
# Starts where a number starts, with a digit that issuers use; no decimal fraction, no phone number in E.164.
_START = re.compile(r"(?<![0-9+])(?<![0-9]\.)[2-689](?:[ -]?[0-9]){11,18}")
_ISSUERS = re.compile(
    r"""
      4(?:.{12}|.{15}|.{18})                                        # Visa: 13, 16, 19
    | (?:5[1-5].{2}|222[1-9]|22[3-9].|2[3-6].{2}|27[01].|2720).{12}  # Mastercard: 16
    | 3[47].{13}                                                    # American Express: 15
    | (?:6011|64[4-9].|65.{2}).{12,15}                              # Discover: 16 to 19
    | (?:30[0-5].|3095|3[689].{2}).{10,15}                          # Diners Club: 14 to 19
    | 35(?:2[89]|[3-8].).{12,15}                                    # JCB: 16 to 19
    | (?:62|81).{14,17}                                             # UnionPay: 16 to 19
    | (?:5018|5020|5038|5893|6304|6759|676[1-3]).{8,15}             # Maestro: 12 to 19
    | 220[0-4].{12,15}                                              # Mir: 16 to 19
    | (?:60|82|508.).{14}                                           # RuPay: 16 (its other ranges are above)
    """,
    re.VERBOSE,
)
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")  # twice the digit, its own digits added


class CardScan:
    """One event's search for card data. `count`: how much was taken out."""

    __slots__ = ("_tries", "count")

    def __init__(self) -> None:
        self.count = 0
        self._tries = TRIES

    def text(self, text: str) -> str:
        """The text with each card number replaced by `[card]`."""
        if len(text) < MIN_DIGITS or not _SUSPECT.search(text):
            return text
        return self._replace(text)

    def _replace(self, text: str) -> str:
        parts: list[str] = []
        kept_to = at = 0
        while found := _START.search(text, at):
            if self._tries == 0:
                self.count += 1
                return "".join((*parts, text[kept_to : found.start()], CARD_TEXT))
            self._tries -= 1
            end = _card_end(text, found.start(), found.end())
            if end is None:
                at = found.start() + 1
                continue
            self.count += 1
            parts += (text[kept_to : found.start()], CARD_TEXT)
            kept_to = at = end
        return "".join((*parts, text[kept_to:]))


def is_card_name(folded: str) -> bool:
    return folded in _CARD_NAMES


def is_identifier_name(folded: str) -> bool:
    return folded.endswith(_ID_ENDINGS) or folded.endswith(_ID_ENDINGS_TOO)


def is_card_number(digits: str) -> bool:
    """Issuer's prefix, a length this issuer uses, and a right check digit."""
    if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or not _ISSUERS.fullmatch(digits):
        return False
    backwards = digits.encode()[::-1]
    total = sum(backwards[::2]) + sum(backwards[1::2].translate(_DOUBLED)) - len(digits) * ord("0")
    return total % 10 == 0


def _card_end(text: str, start: int, longest: int) -> int | None:
    """Where the card number that starts here ends: at the end of a group of digits, the longest first."""
    for end in range(longest, start + MIN_DIGITS - 1, -1):
        if text[end - 1].isdigit() and not text[end : end + 1].isdigit():
            digits = text[start:end].replace(" ", "").replace("-", "")
            if is_card_number(digits):
                return end
    return None
