"""A Control over a store and a configuration file in a temporary folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.composing import Composed, compose
from gateway.config import load_config
from gateway.control import Control
from gateway.key_ring import load_key_ring
from gateway.vault import Vault
from store import stored_config
from store.env import Store
from store.writer import InlineWriter

TOKEN = "EAAsecretsecret0123456789"
META: Mapping[str, Any] = {"type": "meta", "id": "meta", "pixel_id": "1234567890", "access_token": TOKEN}
FILE = """
[[sites]]
id = "shop"
write_keys = ["wk_test"]

[[sites.destinations]]
id = "ga4-file"
type = "ga4"
measurement_id = "G-FILE"
api_secret = { env = "FILE_SECRET" }

[[sites]]
id = "outlet"
"""
ENV = {"FILE_SECRET": "abcdefgh"}


class Controlled:
    """`env`: of the terminal and the gateway alike."""

    def __init__(self, folder: Path, text: str = FILE, env: Mapping[str, str] = ENV) -> None:
        self.folder = folder
        self.env = dict(env)
        self.path = folder / "config.toml"
        self.path.write_text(text)
        self.store = Store(folder / "data", budget_bytes=1 << 24)
        self.control = self.another()

    def another(self) -> Control:
        """A second one at the same store, as another process has it."""
        return Control(
            store=self.store,
            writer=InlineWriter(self.store),
            vault=self.vault(),
            config_path=self.path,
            env=self.env,
            now_ms=lambda: 1_795_166_400_000,
        )

    def vault(self) -> Vault:
        return Vault(lambda: load_key_ring(self.folder / "data", self.env))

    def composed(self) -> Composed:
        """What a worker would publish."""
        config = load_config(self.path, self.env)
        return compose(config, stored_config.latest(self.store).config, self.vault())

    def on_disk(self) -> bytes:
        """Every byte of the store's folder but the key's."""
        files = [one for one in (self.folder / "data").iterdir() if one.name != "secret.key"]
        return b"".join(file.read_bytes() for file in files if os.path.isfile(file))
