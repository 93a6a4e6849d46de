"""The gateway's secret keys, newest first: from the environment, or from the key file of the data directory.

The file has a key a line, in base64, and after it since when it is there (Unix milliseconds); the newest is the first.
The newest seals; all of them open. A key has an id, derived from it, that stands in what it sealed.
"""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 8
KEY_VARIABLE: Final = "GATEWAY_SECRET_KEY"
PREVIOUS_VARIABLE: Final = "GATEWAY_SECRET_KEY_PREVIOUS"
KEY_FILE: Final = "secret.key"


class BadSecretKey(ValueError):
    """The gateway's secret key cannot be used."""


class FileKey(Struct, frozen=True):
    """A line of the key file. `since_ms` 0: from before it was told."""

    key: bytes
    since_ms: int = 0


class KeyRing:
    """The keys, newest first. Looks into the key file again where it is asked for a key that it does not know: another
    process may have made one since. Never shown, never stored."""

    __slots__ = ("_by_id", "_keys", "_path", "_stamp")

    def __init__(self, keys: Sequence[bytes], path: Path | None = None) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._take(keys)

    def __repr__(self) -> str:
        return "KeyRing(***)"

    @property
    def newest(self) -> bytes:
        return self._keys[0]

    @property
    def newest_id(self) -> bytes:
        return key_id(self._keys[0])

    def all(self) -> tuple[bytes, ...]:
        return self._keys

    def find(self, wanted: bytes) -> bytes | None:
        """The key of this id."""
        if wanted not in self._by_id and self._path is not None and _stamp(self._path) != self._stamp:
            self._stamp = _stamp(self._path)
            self._take([one.key for one in read_key_file(self._path)])
        return self._by_id.get(wanted)

    def _take(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            if len(key) != KEY_BYTES:
                raise BadSecretKey(f"the secret key has {len(key)} bytes; give {KEY_BYTES}")
        self._keys = tuple(keys)
        self._by_id = {key_id(key): key for key in reversed(self._keys)}


def load_key_ring(data_dir: Path, env: Mapping[str, str]) -> KeyRing:
    """The keys of `GATEWAY_SECRET_KEY` and `GATEWAY_SECRET_KEY_PREVIOUS` (32 bytes each, in base64 or hex; of the
    second several, apart by spaces or commas), else of the key file in the data directory, which is made on first
    start, readable by its owner only. Raises `BadSecretKey`."""
    if text := env.get(KEY_VARIABLE):
        previous = re.split(r"[\s,]+", env.get(PREVIOUS_VARIABLE, "").strip())
        older = [parse_key(one, PREVIOUS_VARIABLE) for one in previous if one]
        return KeyRing([parse_key(text, KEY_VARIABLE), *older])
    path = data_dir / KEY_FILE
    if not path.exists():
        _make_key_file(path)
    return KeyRing([one.key for one in read_key_file(path)], path)


def key_id(key: bytes) -> bytes:
    """Tells keys apart and says nothing about them."""
    return HKDF(algorithm=SHA256(), length=KEY_ID_BYTES, salt=None, info=b"id of a secret key").derive(key)


def read_key_file(path: Path) -> list[FileKey]:
    """The keys of a file, newest first. Raises `BadSecretKey`."""
    if path.stat().st_mode & 0o077:
        raise BadSecretKey(f"reading {path}: others may read it; set its mode to 0600")
    lines = [line.split() for line in path.read_text("ascii", "replace").splitlines() if line.strip()]
    found = [FileKey(parse_key(line[0], str(path)), _since(line)) for line in lines]
    if not found:
        raise BadSecretKey(f"reading {path}: it holds no key; restore it from a backup")
    return found


def write_key_file(path: Path, keys: Sequence[FileKey]) -> None:
    """Puts the whole file in the place of the one that is there: at any instant one of them is, on disk too."""
    draft = _draft(path, keys)
    try:
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(path.parent)


def parse_key(text: str, origin: str) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(_standard(text), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise BadSecretKey(f"reading {origin}: no key of {KEY_BYTES} bytes; give it in base64 or hex")
    return key


def _since(line: Sequence[str]) -> int:
    return int(line[1]) if len(line) > 1 and line[1].isascii() and line[1].isdigit() else 0


def _stamp(path: Path | None) -> tuple[int, int] | None:
    """What changes when the file does."""
    try:
        stat = path.stat() if path is not None else None
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns) if stat is not None else None


def _standard(text: str) -> str:
    """Base64 in its standard alphabet, padded."""
    return text.replace("-", "+").replace("_", "/").rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)


def _make_key_file(path: Path) -> None:
    """Makes the file whole or not at all; where another process was first, its key stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, [FileKey(secrets.token_bytes(KEY_BYTES))])
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _draft(path: Path, keys: Sequence[FileKey]) -> Path:
    draft = path.with_name(f"{KEY_FILE}.{secrets.token_hex(8)}")
    lines = [f"{base64.b64encode(one.key).decode()} {one.since_ms or ''}".rstrip() for one in keys]
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(lines) + "\n")
        owner = path.parent.stat()
        if owner.st_uid != os.geteuid():  # a command run by root, for a gateway that runs as another user
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
