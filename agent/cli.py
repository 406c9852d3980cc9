"""The commands, nothing else."""

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from agent import __version__, config
from agent.domain import Vin
from agent.errors import AgentError, BadConfig, Rejected

OK, FAILED, USAGE, CONFIG = 0, 1, 2, 78
DEFAULT_CONFIG = Path("/etc/vin-agent/agent.toml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except BadConfig as wrong:
        print(f"vin-agent: {wrong}", file=sys.stderr)
        return CONFIG
    except AgentError as trouble:
        print(f"vin-agent: {trouble}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output has left, as `head` does; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vin-agent",
        description="Reads vehicle identification numbers at a camera gateway and publishes them over MQTT.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration.",
    )
    parser.add_argument("--version", action="version", version=f"vin-agent {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_check(commands)
    _add_demo(commands)
    _add_read(commands)
    _add_doctor(commands)
    _add_decode(commands)
    version = commands.add_parser("version", help="say which version this is, and of what it is made")
    version.set_defaults(command=_version)
    return parser


Commands = argparse._SubParsersAction  # noqa: SLF001  # argparse has no public name for what add_subparsers returns


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="the settings (default: %(default)s)")


def _add_run(commands: "Commands[argparse.ArgumentParser]") -> None:
    run = commands.add_parser("run", help="watch the gate until told to stop (what systemd starts)")
    _add_config(run)
    run.set_defaults(command=_run)


def _add_check(commands: "Commands[argparse.ArgumentParser]") -> None:
    check = commands.add_parser("check", help="say whether a configuration is right, and start nothing")
    _add_config(check)
    check.set_defaults(command=_check)


def _add_demo(commands: "Commands[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser(
        "demo",
        help="the whole agent on this machine alone: rendered vehicles, embedded reader, a broker of its own",
        description="Drives rendered vehicles past a gate and shows each event as the yard would see it. "
        "Needs no account, no camera and no network. Exit code 0 only if every vehicle was told right.",
    )
    demo.add_argument("--vehicles", type=_count, default=3, metavar="N", help="how many drive past (default: %(default)s)")
    demo.add_argument("--seed", type=_count, default=1, metavar="N", help="the same number shows the same vehicles (default: %(default)s)")
    demo.add_argument("--json", action="store_true", help="one event per line on standard output, nothing else there")
    demo.add_argument("--outage", action="store_true", help="take the broker away in the middle and bring it back: nothing is lost")
    demo.add_argument("--provider", default="embedded", metavar="NAME", help="who reads (default: %(default)s)")
    where = "where a cloud reader answers, such as http://127.0.0.1:8800 of `python -m tests.vendors`, whose keys are taken unless set"
    demo.add_argument("--url", default="", metavar="URL", help=where)
    demo.set_defaults(command=_demo)


def _add_read(commands: "Commands[argparse.ArgumentParser]") -> None:
    read = commands.add_parser(
        "read",
        help="find and read the VIN in pictures",
        description="Finds the VIN in each picture, has it read and says what to think of it. A cloud reader is paid for each call, "
        "within the budget of the gate and on its books. Exit code 0 if every picture gave an accepted VIN, 1 if not.",
    )
    read.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE", help="a JPEG or PNG file, or a folder of them")
    read.add_argument("--json", action="store_true", help="one JSON object per picture and line, instead of a table")
    read.add_argument("--save", type=Path, metavar="DIR", help="write the pictures that were read, and each picture with the box drawn")
    read.add_argument(
        "--provider", default="embedded", metavar="NAME", help="who reads (default: %(default)s); a cloud reader's keys stand in --config"
    )
    read.add_argument("--document", action="store_true", help="read whole licences and show every field, personal data included")
    _add_config(read)
    read.set_defaults(command=_read)


def _add_doctor(commands: "Commands[argparse.ArgumentParser]") -> None:
    doctor = commands.add_parser(
        "doctor",
        help="say what keeps a provider from reading",
        description="Looks at keys, name, connection, certificate, clock, rights and budget of the readers, one sentence each. "
        "Exit code 0 if all is well, 1 if not.",
    )
    doctor.add_argument("--provider", metavar="NAME", help="this one alone (default: every reader of reading.chain)")
    doctor.add_argument("--call", action="store_true", help="have one small picture read too; a cloud reader is paid for it")
    _add_config(doctor)
    doctor.set_defaults(command=_doctor)


def _add_decode(commands: "Commands[argparse.ArgumentParser]") -> None:
    decode = commands.add_parser("decode", help="say what a VIN means, or what is wrong with it")
    decode.add_argument("vin", metavar="VIN", help="seventeen characters")
    decode.add_argument("--json", action="store_true", help="as one JSON object")
    decode.set_defaults(command=_decode)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError(f"a whole number from 0 to 1000000 is wanted, not {text!r}")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    settings = config.load(options.config)
    from agent import logs, supervisor

    logs.to_stderr(settings.agent.log_level)
    return supervisor.run(settings)


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


def _read(options: argparse.Namespace) -> int:
    from agent import still

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
    from agent import doctor

    well = True
    for name in [options.provider] if options.provider else settings.reading.chain:
        for finding in doctor.examine(name, settings, call=options.call):
            print(f"{'ok   ' if finding.good else 'WRONG'}  {finding.text}", flush=True)
            well &= finding.good
    return OK if well else FAILED


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


def _version(_options: argparse.Namespace) -> int:
    from importlib import metadata

    print(f"vin-agent {__version__}, Python {platform.python_version()}, {platform.machine()}")
    for package in (
        "opencv-python-headless",
        "numpy",
        "httpx",
        "paho-mqtt",
        "sqlitedict",
        "vininfo",
        "rapidocr",
        "onnxruntime",
        "picamera2",
    ):
        try:
            print(f"  {package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            print(f"  {package}: not installed")
    return OK
