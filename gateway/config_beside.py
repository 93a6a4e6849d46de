"""The file's configuration with what the store beside it holds, for commands that look at both."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from actors.routes import Route
from gateway.composing import Composed, compose
from gateway.composing_routes import read_published, without_effect
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
        return Composed(config=config, notes=tuple(told for site in config.sites for told in without_effect(site)))
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


def published_routes(store: Store, site: str) -> tuple[Route, ...]:
    """The routes of a site that were published last, as far as they can be read; the file's go before them."""
    found = next((one for one in stored_config.latest(store).config.routes if one.site == site), None)
    return read_published(found.routes)[0] if found is not None else ()
