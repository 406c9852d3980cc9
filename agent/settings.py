"""How a settings class says what a key may be, and how TOML becomes such a class or one sentence about what is wrong."""

import dataclasses
import difflib
import re
import tomllib
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from agent.errors import BadConfig

T = TypeVar("T")
_SECRET = re.compile("password|secret|token|access_key|api_key")  # keys whose value no complaint may repeat
Path_ = tuple[str | int, ...]  # where in the file: ("camera", 0, "fps")


def masked(address: str) -> str:
    """An address as it may be shown: user and password before the host are masked, and every `=value` in it."""
    return re.sub(r"=[^&]*", "=***", re.sub(r"(?<=://).*@", "***@", address))


@dataclasses.dataclass(frozen=True, slots=True)
class Secret:
    """A value that never shows itself by accident; `reveal()` is the one way to read it."""

    value: str = dataclasses.field(repr=False)

    def reveal(self) -> str:
        return self.value

    def __str__(self) -> str:
        return "***" if self.value else ""

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """What a value has to be, in words for the operator and as a test."""

    expected: str
    holds: Callable[[Any], bool]
    choices: tuple[str, ...] = ()
    whole: bool = False  # of a list: judged at once, not item by item


def _setting(default: Any, rule: Rule) -> Any:
    return dataclasses.field(default=default, metadata={"rule": rule})


def number(default: float, low: float, high: float) -> Any:
    return _setting(default, Rule(f"a number from {low:g} to {high:g}", lambda value: low <= value <= high))


def one_of(default: str, *choices: str) -> Any:
    words = " or ".join(f'"{choice}"' for choice in choices)
    return _setting(default, Rule(words, lambda value: value in choices, choices))


def some_of(*choices: str) -> Any:
    """A list, empty by default; the rule is for each text in it."""
    return _setting((), Rule(" or ".join(f'"{choice}"' for choice in choices), lambda value: value in choices, choices))


def rectangle() -> Any:
    """Part of a picture: left, top, width, height as fractions of it; empty by default, which is all of it."""
    return _setting((), Rule("[] or [left, top, width, height] in fractions of the picture, inside it", _is_part, whole=True))


def _is_part(value: Any) -> bool:
    """Whether TOML's value is an empty list or a rectangle inside the unit square."""
    if value == []:
        return True
    numbers = isinstance(value, list) and all(isinstance(each, int | float) and not isinstance(each, bool) for each in value)
    if not numbers or len(value) != 4:
        return False
    left, top, width, height = value
    return bool(left >= 0 <= top and width > 0 < height and left + width <= 1.000001 and top + height <= 1.000001)


def pattern(default: str, expression: str, words: str) -> Any:
    return _setting(default, Rule(words, lambda value: re.fullmatch(expression, value) is not None))


def text(default: str) -> Any:
    return _setting(default, Rule("text without line breaks", lambda value: value.isprintable()))


def parse(file: Path) -> tuple[dict[str, Any], dict[Path_, int]]:
    """The values of a TOML file and the line each key stands on; raises `BadConfig` where it is not TOML."""
    try:
        source = file.read_text("utf-8")
    except FileNotFoundError:
        raise BadConfig(f"{file}: there is no such file; name another with --config or run from where it is") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise BadConfig(f"{file}: cannot be read as UTF-8 text: {exc}") from exc
    try:
        return tomllib.loads(source), keys_by_line(source)
    except tomllib.TOMLDecodeError as exc:
        line = re.search(r"at line (\d+)", str(exc))
        raise BadConfig(f"{file}:{line[1] if line else len(source.splitlines())}: this is not TOML: {exc}") from exc


_HEADER = re.compile(r"^\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*["']?([A-Za-z0-9_-]+)["']?\s*(?:=|\.)""")


def keys_by_line(source: str) -> dict[Path_, int]:
    """Where each section and key of TOML text stands; the parser of the standard library does not tell."""
    lines: dict[Path_, int] = {}
    section: Path_ = ()
    repeats: dict[str, int] = {}
    for count, line in enumerate(source.splitlines(), 1):
        if header := _HEADER.match(line):
            section = tuple(part.strip(" \"'") for part in header[2].split("."))
            if header[1] == "[[":
                repeats[header[2]] = repeats.get(header[2], -1) + 1
                section = (*section, repeats[header[2]])
            elif section[0] in repeats:  # [camera.stream] belongs to the [[camera]] above it
                section = (section[0], repeats[str(section[0])], *section[1:])
            lines.setdefault(section, count)
        elif key := _KEY.match(line):
            lines.setdefault((*section, key[1]), count)
    return lines


@dataclasses.dataclass(frozen=True, slots=True)
class Builder:
    """Turns parsed TOML into settings classes; every complaint names file, line, key, what was expected."""

    file: Path
    lines: Mapping[Path_, int]

    def build(self, cls: type[T], data: Mapping[str, Any], where: Path_ = ()) -> T:
        fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # T is a settings class
        for key in data:
            if key not in fields:
                raise self._unknown(where, key, list(fields))
        hints = typing.get_type_hints(cls)
        return cls(**{key: self._value(hints[key], fields[key], value, (*where, key)) for key, value in data.items()})

    def _value(self, hint: Any, field: "dataclasses.Field[Any]", value: Any, where: Path_) -> Any:
        if dataclasses.is_dataclass(hint) and hint is not Secret:
            if not isinstance(value, dict):
                raise self.wrong(where, f"a section [{where[-1]}]", value)
            return self.build(typing.cast("type[Any]", hint), value, where)
        if typing.get_origin(hint) is tuple:
            return self._many(typing.get_args(hint)[0], field, value, where)
        return self._one(hint, field.metadata.get("rule"), value, where)

    def _many(self, item: Any, field: "dataclasses.Field[Any]", value: Any, where: Path_) -> Any:
        rule = field.metadata.get("rule")
        if rule and rule.whole:
            if not rule.holds(value):
                raise self.wrong(where, rule.expected, value)
            return tuple(item(each) for each in value)
        if not isinstance(value, list):
            words = f"a section [[{where[-1]}]] for each" if dataclasses.is_dataclass(item) else "a list of texts"
            raise self.wrong(where, words, value)
        return tuple(self._value(item, field, each, (*where, index)) for index, each in enumerate(value))

    def _one(self, hint: Any, rule: Rule | None, value: Any, where: Path_) -> Any:
        kinds: dict[Any, tuple[Any, str]] = {bool: (bool, "true or false"), int: (int, "a whole number"), float: ((int, float), "a number")}
        kind, words = kinds.get(hint, (str, "a text"))
        if not isinstance(value, kind) or (isinstance(value, bool) and hint is not bool):
            raise self.wrong(where, rule.expected if rule else words, value)
        if rule and not rule.holds(value):
            raise self.wrong(where, rule.expected, value, rule.choices)
        return hint(value)

    def wrong(self, where: Path_, expected: str, value: Any, choices: tuple[str, ...] = ()) -> BadConfig:
        told = masked(repr(value)) if "://" in repr(value) else repr(value)  # an address may also stand in a list that should be a text
        shown = "a value that is kept secret" if where and _SECRET.search(str(where[-1])) and value else told
        return BadConfig(f"{self._at(where)}: {dotted(where)} must be {expected}, not {shown}{_nearest(str(value), choices)}")

    def _unknown(self, where: Path_, key: str, known: list[str]) -> BadConfig:
        hint = _nearest(key, known) or f"; known here: {', '.join(known)}"
        return BadConfig(f"{self._at((*where, key))}: unknown key {dotted((*where, key))}{hint}")

    def _at(self, where: Path_) -> str:
        """File and line of the key, or of the section it belongs to."""
        for length in range(len(where), 0, -1):
            if where[:length] in self.lines:
                return f"{self.file}:{self.lines[where[:length]]}"
        return str(self.file)


def dotted(where: Path_) -> str:
    """`camera[0].fps`: the key as an operator would write it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")


def _nearest(word: str, known: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(word, [name for name in known if name], n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else ""
