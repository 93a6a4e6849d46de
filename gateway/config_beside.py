"""The file's configuration with what the store beside it holds, for commands that look at both."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from gateway.composing import Composed, compose
from gateway.key_mark import ring_beside
from gateway.key_ring import BadSecretKey
from gateway.settings import Config
from gateway.vault import Vault
from store import stored_config, stored_routes
from store.env import Store
from store.errors import StoreError


def with_stored(config: Config, env: Mapping[str, str]) -> Composed:
    """The file's configuration with what the store in its data directory holds, where there is one that can be read."""
    place = Path(config.server.data_dir)
    if not (place / "data.mdb").exists():
        return Composed(config=config)
    try:
        store = Store(place, budget_bytes=config.server.disk_budget, is_readonly=True)
    except StoreError as error:
        return Composed(config=config, notes=(f"what is stored was not looked at: {error}",))
    try:
        return with_stored_in(config, store, Vault(lambda: ring_beside(store, place, env)))
    except (BadSecretKey, StoreError) as error:
        return Composed(config=config, notes=(f"what is stored was not looked at: {error}",))
    finally:
        store.close()


def with_stored_in(config: Config, store: Store, vault: Vault) -> Composed:
    """The same with a store that is open. Raises BadSecretKey where secrets are stored and there is no key."""
    return compose(config, stored_config.latest(store).config, vault, partial(stored_routes.history, store))
