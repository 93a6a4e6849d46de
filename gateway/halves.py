"""Halves of characters in JSON: JavaScript cuts a text within an emoji, and writes the half as an escape that no text
can hold. A decoder refuses the whole body for one of them. Pure.
"""

import re
from typing import Final

REPLACEMENT: Final = rb"\ufffd"
# A whole pair and any other escape stay as they are; what the group holds is half a pair.
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_HALF: Final = rb"\ud800"
_MARKS: Final = tuple(rb"\ufd%02x" % number for number in range(0xD0, 0xF0))  # of characters that mean nothing


def without_halves(body: bytes, instead: bytes = REPLACEMENT) -> bytes:
    return _ESCAPE.sub(lambda found: instead if found[1] else found[0], body)


def mark_of(body: bytes) -> bytes | None:
    """An escape to stand for halves that the body does not hold itself; None where it holds all of them."""
    lowered = body.lower()
    return next((mark for mark in _MARKS if mark not in lowered), None)


def with_halves(part: bytes, mark: bytes) -> bytes:
    """The part of a marked body, with halves where the marks are."""
    return part.replace(mark, _HALF)
