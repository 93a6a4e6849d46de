"""Reads fields of bit strings that consent platforms write in base64url: six bits a character, from the left."""

from typing import Final

ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
FIBONACCI_MOST: Final = 40  # bits of a number: far above any section's


class Unread(Exception):
    """The string cannot be read; the message says what is wrong with it, without quoting it."""


class Bits:
    """Fields by their place, or one after the other from `at` on. Raises Unread past the end."""

    def __init__(self, text: str, at: int = 0) -> None:
        self.at = at
        self._length = len(text) * 6
        self._value = 0
        for char in text:
            digit = ALPHABET.find(char)
            if digit < 0:
                raise Unread("has characters that base64url has not")
            self._value = self._value << 6 | digit

    def field(self, start: int, length: int) -> int:
        """An unsigned number, highest bit first."""
        end = start + length
        if end > self._length:
            raise Unread(f"ends after {self._length} bits; more are needed")
        return self._value >> (self._length - end) & ((1 << length) - 1)

    def next(self, length: int) -> int:
        found = self.field(self.at, length)
        self.at += length
        return found

    def next_fibonacci(self) -> int:
        """A Fibonacci number code: bits for 1, 2, 3, 5, 8 …, ended by two ones in a row."""
        total, last, weight, following = 0, 0, 1, 2
        for _ in range(FIBONACCI_MOST):
            bit = self.next(1)
            if bit and last:
                return total
            total += weight * bit
            last, weight, following = bit, following, weight + following
        raise Unread("has a number without an end")
