"""What the yard may ask for over MQTT: the commands there are, what each has to be told, and what an answer looks like."""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from agent.events import Payload, encode

MOST_BYTES, MOST_TXN = 4096, 64
Name = Literal["read_now", "camera/set", "log_level", "reload", "doctor", "replay", "purge"]
LEVELS = ("debug", "info", "warning", "error")

_NAME = re.compile(r"[a-z0-9_-]{1,32}(/[a-z0-9_-]{1,32})?")
_CAMERA = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_VIN = re.compile(r"[A-HJ-NPR-Za-hj-npr-z0-9]{3,17}")
_SHOWN = 64  # characters of what was sent that a refusal repeats
_HIDDEN = ("vin",)  # arguments that no log and no audit repeats


@dataclass(frozen=True, slots=True)
class Command:
    """Something to be done once; `txn` is the asker's own name for this request, by which it knows the answer again."""

    name: Name
    txn: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is no command; `txn` is empty where none could be read, `name` where no topic can be answered on."""

    name: str
    txn: str
    why: str


class Argument(NamedTuple):
    """What may stand under one key of `args`: in words for whoever asked, and as a test."""

    words: str
    holds: Callable[[Any], bool]
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One command: what it is told, and whether it changes something, of which the yard then hears in an `audit`."""

    arguments: Mapping[str, Argument] = field(default_factory=dict)
    changes: bool = True


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _text(expression: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and expression.fullmatch(value) is not None


def _moment(value: Any) -> bool:
    return moment_ms(value) is not None


_OF_CAMERA = "the name of a camera"
_A_TIME = "a time such as 2026-11-21T06:00:00Z, or UTC milliseconds"
_OF_VIN = {
    "gate": Argument("the name of a gate", _text(_CAMERA)),
    "vin": Argument("a VIN or how it begins, three characters or more", _text(_VIN)),
}
KINDS: dict[Name, Kind] = {
    "read_now": Kind({"camera": Argument(f"{_OF_CAMERA}; may be left out where there is one", _text(_CAMERA))}, changes=False),
    "camera/set": Kind({
        "camera": Argument(_OF_CAMERA, _text(_CAMERA), needed=True),
        "enabled": Argument("true or false", lambda value: isinstance(value, bool), needed=True),
    }),
    "log_level": Kind({
        "level": Argument(f"one of {', '.join(LEVELS)}", lambda value: isinstance(value, str) and value in LEVELS, needed=True),
        "minutes": Argument("a number from 0.1 to 1440, after which it goes back", _number(0.1, 1440)),
    }),
    "reload": Kind(),
    "doctor": Kind(changes=False),
    "replay": Kind({"from": Argument(_A_TIME, _moment, needed=True), "to": Argument(_A_TIME, _moment), **_OF_VIN}),
    "purge": Kind({"before": Argument(_A_TIME, _moment), **_OF_VIN}),
}  # fmt: skip


def parse(name: str, payload: bytes) -> Command | Refusal:
    """A message on `cmd/<name>` as a command, or one sentence on why it is none; raises nothing, whatever the bytes are."""
    if not _NAME.fullmatch(name):
        return Refusal("", "", f"{_cut(name)} cannot be the name of a command")
    if len(payload) > MOST_BYTES:
        return Refusal(name, "", f"a command has at most {MOST_BYTES} bytes, this has more")
    try:
        said = json.loads(payload.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):  # the latter for brackets in brackets
        return Refusal(name, "", 'this is not JSON: {"txn": "…", "args": {…}} is expected, each key once')
    if not isinstance(said, dict):
        return Refusal(name, "", 'a JSON object is expected: {"txn": "…", "args": {…}}')
    txn = said.get("txn")
    if not isinstance(txn, str) or not 0 < len(txn) <= MOST_TXN or not txn.isprintable():
        return Refusal(name, "", f"txn must be a text of 1 to {MOST_TXN} printable characters, by which the answer is known again")
    args = said.get("args", {})
    why = _objection(name, said, args)
    return Refusal(name, txn, why) if why else Command(_known(name), txn, args)


def _known(name: str) -> Name:
    return next(each for each in KINDS if each == name)


def _objection(name: str, said: dict[str, Any], args: Any) -> str:
    """What is wrong with the message, the first thing to mend first; empty where it is right."""
    kind = {str(each): each_kind for each, each_kind in KINDS.items()}.get(name)
    if kind is None:
        return f"there is no command {_cut(name)}{_nearest(name, KINDS)}"
    for key in said:
        if key not in ("txn", "args"):
            return f"unknown key {_cut(key)}{_nearest(key, ('txn', 'args'))}"
    if not isinstance(args, dict):
        return "args must be a JSON object"
    for key in args:
        if key not in kind.arguments:
            return f"{name} knows no argument {_cut(key)}{_nearest(key, kind.arguments)}"
    for key, argument in kind.arguments.items():
        if (argument.needed or key in args) and not argument.holds(args.get(key)):
            return f"args.{key} must be {argument.words}"
    return ""


def _nearest(word: str, known: Mapping[Any, Any] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word[:_SHOWN], list(known), n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else f"; known here: {', '.join(known) or 'none'}"


def _cut(word: str) -> str:
    """What was sent, as a sentence may show it."""
    return repr(word[:_SHOWN]).encode("ascii", "backslashreplace").decode()[: 2 * _SHOWN]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two values under one key are no answer to the question which of them counts."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")
    return made


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def shown(args: Mapping[str, Any]) -> str:
    """Arguments as a log or an audit has them: they have passed their tests, so they are short and printable."""
    known = {key: "***" if key in _HIDDEN else value for key, value in sorted(args.items())}
    return " ".join(f"{key}={value}" for key, value in known.items()) or "without arguments"


def moment_ms(text: Any) -> int | None:
    """A point in time as commands name it: RFC 3339 with its zone, or UTC milliseconds; None where it is neither."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text if 0 <= text < 2**53 else None
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) and len(text) <= _SHOWN else None
        return None if at is None or at.tzinfo is None or at.year < 1970 else round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def done(txn: str, data: Payload) -> Payload:
    """The answer to a command that was carried out; a list that is too long for one message is cut at its end and says so."""
    answer = {"txn": txn, "status": "ok", "data": data}
    longest = max((value for value in data.values() if isinstance(value, list)), key=len, default=[])
    while longest and len(encode(answer)) > MOST_BYTES:
        longest.pop()
        data["cut"] = True
    return answer


def failed(txn: str, why: str) -> Payload:
    """The answer to one that was not."""
    return {"txn": txn, "status": "error", "error": why[:512]}
