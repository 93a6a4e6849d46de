"""Keeps plaintext identifiers encrypted, for sites that asked for it with `keep_plaintext = "sealed"`.

A sealed value is `version 2 (1 byte) | id of the secret key (8 bytes) | nonce (12 bytes) | AES-256-GCM of a msgpack
Plaintext with its tag`; version 1 has no key id, and any key of the ring may be the one. The site's key is derived from
the secret key (HKDF-SHA256, RFC 5869); site and event id are authenticated with it, so a sealed value opens only for
the event it was made for. Random nonces are safe for 2**32 values a site (NIST SP 800-38D, section 8.3).
"""

import os
from collections.abc import Iterator
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.event import Plaintext
from gateway.key_ring import KEY_BYTES, KEY_ID_BYTES, KeyRing

NONCE_BYTES: Final = 12
WITHOUT_KEY_ID: Final = b"\x01"
WITH_KEY_ID: Final = b"\x02"


class Sealer:
    """Seals and opens for one site. Holds the site's keys: never logged, never stored."""

    __slots__ = ("_ciphers", "_ring", "_site")

    def __init__(self, keys: KeyRing | bytes, site: str) -> None:
        """`keys`: the ring, or a single secret key."""
        self._ring = keys if isinstance(keys, KeyRing) else KeyRing((keys,))
        self._site = site.encode()
        self._ciphers: dict[bytes, AESGCM] = {}  # by secret key: no more than the ring holds

    def __repr__(self) -> str:
        return "Sealer(***)"

    def seal(self, plaintext: Plaintext, event_id: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        text = msgspec.msgpack.encode(plaintext)
        sealed = self._cipher(self._ring.newest).encrypt(nonce, text, self._context(event_id))
        return WITH_KEY_ID + self._ring.newest_id + nonce + sealed

    def open(self, blob: bytes, *event_ids: str) -> Plaintext | None:
        """The values, or None where the blob is not of this site and one of these events, or was changed.

        A merged event keeps the sealed value of one of its copies: the ids of all copies are given then."""
        for key, sealed in self._candidates(blob):
            nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
            for event_id in event_ids:
                try:
                    plain = self._cipher(key).decrypt(nonce, text, self._context(event_id))
                    return msgspec.msgpack.decode(plain, type=Plaintext)
                except (InvalidTag, ValueError):  # ValueError: the blob is cut short
                    continue
        return None

    def _candidates(self, blob: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys that may open it, each with what is to be opened."""
        if blob[:1] == WITHOUT_KEY_ID:
            yield from ((key, blob[1:]) for key in self._ring.all())
        elif blob[:1] == WITH_KEY_ID:
            key = self._ring.find(blob[1 : 1 + KEY_ID_BYTES])
            if key is not None:
                yield key, blob[1 + KEY_ID_BYTES :]

    def _cipher(self, key: bytes) -> AESGCM:
        if key not in self._ciphers:
            self._ciphers[key] = AESGCM(_site_key(key, self._site))
        return self._ciphers[key]

    def _context(self, event_id: str) -> bytes:
        return len(self._site).to_bytes(2) + self._site + event_id.encode()


def _site_key(secret_key: bytes, site: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"plaintext of site " + site).derive(secret_key)
