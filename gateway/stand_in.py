"""The configuration for commands that use no secret of it: one that is not set in their terminal is stood in for."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.config import load_config
from gateway.errors import ConfigError
from gateway.settings import Config


def load_without_secrets(path: Path | None, env: Mapping[str, str]) -> Config:
    """The configuration, fit for looking and not for sending. Raises ConfigError with the faults that count: those of
    the terminal as it is."""
    try:
        return load_config(path, StandIn(env))
    except ConfigError:
        return load_config(path, env)


class StandIn(Mapping[str, str]):
    """The environment, with a text in the place of each variable that a setting names and that is not set."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def __getitem__(self, name: str) -> str:
        return self._env[name] if name in self._env else _made_up(name)

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]  # as a Mapping's
        """What is asked for by name is asked whether it is there."""
        return self._env.get(name, default)


def _made_up(name: str) -> str:
    """One for each name, since no key may be given twice; in the form that signing secrets must have."""
    return f"whsec_{base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()}"
