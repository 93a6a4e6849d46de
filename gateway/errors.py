"""What can go wrong in the gateway's own parts, for callers that act on it.

GatewayError
  ConfigError     the configuration has faults: nothing is started
  AddressError    an address cannot be bound
"""

from collections.abc import Sequence


class GatewayError(Exception):
    """The gateway cannot go on."""


class ConfigError(GatewayError):
    """The configuration has faults. `faults`: one line each, with the file and the path of the key."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class AddressError(GatewayError):
    """An address cannot be bound."""
