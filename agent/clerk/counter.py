"""Where the tasks of `vin-agent queue` are asked for: from what was typed to what is shown, and the exit code."""

import argparse
import sys
from collections.abc import Callable

from agent import config, doctor
from agent.clerk import again
from agent.clerk.check import verify
from agent.clerk.items import ALL, UNSENT, Table, Wanted
from agent.clerk.lists import show_list
from agent.clerk.purge import purge
from agent.clerk.repair import repair
from agent.clerk.show import export, show
from agent.clock import Clock
from agent.spans import age_told, size_told

OK, FAILED, USAGE = 0, 1, 2
_ONLY: dict[str | None, tuple[Table, ...]] = {None: ALL, "unsent": UNSENT, "sent": ("sent",)}

Task = Callable[[argparse.Namespace, config.Settings], int]


def _list(options: argparse.Namespace, settings: config.Settings) -> int:
    show_list(settings, _wanted(options, ALL if options.sent else UNSENT), as_json=options.json)
    return OK


def _show(options: argparse.Namespace, settings: config.Settings) -> int:
    show(settings, options.read_id, save=options.save, as_json=options.json)
    return OK


def _retry(options: argparse.Namespace, settings: config.Settings) -> int:
    print(again.retry(settings, options.read_id))
    return OK


def _export(options: argparse.Namespace, settings: config.Settings) -> int:
    tables = tuple(table for table in _ONLY[options.only] if table != "spool")  # what is not read yet has no event
    count = export(settings, _wanted(options, tables), options.file, options.pictures)
    print(f"{count} events written", file=sys.stderr)
    return OK


def _verify(_options: argparse.Namespace, settings: config.Settings) -> int:
    return OK if doctor.told(verify(settings)) else FAILED


def _repair(_options: argparse.Namespace, settings: config.Settings) -> int:
    return OK if doctor.told(repair(settings)) else FAILED


def _purge(options: argparse.Namespace, settings: config.Settings) -> int:
    wanted = _wanted(options, _ONLY[options.only])
    if wanted.is_any and not options.all:
        return _misused("queue purge needs a filter such as --older-than or --vin, or --all")
    if not options.yes and not sys.stdin.isatty():
        return _misused("queue purge cannot ask here; say --yes if you are sure")
    done = purge(settings, wanted, confirmed=(lambda _: True) if options.yes else _is_yes, say=print)
    return OK if done else FAILED


def replay(options: argparse.Namespace, settings: config.Settings) -> int:
    now_ms = Clock().now().utc_ms
    if options.since.utc_ms(now_ms) >= options.until.utc_ms(now_ms):
        return _misused("replay goes --from an earlier time --to a later one")
    print(again.replay(settings, options.since, options.until, gate=options.gate, vin=options.vin))
    return OK


TASKS: dict[str, Task] = {
    "list": _list,
    "show": _show,
    "retry": _retry,
    "export": _export,
    "verify": _verify,
    "repair": _repair,
    "purge": _purge,
}


def served(options: argparse.Namespace, settings: config.Settings) -> int:
    return TASKS[options.task](options, settings)


def _is_yes(question: str) -> bool:
    print(f"{question} [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _misused(sentence: str) -> int:
    print(f"vin-agent: {sentence}", file=sys.stderr)
    return USAGE


def _wanted(options: argparse.Namespace, tables: tuple[Table, ...]) -> Wanted:
    named = {
        "older than {}": options.older_than and age_told(options.older_than),
        "larger than {}": options.larger_than and size_told(options.larger_than),
        "of a VIN": options.vin,
        "of gate {}": options.gate,
    }
    names = tuple(name.format(value) for name, value in named.items() if value)
    return Wanted(tables, options.older_than, options.larger_than, options.vin.strip(), options.gate, names)
