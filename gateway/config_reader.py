"""From a decoded TOML table to a record, with every fault named by the path of its key.

msgspec stops at the first fault; an operator wants all of them at once. So each field is converted by itself, unknown
keys are refused with the nearest right name, and what a record lacks is named. Wherever a text may stand,
`{ env = "NAME" }` and `{ file = "path" }` may stand too.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from gateway.config_values import ANY_WAY, read

S = TypeVar("S", bound=Struct)

SECRET_FILE_BYTES = 65_536
_TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_INDEX = re.compile(r"\[\d+\]")
_FIELD = re.compile(r"Object (missing required|contains unknown) field `([^`]+)`")
_EXPECTED = re.compile(r"Expected `([^`]+)`(.*?)(?:, got `([^`]+)`)?$")


class Fault(Struct, frozen=True):
    """`path` of the key, as in `sites[0].destinations[2].pixel_id`, and what is wrong and would be right."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class Reader:
    """Reads one configuration; `faults` grows as it goes. Files are looked for beside the configuration."""

    def __init__(self, env: Mapping[str, str], folder: Path, *, is_literal: bool = False) -> None:
        """`is_literal`: each value is what it says. What comes over the network must not choose variables and files."""
        self.faults: list[Fault] = []
        self._env = env
        self._folder = folder
        self._is_literal = is_literal

    def fault(self, path: str, text: str) -> None:
        self.faults.append(Fault(path, text.replace(ANY_WAY, "its text") if self._is_literal else text))

    def record(self, kind: type[S], table: object, path: str, *, apart: Sequence[str] = (), **ready: Any) -> S | None:
        """The table as that record, or None where it has faults. `ready`: fields read elsewhere, `apart` by name."""
        if not isinstance(table, dict):
            self.fault(path, f"is {_kind_of(table)}; give a table")
            return None
        before = len(self.faults)
        fields = {field.name: field for field in msgspec.structs.fields(kind) if field.name not in apart}
        self.refuse_unknown(table, [*fields, *apart], path)
        values = dict(ready)
        for name, field in fields.items():
            where = f"{path}.{name}" if path else name
            if name in table:
                values[name] = self._value(field.type, table[name], where)
            elif field.required:
                self.fault(where, f"is missing; give {_example_of(field.type)}")
        return kind(**values) if len(self.faults) == before else None

    def tables(self, value: object, path: str) -> list[tuple[dict[str, Any], str]]:
        """The tables of an array of tables, each with its path."""
        if not isinstance(value, list):
            self.fault(path, f"is {_kind_of(value)}; give a list of tables, each under [[{_INDEX.sub('', path)}]]")
            return []
        placed = [(table, f"{path}[{index}]") for index, table in enumerate(value)]
        for table, where in placed:
            if not isinstance(table, dict):
                self.fault(where, f"is {_kind_of(table)}; give a table")
        return [(table, where) for table, where in placed if isinstance(table, dict)]

    def one_of(self, union: Any, table: object, path: str, what: str = "destination") -> Any:
        """The table as the member of a union that its `type` names, or None where it has faults."""
        kinds = {str(kind.__struct_config__.tag): kind for kind in members(union)}
        tag = table.get("type") if isinstance(table, dict) else None
        if not isinstance(table, dict):
            self.fault(path, f"is {_kind_of(table)}; give a table")
        elif tag is None:
            self.fault(f"{path}.type", f"is missing; give one of {_listed(kinds)}")
        elif not isinstance(tag, str) or tag not in kinds:
            self.fault(f"{path}.type", f"{tag!r} is no type of {what}; give {_nearest(str(tag), kinds)}")
        else:
            return self.record(kinds[tag], {key: value for key, value in table.items() if key != "type"}, path)
        return None

    def refuse_unknown(self, table: Mapping[str, object], names: Sequence[str], path: str) -> None:
        for key in table:
            if key not in names:
                where = f"{path}.{key}" if path else key
                self.fault(where, f"there is no such setting; give {_nearest(key, names)}")

    def _value(self, kind: Any, value: object, path: str) -> Any:
        """The value as that type; None with a fault where it is not. The items of a list are told apart."""
        resolved = self._resolve(value, path, is_table=_is_dict(kind))
        if resolved is _MISSING:
            return None
        item = _item_kind(kind)
        if item is not None and isinstance(resolved, list):
            return tuple(self._converted(item, one, f"{path}[{index}]") for index, one in enumerate(resolved))
        return self._converted(kind, resolved, path)

    def _converted(self, kind: Any, value: object, path: str) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            self.fault(path, f"is {value}; give a finite number")
            return None
        try:
            return msgspec.convert(value, kind, dec_hook=read)
        except msgspec.ValidationError as error:
            text, _, inner = str(error).partition(" - at `$")
            self.fault(path + inner.rstrip("`"), _in_words(text, kind, value))
        return None

    def _resolve(self, value: object, path: str, *, is_table: bool = False) -> Any:
        """The value with each `{ env }` and `{ file }` in it replaced by what it names."""
        if isinstance(value, list):
            parts = [self._resolve(one, f"{path}[{index}]") for index, one in enumerate(value)]
            return _MISSING if _MISSING in parts else parts
        if not isinstance(value, dict):
            return value
        if is_table or not value.keys() <= {"env", "file"} or len(value) != 1:
            table = {key: self._resolve(one, f"{path}.{key}") for key, one in value.items()}
            return _MISSING if _MISSING in table.values() else table
        ((where, name),) = value.items()
        if not isinstance(name, str):
            self.fault(f"{path}.{where}", f"is {_kind_of(name)}; give a text")
            return _MISSING
        if self._is_literal:
            self.fault(path, f"names {'a variable' if where == 'env' else 'a file'}; give the value itself")
            return _MISSING
        return self._of_env(name, path) if where == "env" else self._of_file(name, path)

    def _of_env(self, name: str, path: str) -> Any:
        if name not in self._env:
            self.fault(path, f"the environment variable {name} is not set; set it, or give the value another way")
            return _MISSING
        return self._env[name]

    def _of_file(self, name: str, path: str) -> Any:
        """A file's text without the line break at its end, as secret files have one."""
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(SECRET_FILE_BYTES).decode().rstrip("\r\n")
        except OSError as error:
            self.fault(path, f"the file {name} cannot be read: {error.strerror}")
        except ValueError:
            self.fault(path, f"the file {name} is no UTF-8 text")
        return _MISSING


_MISSING = object()


def members(union: Any) -> tuple[type[Any], ...]:
    """The classes of a union of destinations or sources, or of a single one."""
    return get_args(union) or (union,)


def _in_words(text: str, kind: Any, value: object) -> str:
    """msgspec's fault in an operator's words. What readers of ours said is passed on; they alone see secrets."""
    if text.startswith("Invalid enum value"):
        return f"{value!r} is none of the choices; give one of {_listed(_choices(kind))}"
    if text.startswith("Invalid value") and (tags := [str(one.__struct_config__.tag) for one in _records(kind)]):
        return f"{text.removeprefix('Invalid value ')} is none of the choices; give one of {_listed(tags)}"
    if field := _FIELD.match(text):
        return f"{field[2]!r} is missing; give it" if field[1] == "missing required" else f"{field[2]!r} is no setting"
    match = _EXPECTED.match(text)
    if match is None:
        return text
    wanted, rule, got = match.groups()
    words = " or ".join(_TYPE_WORDS.get(one.strip(), one.strip()) for one in wanted.split("|"))
    if got is not None:
        return f"is {_TYPE_WORDS.get(got, got)}; give {words}"
    return f"{str(value)[:100]!r} is not allowed; give {_described(kind) or words + _rule_in_words(rule)}"


def _records(kind: Any) -> list[type[Struct]]:
    """The records of a union of them."""
    return [one for one in members(kind) if isinstance(one, type) and issubclass(one, Struct)]


def _described(kind: Any) -> str:
    """The description that a setting's type carries, if any."""
    texts = (one.description or "" if isinstance(one, msgspec.Meta) else _described(one) for one in get_args(kind))
    return next(filter(None, texts), "")


def _rule_in_words(rule: str) -> str:
    return rule.replace(">=", "of at least").replace("<=", "of at most").replace("of length", "with a length")


def _example_of(kind: Any) -> str:
    """What a setting of this type wants: asked by giving it what nothing accepts."""
    try:
        msgspec.convert(_MISSING, kind, dec_hook=read)
    except (msgspec.ValidationError, ValueError) as error:
        return _described(kind) or _in_words(str(error).partition(" - at")[0], kind, None).rpartition("give ")[2]
    return "it"


def _choices(kind: Any) -> list[Any]:
    """The values of a Literal, also inside a list or beside None."""
    found: list[Any] = []
    for one in get_args(kind):
        found += _choices(one) if get_args(one) else [one] if isinstance(one, str | int) else []
    return found


def _item_kind(kind: Any) -> Any:
    """The type of a list's items, also where None may stand for the list."""
    for one in (kind, *get_args(kind)):
        if get_origin(one) is tuple:
            return get_args(one)[0]
    return None


def _is_dict(kind: Any) -> bool:
    return (get_origin(kind) or kind) is dict


def _kind_of(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a table"
    return "a date or time"


def _nearest(word: str, names: Sequence[str] | Mapping[str, object]) -> str:
    near = difflib.get_close_matches(word, list(names), n=1, cutoff=0.6)
    return repr(near[0]) if near else f"one of {_listed(names)}"


def _listed(names: Sequence[Any] | Mapping[str, Any]) -> str:
    return ", ".join(str(name) for name in names)
