"""How a settings class says what a key may be, and how TOML becomes such a class or one sentence about what is wrong."""

import codecs
import dataclasses
import difflib
import re
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from agent.errors import BadConfig
from agent.toml_text import SHOWN, Path_, dotted, keys_by_line, quoted, toml

T = TypeVar("T")
_SECRET = re.compile("password|secret|token|access_key|api_key")  # keys whose value no complaint may repeat
_LARGEST = 1_000_000  # bytes of a configuration; every key with its reason takes 20 kB
_LONGEST = 4000  # characters of one text: longer than any path or topic


def masked(address: str) -> str:
    """An address as it may be shown: user and password before the host are masked, and every `=value` in it."""
    scheme, mark, rest = address.partition("://")
    login, at, host = rest.rpartition("@")
    return re.sub(r"=[^&]*", "=***", f"{scheme}{mark}{'***' if login else ''}{at}{host}")


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


def some_of(*choices: str, default: tuple[str, ...] = ()) -> Any:
    """A list; the rule is for each text in it."""
    return _setting(default, Rule(" or ".join(f'"{choice}"' for choice in choices), lambda value: value in choices, choices))


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


def checked(default: Any, holds: Callable[[Any], bool], words: str) -> Any:
    """A text that a function judges."""
    return _setting(default, Rule(words, holds))


def text(default: str) -> Any:
    return _setting(default, Rule(f"text without line breaks, at most {_LONGEST} characters", is_line))


def is_line(value: str) -> bool:
    return value.isprintable() and len(value) <= _LONGEST


def is_path(value: str) -> bool:
    return is_line(value) and value != ""


def is_file(path: str) -> bool:
    """Whether there is such a file; a path that is too long for one is none."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def is_host(value: str) -> bool:
    """Whether a resolver takes it for a name or an address; Python's raises something of its own where it does not."""
    try:
        return bool(re.fullmatch(r"[^\s/]{1,253}", value)) and value.isprintable() and bool(value.encode("idna"))
    except UnicodeError:
        return False


def parse(file: Path) -> tuple[dict[str, Any], dict[Path_, int]]:
    """The values of a TOML file and the line each key stands on; raises `BadConfig` where it is not TOML."""
    source = source_of(file)
    return toml(file, source), keys_by_line(source)


def source_of(file: Path) -> str:
    """The text of a file that a person wrote, its lines ended by line feeds; raises `BadConfig` where it is none."""
    try:
        with file.open("rb") as content:
            raw = content.read(_LARGEST + 1)
    except FileNotFoundError:
        raise BadConfig(f"{file}: there is no such file; name another with --config or run from where it is") from None
    except OSError as exc:
        raise BadConfig(f"{file}: cannot be read: {exc.strerror or exc}") from exc
    if len(raw) > _LARGEST:
        raise BadConfig(f"{file}: has more than {_LARGEST // 1000} kB; this is no configuration, name another file")
    if raw.startswith(codecs.BOM_UTF8):
        raise BadConfig(f"{file}:1: begins with a byte-order mark, which TOML does not know; save it as UTF-8 without one")
    try:
        return raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise BadConfig(f"{file}:{line}: cannot be read as UTF-8 text: byte 0x{raw[exc.start]:02x}; save it as UTF-8") from exc


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
        said = "a value that is kept secret" if where and _SECRET.search(str(where[-1])) and value else quoted(value, _hidden)
        close = _nearest(value, choices) if isinstance(value, str) else ""
        return BadConfig(f"{self._at(where)}: {dotted(where)} must be {expected}, not {said}{close}")

    def _unknown(self, where: Path_, key: str, known: list[str]) -> BadConfig:
        hint = _nearest(key, known) or f"; known here: {', '.join(known)}"
        return BadConfig(f"{self._at((*where, key))}: unknown key {dotted((*where, key))}{hint}")

    def _at(self, where: Path_) -> str:
        """File and line of the key, or of the section it belongs to."""
        for length in range(len(where), 0, -1):
            if where[:length] in self.lines:
                return f"{self.file}:{self.lines[where[:length]]}"
        return str(self.file)


def _hidden(text: str) -> str:
    """An address may also stand in a list that should be a text."""
    return masked(text) if "://" in text else text


def _nearest(word: str, known: typing.Iterable[str]) -> str:
    if len(word) > SHOWN:
        return ""
    close = difflib.get_close_matches(word, [name for name in known if name], n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else ""
