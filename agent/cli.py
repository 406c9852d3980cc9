"""The commands, nothing else."""

import argparse
import errno
import io
import json
import os
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from agent import __version__, config, failpoint, logs, systemd
from agent.arguments import Command, parser
from agent.domain import Vin
from agent.errors import AgentError, BadConfig, Rejected, RetryLater

OK, FAILED, USAGE, CONFIG = 0, 1, 2, 78
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 is shown what it can show
    options = parser(COMMANDS).parse_args(arguments)
    try:
        return _done(options)
    except BadConfig as wrong:
        return _left(wrong, errno.EINVAL, CONFIG)
    except AgentError as trouble:
        return _left(trouble, errno.EIO, FAILED)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output has left, as `head` does.
        _end_output()
        return FAILED


def _done(options: argparse.Namespace) -> int:
    """Does what was asked for; raises `RetryLater` where the output goes to a disk that takes no more of it."""
    command: Command = options.command
    try:
        code = command(options)
        if sys.stdout:  # None for a program that was started without one
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as exc:
        # Of the agent itself, of a file or of a connection: not of the output.
        if command is _run or exc.filename is not None or exc.errno not in _NO_ROOM:
            raise
        _end_output()
        raise RetryLater(f"the output cannot be written: {exc}") from exc
    return code


def _end_output() -> None:
    """Python would complain once more when it flushes the rest at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _left(trouble: AgentError, number: int, code: int) -> int:
    logs.complain(f"vin-agent: {trouble}")
    systemd.failing(str(trouble), number)
    return code


def _run(options: argparse.Namespace) -> int:
    # What is about to be read needs no reload, and by itself the signal would end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = config.load(options.config)
    from agent import supervisor

    logs.to_stderr(settings.agent.log_level)
    failpoint.arm()
    return supervisor.run(settings, partial(config.load, options.config))


def _check(options: argparse.Namespace) -> int:
    settings = config.load(options.config)
    from agent.ocr import provider_class

    for name in settings.reading.chain:
        provider_class(name)
    cameras = ", ".join(camera.name for camera in settings.camera) or "none yet"
    print(f"{options.config}: right. Site {settings.agent.site}, cameras: {cameras}, readers: {', '.join(settings.reading.chain)}")
    return OK


def _demo(options: argparse.Namespace) -> int:
    from agent import demo

    if options.provider != "embedded" and not options.url:
        hint = "where it answers; `python -m tests.vendors` starts servers to try it with"
        print(f"vin-agent: --provider {options.provider} needs --url, {hint}", file=sys.stderr)
        return USAGE
    told = {"as_json": options.json, "outage": options.outage, "provider": options.provider, "url": options.url}
    return demo.run(options.vehicles, options.seed, **told)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder on the way that this user may not enter, a name no file system takes
        return False


def _read(options: argparse.Namespace) -> int:
    from agent import still

    if missing := next((path for path in options.pictures if not _is_there(path)), None):
        print(f"vin-agent: there is no file or folder {missing}", file=sys.stderr)
        return USAGE
    files = still.pictures_in(options.pictures)
    if not files:
        print(f"vin-agent: no picture (.jpg, .jpeg, .png) at {', '.join(map(str, options.pictures))}", file=sys.stderr)
        return USAGE
    # The embedded reader needs no settings: it is what tells whether an installation works.
    settings = config.Settings() if options.provider == "embedded" else config.load(options.config)
    if options.document:
        return OK if still.read_documents(files, as_json=options.json, provider=options.provider, settings=settings) else FAILED
    return OK if still.read_all(files, as_json=options.json, save=options.save, provider=options.provider, settings=settings) else FAILED


def _doctor(options: argparse.Namespace) -> int:
    settings = config.load(options.config)
    from agent import doctor, rounds

    if options.provider:
        findings = doctor.examine(options.provider, settings, call=options.call)
    elif options.at_rest:
        findings = rounds.at_rest(settings)
    else:
        findings = rounds.everything(settings, call=options.call)
    return OK if doctor.told(findings) else FAILED


def _queue(options: argparse.Namespace) -> int:
    settings = config.load(options.config)
    from agent.clerk import counter

    return counter.served(options, settings)


def _replay(options: argparse.Namespace) -> int:
    settings = config.load(options.config)
    from agent.clerk import counter

    return counter.replay(options, settings)


def _setup(options: argparse.Namespace) -> int:
    from agent import setup

    return OK if setup.run(options) else FAILED


def _decode(options: argparse.Namespace) -> int:
    from agent import vin

    try:
        found = vin.parse(options.vin)
    except Rejected as wrong:
        if options.json:
            print(json.dumps({"vin": options.vin, "valid": False, "error": str(wrong)}))
        else:
            print(f"vin-agent: {wrong}", file=sys.stderr)
        return FAILED
    right = found.check_digit != "fail"
    print(json.dumps({"vin": found.value, "valid": right, **asdict(found)}) if options.json else _told(found))
    return OK if right else FAILED


def _told(found: Vin) -> str:
    """What a VIN says, for a person."""
    verdicts = {
        "pass": f"right ({found.value[8]})",
        "fail": f"wrong: position 9 is {found.value[8]}, expected {found.expected_check_digit}",
        "not_applicable": f"not used there (position 9 is {found.value[8]}, it would be {found.expected_check_digit})",
    }
    rows = {
        "VIN": found.value,
        "maker": f"{found.manufacturer or 'unknown'} ({found.value[:3]})",
        "made in": ", ".join(filter(None, (found.country, found.region))) or "unknown",
        "model year": " or ".join(map(str, found.years)) or "unknown",
        "check digit": verdicts[found.check_digit],
    }
    return "\n".join(f"{name:<12} {value}" for name, value in rows.items())


def _bundle(options: argparse.Namespace) -> int:
    from agent import bundle, rounds

    def findings(settings: config.Settings) -> Iterator[str]:
        yield from (f"{'ok   ' if each.good else 'WRONG'}  {each.text}" for each in rounds.at_rest(settings))

    told = bundle.write(options.file, options.config, findings, vehicles=options.with_vehicles, force=options.force)
    print("\n".join((f"{options.file}: written, for you alone; in it are", *(f"  {each}" for each in told))))
    return OK


def _version(_options: argparse.Namespace) -> int:
    from agent import bundle

    print(f"vin-agent {__version__}, Python {platform.python_version()}, {platform.machine()}")
    print("\n".join(f"  {each}" for each in bundle.versions()))
    return OK


COMMANDS: dict[str, Command] = {
    "run": _run,
    "setup": _setup,
    "check": _check,
    "demo": _demo,
    "read": _read,
    "doctor": _doctor,
    "decode": _decode,
    "bundle": _bundle,
    "queue": _queue,
    "replay": _replay,
    "version": _version,
}
