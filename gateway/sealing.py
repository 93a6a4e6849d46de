"""Keeps plaintext identifiers encrypted, for sites that asked for it with `keep_plaintext = "sealed"`.

A sealed value is `version (1 byte) | nonce (12 bytes) | AES-256-GCM of a msgpack Plaintext with its tag`. The site's
key is derived from the gateway's secret key (HKDF-SHA256, RFC 5869); site and event id are authenticated with it, so a
sealed value opens only for the event it was made for. Random nonces are safe for 2**32 values a site (NIST SP 800-38D,
section 8.3).
"""

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.event import Plaintext

KEY_BYTES = 32
NONCE_BYTES = 12
VERSION = b"\x01"
KEY_VARIABLE = "GATEWAY_SECRET_KEY"
KEY_FILE = "secret.key"


class BadSecretKey(ValueError):
    """The gateway's secret key cannot be used."""


class Sealer:
    """Seals and opens for one site. Holds the site's key: never logged, never stored."""

    __slots__ = ("_cipher", "_site")

    def __init__(self, secret_key: bytes, site: str) -> None:
        self._site = site.encode()
        self._cipher = AESGCM(_site_key(secret_key, self._site))

    def __repr__(self) -> str:
        return "Sealer(***)"

    def seal(self, plaintext: Plaintext, event_id: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        text = msgspec.msgpack.encode(plaintext)
        return VERSION + nonce + self._cipher.encrypt(nonce, text, self._context(event_id))

    def open(self, blob: bytes, *event_ids: str) -> Plaintext | None:
        """The values, or None where the blob is not of this site and one of these events, or was changed.

        A merged event keeps the sealed value of one of its copies: the ids of all copies are given then."""
        if blob[:1] != VERSION:
            return None
        nonce, text = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
        for event_id in event_ids:
            try:
                return msgspec.msgpack.decode(
                    self._cipher.decrypt(nonce, text, self._context(event_id)), type=Plaintext
                )
            except (InvalidTag, ValueError):  # ValueError: the blob is cut short
                continue
        return None

    def _context(self, event_id: str) -> bytes:
        return len(self._site).to_bytes(2) + self._site + event_id.encode()


def load_secret_key(data_dir: Path, env: Mapping[str, str]) -> bytes:
    """The gateway's secret key: from `GATEWAY_SECRET_KEY` (32 bytes in base64 or hex), else from the key file in the
    data directory, which is made on first start, readable by its owner only. Raises `BadSecretKey`."""
    text = env.get(KEY_VARIABLE)
    if text:
        return _parse_key(text, KEY_VARIABLE)
    path = data_dir / KEY_FILE
    if not path.exists():
        _make_key_file(path)
    if path.stat().st_mode & 0o077:
        raise BadSecretKey(f"reading {path}: others may read it; set its mode to 0600")
    return _parse_key(path.read_text("ascii", "replace"), str(path))


def _site_key(secret_key: bytes, site: bytes) -> bytes:
    if len(secret_key) != KEY_BYTES:
        raise BadSecretKey(f"the secret key has {len(secret_key)} bytes; give {KEY_BYTES}")
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"plaintext of site " + site).derive(secret_key)


def _parse_key(text: str, origin: str) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(_standard(text), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise BadSecretKey(f"reading {origin}: no key of {KEY_BYTES} bytes; give it in base64 or hex")
    return key


def _standard(text: str) -> str:
    """Base64 in its standard alphabet, padded."""
    return text.replace("-", "+").replace("_", "/").rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)


def _make_key_file(path: Path) -> None:
    """Makes the file whole or not at all; where another process was first, its key stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{KEY_FILE}.{secrets.token_hex(8)}")
    try:
        _write_synced(draft, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
