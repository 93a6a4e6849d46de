"""What can go wrong in the gateway's own parts, for callers that act on it.

GatewayError
  ConfigError         the configuration has faults: nothing is started
    SettingsError     settings of one destination that was to be stored have faults
  AddressError        an address cannot be bound
  ControlError        a change of the stored configuration was refused; nothing was changed
    NotFound          no such site or destination
    AlreadyThere      a destination of this id is there
    DeclaredInFile    the file declares it: it is changed there
    VersionConflict   somebody else changed it meanwhile
    NothingChanged    what was to be published is live already
"""

from collections.abc import Sequence


class GatewayError(Exception):
    """The gateway cannot go on."""


class ConfigError(GatewayError):
    """The configuration has faults. `faults`: one line each, with the file and the path of the key."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class SettingsError(ConfigError):
    """Settings of one destination have faults. `fields`: the path of each setting, and what would be right."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__([f"{field}: {text}" if field else text for field, text in fields])
        self.fields = tuple(fields)


class AddressError(GatewayError):
    """An address cannot be bound."""


class ControlError(GatewayError):
    """A change of the stored configuration was refused."""


class NotFound(ControlError):
    """There is no such site or destination."""


class AlreadyThere(ControlError):
    """The site has a destination of this id."""


class DeclaredInFile(ControlError):
    """The configuration file declares it; it can be changed there only."""


class VersionConflict(ControlError):
    """It was changed since the version that was named."""


class NothingChanged(ControlError):
    """What was to be published is live already."""
