"""TOML text as values, and where each key stands in it, which the parser of the standard library does not tell."""

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

from agent.errors import BadConfig

SHOWN = 80  # characters of a foreign text in a complaint
Path_ = tuple[str | int, ...]  # where in the file: ("camera", 0, "fps")


def toml(file: object, source: str) -> dict[str, Any]:
    """The values in TOML text; raises `BadConfig` with the line, and the key where one stands there."""
    lines = source.split("\n")
    try:
        return tomllib.loads(source)
    except tomllib.TOMLDecodeError as exc:
        told = re.search(r"at line (\d+)", str(exc))
        number, trouble = int(told[1]) if told else len(source.rstrip("\n").split("\n")), str(exc)
    except RecursionError:
        # The parser of the standard library tells no line of these two: it is the one with the most of what is too much.
        number, trouble = 1 + max(range(len(lines)), key=lambda at: len(re.findall(r"[\[{]", lines[at]))), "lists stand too deep in lists"
    except ValueError:
        number, trouble = 1 + max(range(len(lines)), key=lambda at: len(lines[at])), "a number has too many digits"
    key = _key(lines[number - 1])
    raise BadConfig(f"{file}:{number}: this is not TOML{f', at {shown(key)}' if key else ''}: {trouble}")


_HEADER = re.compile(r"^\s*(\[{1,2})([^\[\]]+)\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(?:=|\.)""")


def keys_by_line(source: str) -> dict[Path_, int]:
    """Where each section and key of TOML text stands; the parser of the standard library does not tell."""
    lines: dict[Path_, int] = {}
    section: Path_ = ()
    repeats: dict[str, int] = {}
    # Not splitlines(), which ends lines where TOML does not: a text may hold U+2028.
    for count, line in enumerate(source.split("\n"), 1):
        if header := _HEADER.match(line):
            name = header[2].strip()
            section = tuple(part.strip(" \"'") for part in name.split("."))
            if header[1] == "[[":
                repeats[name] = repeats.get(name, -1) + 1
                section = (*section, repeats[name])
            elif section[0] in repeats:  # [camera.stream] belongs to the [[camera]] above it
                section = (section[0], repeats[str(section[0])], *section[1:])
            lines.setdefault(section, count)
        elif key := _key(line):
            lines.setdefault((*section, key), count)
    return lines


def _key(line: str) -> str:
    """The key that a line begins with, or the first part of it; empty where none stands there."""
    if not (match := _KEY.match(line)):
        return ""
    double, single, bare = match.groups()
    if double is None:
        return str(single or bare or "")
    try:
        return str(json.loads(f'"{double}"', strict=False))
    except ValueError:  # an escape that JSON does not know
        return str(double)


def dotted(where: Path_) -> str:
    """`camera[0].fps`: the key as an operator would write it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in where).lstrip(".")


def shown(word: str) -> str:
    """A foreign word fit for a sentence: short, and on one line."""
    return word if word.isprintable() and len(word) <= SHOWN else quoted(word)


def quoted(value: Any, hide: Callable[[str], str] = str) -> str:
    """As Python would write it, which keeps it on one line, and no more of it than a person reads; hidden first, then cut."""
    try:
        said = repr(hide(value)[:SHOWN]) if isinstance(value, str) else hide(repr(value))
    except (ValueError, RecursionError):
        return "what cannot be shown"
    return said if len(said) <= 2 * SHOWN else f"{said[: 2 * SHOWN]}…"
