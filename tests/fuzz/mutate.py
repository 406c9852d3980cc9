"""Changes that keep the form of a file, so that a parser gets past its first line: another value somewhere in JSON or TOML."""

import json
import random
from collections.abc import Callable
from typing import Any

Mutate = Callable[[bytes, random.Random], bytes]

_LONG, _DEEP = "9" * 4999, 3000
# What other writers of JSON may mean by a value: missing, of another kind, too large, out of the alphabet, hostile.
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 5, 10**400, 1e308, float("nan"), float("inf"),
    "", " ", "0", "NaN", "1e999", _LONG[:400], [], {}, [[]], [None], [5],
    {"": ""}, ["a"], "../../x", "#", "+/#", "'; DROP TABLE outbox; --", "\0", "\ud800", "\u202e", "🚗" * 9, "[" * 40, '{"vin":', "\x1b[2J",
    "." * 300, "1HGCM82633A004352", "１ＨＧＣＭ８２６３３Ａ００４３５２", "20261340T999999Z", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9Z",
    "server time: 20269999T999999Z", "server time: 00010101T000000Z", "limit: 1, time: 99999999 day", f"limit:1,time:{_LONG[:999]}second",
    "x" * 5000,
)  # fmt: skip
_TOML = (
    "=", "[", "]", "[[", '"', "'", '"""', "\\", "#", "{}", "[]", "nan", "inf", "-inf", "true", "0x" + "f" * 5000, "9" * 5000,
    "1e999", "[" * 3000,
    '"\\u0000"', '"\\u202e"', '"../../x"', '"#"', '"+"', '"a/b"', '"~nobody/x"', '"' + "a" * 5000 + '"', '"http://[::1"', '"https://a:99999"',
    '"https://\\u0001"', '"://"', "1979-05-27", "00:61:00", "\ufeff", "\r", "\x00", "\u2028", "\x0b", '"é"', '"AKID1"', "1_0", "[1,2,3,4]",
    "[0.0, 0.0, 1.0, 1.0]", '["embedded", "tencent"]', '"replay"', '"a..b"', '"é.é"',
)  # fmt: skip


def as_json(data: bytes, dice: random.Random) -> bytes:
    """Behind a first byte that is the target's own: one value, or one key, is another one."""
    try:
        value = json.loads(data[1:])
    except (ValueError, RecursionError):
        return data
    if dice.random() < 0.02:
        return data[:1] + b'{"a":' * _DEEP
    if dice.random() < 0.2:
        # Some vendors put JSON into a text of their JSON.
        value = _inside(value, dice)
    return data[:1] + json.dumps(_changed(value, dice), ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")


def _changed(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        if dice.random() < 0.1:
            return {("renamed" if name == key else name): each for name, each in value.items()}
        return {**value, key: _changed(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        at = dice.randrange(len(value))
        return [*value[:at], _changed(value[at], dice), *value[at + 1 :]]
    return dice.choice(VALUES)


def _inside(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        return {name: _inside(each, dice) for name, each in value.items()}
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.dumps(_changed(json.loads(value), dice)) if dice.random() < 0.9 else '{"a":' * _DEEP
        except ValueError:
            return value
    return value


def as_toml(data: bytes, dice: random.Random) -> bytes:
    """A line twice, a line less, a value or a piece of text that is another one."""
    lines = data.split(b"\n")
    at = dice.randrange(len(lines))
    piece = dice.choice(_TOML).encode("utf-8", "surrogatepass")
    kind = dice.randrange(5)
    if kind == 0:
        lines.insert(dice.randrange(len(lines) + 1), lines[at])
    elif kind == 1 and len(lines) > 1:
        del lines[at]
    elif kind == 2:
        where = dice.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:where] + piece + lines[at][where:]
    else:
        key, sign, _ = lines[at].partition(b"=")
        lines[at] = key + sign + b" " + piece if sign else lines[at]
    return b"\n".join(lines)


def as_bytes(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, cut out, or said twice."""
    raw = bytearray(data)
    for _ in range(dice.randrange(1, 5)):
        at, length = dice.randrange(len(raw) + 1), dice.choice((1, 1, 2, 4, 16))
        kind = dice.randrange(4)
        if kind == 0:
            raw[at : at + length] = dice.randbytes(length)
        elif kind == 1:
            raw[at:at] = raw[at : at + length]
        elif kind == 2:
            del raw[at : at + length]
        else:
            raw[at : at + 1] = dice.choice((b"\0", b"\xff", b"\xff\xff", b"\n", b"9" * 30, b'"', b"%", b"\x7f\xff\xff\xff"))
    return bytes(raw)
