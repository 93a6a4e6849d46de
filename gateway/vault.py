"""Keeps the secrets of stored destinations encrypted, each bound to the setting it was given for.

A sealed secret is `version (1 byte) | id of the secret key (8 bytes) | nonce (12 bytes) | AES-256-GCM with its tag`,
under a key of its own derived from the gateway's secret key (HKDF-SHA256). Site, destination and setting are
authenticated with it: moved to another place it does not open.
"""

import os
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.key_ring import KEY_BYTES, KEY_ID_BYTES, KeyRing

VERSION: Final = b"\x01"
NONCE_BYTES: Final = 12
HEAD_BYTES: Final = 1 + KEY_ID_BYTES + NONCE_BYTES


class Vault:
    """Seals with the newest key of the ring, opens with any. The ring is loaded when it is first needed: a gateway
    that stores no secret needs no key."""

    __slots__ = ("_load", "_ring")

    def __init__(self, load: Callable[[], KeyRing]) -> None:
        self._load = load
        self._ring: KeyRing | None = None

    def __repr__(self) -> str:
        return "Vault(***)"

    def seal(self, site: str, destination: str, field: str, secret: bytes) -> bytes:
        """Raises BadSecretKey where there is no key to seal with."""
        ring, nonce = self.ring(), os.urandom(NONCE_BYTES)
        sealed = _cipher(ring.newest).encrypt(nonce, secret, _context(site, destination, field))
        return VERSION + ring.newest_id + nonce + sealed

    def open(self, site: str, destination: str, field: str, blob: bytes) -> bytes | None:
        """The secret, or None: no key of the ring sealed it, or not for this setting, or it was changed."""
        key = self.ring().find(blob[1 : 1 + KEY_ID_BYTES]) if blob[:1] == VERSION else None
        if key is None:
            return None
        nonce, text = blob[1 + KEY_ID_BYTES : HEAD_BYTES], blob[HEAD_BYTES:]
        try:
            return _cipher(key).decrypt(nonce, text, _context(site, destination, field))
        except (InvalidTag, ValueError):  # ValueError: the blob is cut short
            return None

    def ring(self) -> KeyRing:
        if self._ring is None:
            self._ring = self._load()
        return self._ring


def _cipher(secret_key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=b"secrets of stored destinations").derive(secret_key))


def _context(*parts: str) -> bytes:
    """The parts cannot run into each other."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(2) + part for part in encoded)
