"""Which secret key the gateway of a store seals with: told in the store by its id.

A command in another terminal may lack the gateway's `GATEWAY_SECRET_KEY`. It would seal with a key of its own, which
the gateway has not; so it asks here first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.key_ring import KEY_FILE, KEY_VARIABLE, BadSecretKey, KeyRing, load_key_ring
from store import stored_config
from store.env import Store
from store.writer import Writer

OTHER_KEY: Final = (
    f"the gateway of this store seals with another secret key: set {KEY_VARIABLE} here as the gateway has it, or start "
    "the gateway once with the key that it shall have from now on"
)


async def tell_key(store: Store, writer: Writer, data_dir: Path, env: Mapping[str, str]) -> None:
    """Puts down the key that this gateway seals with, where it has one. Raises BadSecretKey."""
    if not _has_key(data_dir, env):
        return
    key_id = load_key_ring(data_dir, env).newest_id
    if stored_config.sealing_key(store) != key_id:
        await writer.submit(stored_config.put_sealing_key(key_id)).wait()


def ring_beside(store: Store, data_dir: Path, env: Mapping[str, str]) -> KeyRing:
    """The keys as the gateway of this store has them. Raises BadSecretKey where this process has others."""
    told = stored_config.sealing_key(store)
    if told is not None and not _has_key(data_dir, env):
        raise BadSecretKey(OTHER_KEY)
    ring = load_key_ring(data_dir, env)
    if told is not None and ring.find(told) is None:
        raise BadSecretKey(OTHER_KEY)
    return ring


def _has_key(data_dir: Path, env: Mapping[str, str]) -> bool:
    return bool(env.get(KEY_VARIABLE)) or (data_dir / KEY_FILE).exists()
