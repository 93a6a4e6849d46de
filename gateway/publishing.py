"""What a worker publishes: the file's configuration with the stored one, at its start and whenever either changes.

The file is read again when the worker is told to (SIGHUP); whether the store has a newer version is looked at a few
times a second. A version with a fault that was not there before changes nothing: what is in force stays, and the log
says why. At a start nothing is in force yet: what has a fault is left out, and what waits for it stays.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Struct

from actors.observer import Observer
from actors.snapshot import Snapshot
from gateway.accepted_config import read_accepted
from gateway.clock import wall_ms
from gateway.composing import Composed, compose
from gateway.composing_routes import with_lost_routes
from gateway.config import Config, load_config, snapshot_of
from gateway.errors import ConfigError
from gateway.key_mark import tell_key
from gateway.key_ring import BadSecretKey, KeyRing, load_key_ring
from gateway.routes_recording import numbers_in_force, record_declared
from gateway.sealing import Sealer
from gateway.settings import ServerSettings
from gateway.sources.registry import Senders
from gateway.tag_script import Tags, read_loader, tags_of
from gateway.upkeep import publish_version
from gateway.vault import Vault
from store import stored_config, stored_routes
from store.env import Store
from store.errors import StoreFull
from store.records import StoredConfig
from store.routes_records import RoutesVersion
from store.writer import Writer

LOOK_S: Final = 0.25

log = structlog.get_logger()


class Published(Struct, frozen=True, kw_only=True):
    """`sealers`: of the sites that keep plaintext sealed. `senders`: the sources of webhooks. `tags`: the loaders."""

    snapshot: Snapshot
    sealers: Mapping[str, Sealer]
    senders: Senders
    tags: Tags


class Publisher:
    """Of one worker. `publish` is what a later change is handed to."""

    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        config: Config,
        config_path: Path | None,
        env: Mapping[str, str],
        observer: Observer,
        accepted: int | None = None,
        publish: Callable[[Published], None],
    ) -> None:
        """`config`: the file's, at the start. `accepted`: descriptor of the text that the supervisor accepted."""
        self._store = store
        self._writer = writer
        self._server = config.server
        self._file = config
        self._config_path = config_path
        self._env = env
        self._observer = observer
        self._accepted = accepted
        self._publish = publish
        self._loader = read_loader()
        self._turn = trio.Lock()  # what was looked at last is published last
        self._number = 0  # of the stored version that was looked at last
        self._known: frozenset[str] = frozenset()  # faults of what is in force

    async def begin(self) -> Published:
        """Raises BadSecretKey where a key is needed and cannot be used."""
        async with self._turn:
            found = self._found()
            try:
                composed = self._composed(found.config, Vault(self._load_keys))
            except (
                BadSecretKey,
                OSError,
            ) as error:  # connected destinations wait, nothing else does
                log.error("secret_key_refused", fault=str(error))
                composed = self._composed(found.config, Vault(lambda: KeyRing(())))
            self._number = await self._recorded(found.number)
            return await self._made(composed, found.config)

    async def reload(self) -> None:
        """Reads the file again; one that cannot be used changes nothing."""
        async with self._turn:
            try:
                text = read_accepted(self._accepted) if self._accepted is not None else None
                self._file = load_config(self._config_path, self._env, text)
            except ConfigError as error:
                log.error("config_refused", faults=list(error.faults))
                return
            if self._file.server != self._server:
                log.warning("restart_needed", settings=_changed(self._server, self._file.server))
            await self._again(is_file_new=True)

    async def watch(self) -> None:
        """Publishes each newer stored version; never returns."""
        while True:
            if stored_config.number(self._store) != self._number:
                async with self._turn:
                    await self._again()
            await trio.sleep(LOOK_S)

    async def _again(self, *, is_file_new: bool = False) -> None:
        """Where this raises, as on a full disk, the version counts as not looked at yet."""
        found = self._found()
        log.info("config_changed", stored_version=found.number, change=found.config.change)
        self._number = await self._publish_with(found, is_file_new=is_file_new)

    async def _publish_with(self, found: stored_config.Found, *, is_file_new: bool) -> int:
        """The number of the stored version that was looked at."""
        try:
            composed = self._composed(found.config, Vault(self._load_keys))
            if news := [fault for fault in composed.faults if fault not in self._known]:
                log.error("config_refused", faults=news)
                return found.number
            number = await self._recorded(found.number) if is_file_new else found.number
            self._publish(await self._made(composed, found.config))
        except (BadSecretKey, OSError) as error:
            log.error("config_refused", faults=[str(error)])
            return found.number
        return number

    async def _recorded(self, number: int) -> int:
        """Puts the file's routes into the history. The number of the stored version that is looked at with that: the
        ones just made say nothing new, unless another process made one between them."""
        try:
            made = await record_declared(self._store, self._writer, self._file, wall_ms())
        except StoreFull as error:  # the next start or reload does it
            log.warning("declared_routes_not_recorded", fault=str(error))
            return number
        is_ours = made == tuple(range(number + 1, number + 1 + len(made)))
        return made[-1] if made and is_ours else number

    def _composed(self, stored: StoredConfig, vault: Vault) -> Composed:
        return compose(self._file, stored, vault, self._older)

    def _found(self) -> stored_config.Found:
        found = stored_config.latest(self._store)
        for _ in range(found.unreadable):
            self._observer.unreadable_row(stored_config.NAME)
        if found.unreadable:
            log.error("stored_config_unreadable", versions=found.unreadable, in_force=found.config.version)
        if found.unreadable and not found.config.version:
            config = with_lost_routes(self._file, found.config, found.number, self._older)
            return msgspec.structs.replace(found, config=config)
        return found

    def _older(self, site: str) -> Iterable[RoutesVersion]:
        return stored_routes.history(self._store, site)

    async def _made(self, composed: Composed, stored: StoredConfig) -> Published:
        for fault in composed.faults:
            log.error("stored_destination_not_in_force", fault=fault)
        for note in composed.notes:
            log.warning("config_note", note=note)
        with suppress(BadSecretKey):  # whoever needs the key says so
            await tell_key(self._store, self._writer, Path(self._server.data_dir), self._env)
        sealers = _sealers(composed.config, self._load_keys)
        routes = numbers_in_force(self._store, self._file, stored)
        version = await publish_version(self._store, self._writer, composed.config, self._observer, routes)
        self._known = frozenset(composed.faults)
        senders = Senders((site.id, one) for site in composed.config.sites for one in site.sources)
        tags = tags_of(composed.config, self._loader)
        return Published(snapshot=snapshot_of(composed.config, version), sealers=sealers, senders=senders, tags=tags)

    def _load_keys(self) -> KeyRing:
        return load_key_ring(Path(self._server.data_dir), self._env)


def _sealers(config: Config, load_keys: Callable[[], KeyRing]) -> dict[str, Sealer]:
    """For sites that keep plaintext sealed; the key file is made only where one is needed."""
    sealed = [site.id for site in config.sites if site.keep_plaintext == "sealed"]
    if not sealed:
        return {}
    ring = load_keys()
    return {site: Sealer(ring, site) for site in sealed}


def _changed(old: ServerSettings, new: ServerSettings) -> list[str]:
    """Settings of the process that take effect at the next start."""
    return [field for field in old.__struct_fields__ if getattr(old, field) != getattr(new, field)]
