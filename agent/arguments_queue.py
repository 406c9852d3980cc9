"""What can be typed after `vin-agent queue` and `vin-agent replay`: the filters, and what is done with what fits them."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from agent import spans

_Value = TypeVar("_Value")
Added = argparse._SubParsersAction  # noqa: SLF001  # argparse has no public name for what add_subparsers returns
AddConfig = Callable[[argparse.ArgumentParser], None]


def add_queue(commands: "Added[argparse.ArgumentParser]", add_config: AddConfig) -> argparse.ArgumentParser:
    queue = commands.add_parser(
        "queue",
        help="look at what waits and what was sent, and mend or clear the store",
        description="Looks at the vehicles and events of the store, and changes them, beside an agent that may be running. "
        "VINs are shown as they are. Exit code 0 if all is well, 1 if not.",
    )
    tasks = queue.add_subparsers(title="tasks", dest="task", required=True, metavar="TASK")
    for name, (words, add) in _TASKS.items():
        task = tasks.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        add(task)
        add_config(task)
    return queue


def add_replay(commands: "Added[argparse.ArgumentParser]", add_config: AddConfig) -> argparse.ArgumentParser:
    replay = commands.add_parser(
        "replay",
        help="have events that were sent go out once more",
        description="Has events that were sent, and are still kept, go out once more: the same ids and numbers, marked replay, after all "
        "that waits and at the rate of a backlog. The time is that of the commit, `recordedtime` in the event.",
    )
    when = "such as 2026-03-14T06:00:00Z, 2h ago or now"
    replay.add_argument("--from", dest="since", type=_as(spans.moment), required=True, metavar="TIME", help=f"from then on, {when}")
    replay.add_argument(
        "--to", dest="until", type=_as(spans.moment), default=spans.moment("now"), metavar="TIME", help="before then (default: now)"
    )
    replay.add_argument("--gate", default="", metavar="GATE", help="this gate alone")
    replay.add_argument("--vin", default="", metavar="VIN", help="this VIN alone, or those that begin so")
    add_config(replay)
    return replay


def _list(task: argparse.ArgumentParser) -> None:
    task.add_argument("--sent", action="store_true", help="also what was sent and is still kept")
    task.add_argument("--json", action="store_true", help="one JSON object per line, instead of a table")
    _add_filters(task)


def _show(task: argparse.ArgumentParser) -> None:
    task.add_argument("read_id", metavar="READ_ID", help="as `queue list` shows it")
    task.add_argument("--save", type=Path, metavar="DIR", help="write its pictures and its event there")
    task.add_argument("--json", action="store_true", help="as one JSON object")


def _retry(task: argparse.ArgumentParser) -> None:
    which = task.add_mutually_exclusive_group(required=True)
    which.add_argument("read_id", nargs="?", default="", metavar="READ_ID", help="this vehicle")
    which.add_argument("--all", action="store_true", help="every vehicle")


def _export(task: argparse.ArgumentParser) -> None:
    task.add_argument("file", metavar="FILE", help="where to; - is standard output")
    task.add_argument("--pictures", type=Path, metavar="DIR", help="write the pictures of these vehicles there")
    _add_only(task)
    _add_filters(task)


def _purge(task: argparse.ArgumentParser) -> None:
    task.add_argument("--all", action="store_true", help="every vehicle there is; else at least one filter is asked for")
    task.add_argument("--yes", action="store_true", help="ask nothing")
    _add_only(task)
    _add_filters(task)


def _nothing(_task: argparse.ArgumentParser) -> None:
    pass


def _add_only(task: argparse.ArgumentParser) -> None:
    task.add_argument("--only", choices=("unsent", "sent"), help="those that wait, or those that were sent (default: both)")


def _add_filters(task: argparse.ArgumentParser) -> None:
    task.add_argument("--older-than", type=_as(spans.age_ms), metavar="AGE", help="put longer ago than that: 90s, 15m, 2h, 3d, 1w")
    task.add_argument("--larger-than", type=_as(spans.size_bytes), metavar="SIZE", help="with more bytes of pictures than that: 100K, 2M")
    task.add_argument("--vin", default="", metavar="TEXT", help="whose VIN is that or begins so; of those without one, what was read of it")
    task.add_argument("--gate", default="", metavar="GATE", help="of this gate")


def _as(parse: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """argparse shows the sentence of its own error alone."""

    def parsed(text: str) -> _Value:
        try:
            return parse(text)
        except ValueError as wrong:
            raise argparse.ArgumentTypeError(str(wrong)) from None

    return parsed


# In the order in which the help shows them.
_TASKS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "list": ("what waits, and what was sent, a line each", _list),
    "show": ("everything about one vehicle: readings, pictures, event", _show),
    "retry": ("end the wait of a vehicle that could not be read", _retry),
    "export": ("write events as JSON lines", _export),
    "verify": ("look the store over, every row of it, and change nothing", _nothing),
    "repair": ("mend what can be mended; what is sound stays as it is", _nothing),
    "purge": ("delete vehicles and events for good, and have the yard told", _purge),
}
