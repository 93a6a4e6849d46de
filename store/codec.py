"""How a record is stored: a version byte, eight bytes of BLAKE2b over the rest, and msgpack of a struct.

LMDB 0.9 has no page checksums, so a flipped bit would otherwise be delivered as data. A record that fails its checksum
or has an unknown version is `Unreadable`: the caller reports it and sets it aside.
"""

from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec

from store.errors import Unreadable

T = TypeVar("T")


class Codec(Generic[T]):
    """Encodes and decodes one type of record."""

    def __init__(self, record: type[T], version: int = 1) -> None:
        self._name = record.__name__
        self._version = bytes((version,))
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(record)

    def encode(self, record: T) -> bytes:
        body = self._encoder.encode(record)
        return self._version + blake2b(body, digest_size=8).digest() + body

    def decode(self, raw: bytes) -> T:
        """Raises Unreadable."""
        if raw[:1] != self._version:
            raise Unreadable(
                f"{self._name} of version {raw[0] if raw else 'none'}; this gateway reads {self._version[0]}"
            )
        body = raw[9:]
        if blake2b(body, digest_size=8).digest() != raw[1:9]:
            raise Unreadable(f"{self._name}: the checksum does not match")
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(f"{self._name}: {error}") from error
