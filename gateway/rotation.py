"""A new secret key, and all stored secrets under it; the older keys stay as long as something may be sealed with them.

First the key is in the key file, then the secrets are sealed anew, in one commit: whatever is interrupted, at each
point the keys of the file open everything. Events that were sealed with an older key are not rewritten: its key is kept
until the longest retention has passed since it was replaced.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.key_ring import (
    KEY_BYTES,
    KEY_FILE,
    KEY_VARIABLE,
    PREVIOUS_VARIABLE,
    BadSecretKey,
    FileKey,
    load_key_ring,
    read_key_file,
    write_key_file,
)
from store.retention import LONGEST_MS

DAY_MS: Final = 86_400_000
KEPT_MS: Final = LONGEST_MS + DAY_MS  # a day more: retention works in steps


def new_key(data_dir: Path, env: Mapping[str, str], now_ms: int) -> int:
    """Puts a new key into the key file, and lets those go that nothing can be sealed with any more; how many keys there
    are now. With the key in the environment it is the operator who has put it there. Raises BadSecretKey."""
    if env.get(KEY_VARIABLE):
        return _checked_environment(data_dir, env)
    load_key_ring(data_dir, env)  # makes the file where there is none
    path = data_dir / KEY_FILE
    with _alone(data_dir):
        keys = still_needed([FileKey(secrets.token_bytes(KEY_BYTES), now_ms), *read_key_file(path)], now_ms)
        write_key_file(path, keys)
    return len(keys)


def still_needed(keys: Sequence[FileKey], now_ms: int) -> list[FileKey]:
    """The keys, newest first, without those that were replaced longer ago than anything is kept."""
    replaced_at_ms = [now_ms, *(one.since_ms or now_ms for one in keys)]
    return [one for one, at_ms in zip(keys, replaced_at_ms, strict=False) if at_ms + KEPT_MS > now_ms]


def _checked_environment(data_dir: Path, env: Mapping[str, str]) -> int:
    count = len(load_key_ring(data_dir, env).all())
    if count < 2:
        told = f"put the new key into {KEY_VARIABLE} and the one that was there into {PREVIOUS_VARIABLE}"
        raise BadSecretKey(f"the key is in the environment: {told}, start the gateway with both, then run this again")
    return count


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two rotations at once would lose one of the new keys. The lock ends with the process, however it ends."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
