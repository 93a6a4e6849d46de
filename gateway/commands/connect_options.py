"""The options of `gateway connect PLATFORM`, made of the adapter's own settings, so that none can be missing.

`pixel_id` is `--pixel-id`. An option may be shortened to whole words of its beginning or end where only one option has
them: `--pixel` for `--pixel-id`, `--token` for `--access-token`.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import click
import msgspec

from actors.destinations.base import Destination
from actors.secret import Secret
from gateway.platforms import descriptions

APART = ("id", "paused")  # settings that the command gives by itself
ASK = "\x00ask"  # the value of a secret's option that was given without one


def setting_options(kind: type[Destination]) -> list[click.Option]:
    """An option for each setting, needed ones first."""
    fields = [field for field in msgspec.structs.fields(kind) if field.name not in APART]
    common = {field.name for field in msgspec.structs.fields(Destination)}
    fields.sort(key=lambda one: (not one.required, one.name in common))
    told = descriptions(kind)
    return [_option(field, told[field.name]) for field in fields]


def option_name(setting: str) -> str:
    """`--pixel-id`, for `pixel_id` and for what is inside it."""
    return "--" + setting.partition("[")[0].partition(".")[0].replace("_", "-")


def settings_given(kind: type[Destination], values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that options gave, as the file would have them. Raises click.UsageError."""
    return {
        field.name: _value(field, values[field.name])
        for field in msgspec.structs.fields(kind)
        if values.get(field.name) not in (None, ())
    }


def full_names(arguments: Sequence[str], names: Iterable[str]) -> list[str]:
    """The arguments with each shortened option in full. Raises click.UsageError where several are meant."""
    known = set(names)
    return [_full_name(one, known) for one in arguments]


def shortened(name: str) -> set[str]:
    """Whole words of the beginning or the end of an option's name; what begins with `no` would mean its contrary."""
    if name.startswith("--no-"):
        return set()
    words = name.removeprefix("--").split("-")
    parts = (words[:count] for count in range(1, len(words)))
    ends = (words[count:] for count in range(1, len(words)))
    return {"--" + "-".join(part) for part in (*parts, *ends)}


def secret_settings(kind: type[Destination]) -> list[str]:
    """Single secrets that are needed."""
    return [field.name for field in msgspec.structs.fields(kind) if field.type is Secret and field.required]


def _full_name(argument: str, known: set[str]) -> str:
    name, equals, value = argument.partition("=")
    if not name.startswith("--") or name in known or len(name) == 2:
        return argument
    meant = sorted(one for one in known if name in shortened(one))
    if len(meant) > 1:
        raise click.UsageError(f"{name} is short for several options: {', '.join(meant)}; give one in full")
    return f"{meant[0]}{equals}{value}" if meant else argument


def _option(field: Any, description: str) -> click.Option:
    name, bare = option_name(field.name), _bare(field.type)
    told: dict[str, Any] = {"default": None, "help": _help(field, description)}
    if bare is bool:
        return click.Option([f"{name}/--no-{name[2:]}"], **told)
    if bare is Secret:
        return click.Option([name], is_flag=False, flag_value=ASK, metavar="SECRET", **told)
    if get_origin(bare) is Literal:
        return click.Option([name], type=click.Choice([str(one) for one in get_args(bare)]), **told)
    if bare in (int, float):
        return click.Option([name], type=bare, **told)
    if _is_list(bare):
        return click.Option([name], multiple=True, metavar="VALUE", **told)
    if _is_table(bare):
        return click.Option([name], multiple=True, metavar="KEY=VALUE", **told)
    return click.Option([name], metavar="TEXT", **told)


def _value(field: Any, given: Any) -> Any:
    bare = _bare(field.type)
    if _is_table(bare):
        return dict(_pair(one, field.name) for one in given)
    if _is_list(bare) and Secret not in get_args(bare):
        return [part.strip() for one in given for part in one.split(",") if part.strip()]
    return list(given) if _is_list(bare) else given


def _pair(text: str, setting: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"{option_name(setting)}: {text!r} is no pair; give KEY=VALUE")
    return key, value


def _help(field: Any, description: str) -> str:
    """What the adapter's own file says of the setting, and how it is given."""
    bare = _bare(field.type)
    if field.required:
        needed = "Needed; asked for where it is not given" if bare is Secret else "Needed"
        return f"{needed}: {description}." if description else f"{needed}."
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    is_split = _is_list(bare) and Secret not in get_args(bare)
    several = "several: again, or apart by commas" if is_split else "several: again" if _is_several(bare) else ""
    told = "; ".join(part for part in (description, several) if part)
    known = "" if default in (None, (), {}, False) or "default" in description else f"Default: {default}."
    return " ".join(part for part in (f"{told[:1].upper()}{told[1:]}." if told else "", known) if part)


def _bare(kind: Any) -> Any:
    """The type without None and without its rules."""
    if hasattr(kind, "__metadata__"):
        return _bare(kind.__origin__)
    members = [one for one in get_args(kind) if one is not NoneType]
    is_optional = len(members) == 1 and NoneType in get_args(kind)
    return _bare(members[0]) if is_optional else kind


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_several(kind: Any) -> bool:
    return _is_list(kind) or _is_table(kind)


def _is_table(kind: Any) -> bool:
    return get_origin(kind) is dict
