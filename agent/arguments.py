"""What can be typed after `vin-agent`: every command, its options, and what its help says."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from agent import __version__
from agent.arguments_queue import add_queue, add_replay

DEFAULT_CONFIG = Path("/etc/vin-agent/agent.toml")

Command = Callable[[argparse.Namespace], int]
Commands = argparse._SubParsersAction  # noqa: SLF001  # argparse has no public name for what add_subparsers returns


def parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Understands a command line; what it answers with carries the command of that name as `command`."""
    made = argparse.ArgumentParser(
        prog="vin-agent",
        description="Reads vehicle identification numbers at a camera gateway and publishes them over MQTT.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration.",
    )
    made.add_argument("--version", action="version", version=f"vin-agent {__version__}")
    offered = made.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, add in _ADD.items():
        add(offered).set_defaults(command=commands[name])
    return made


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="the settings (default: %(default)s)")


def _run(commands: "Commands[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    run = commands.add_parser("run", help="watch the gate until told to stop (what systemd starts)")
    _add_config(run)
    return run


def _setup(commands: "Commands[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    setup = commands.add_parser(
        "setup",
        help="ask what this gateway is to watch, write the settings, and start the service",
        description="Asks for site, gate, camera, broker and reader, writes the settings, looks the device over as the doctor does, and "
        "starts the service. Nothing is changed before the last answer. Exit code 0 if all is well, 1 if not.",
        epilog="An answers file is TOML with the same names, such as site, camera, host, password, secret_key.",
    )
    setup.add_argument("--answers", type=Path, metavar="FILE", help="take the answers from this TOML file")
    setup.add_argument("--yes", action="store_true", help="ask nothing: what is not answered by file or option keeps its default")
    for name, words in _ANSWERS.items():
        setup.add_argument(f"--{name}", metavar=name.upper(), help=words)
    setup.add_argument("--tls", action=argparse.BooleanOptionalAction, help="encrypt, and verify the broker's certificate")
    secret = "a key or password, read from a file so that no list of processes shows it, such as password=FILE"  # noqa: S105
    setup.add_argument("--secret", action="append", default=[], metavar="NAME=FILE", help=secret)
    setup.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a reader's key that is no secret: project_id=…")
    setup.add_argument("--no-start", action="store_true", help="write the settings, look nothing over and start nothing")
    _add_config(setup)
    return setup


_ANSWERS = {
    "site": "the yard this gateway stands in",
    "gate": "the gate its camera watches",
    "camera": "number of a CSI camera, /dev/v4l/by-id/…, rtsp://…, http://… or a folder of pictures",
    "host": "name or address of the broker",
    "port": "its port",
    "ca": "the authority that signed the broker's certificate, a PEM file",
    "user": "the login at the broker",
    "provider": "who reads: embedded, or a cloud reader",
}


def _check(commands: "Commands[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    check = commands.add_parser("check", help="say whether a configuration is right, and start nothing")
    _add_config(check)
    return check


def _demo(commands: "Commands[argparse.ArgumentParser]") -> argparse.ArgumentParser:
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
    return demo


def _read(commands: "Commands[argparse.ArgumentParser]") -> argparse.ArgumentParser:
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
    return read


def _doctor(commands: "Commands[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    doctor = commands.add_parser(
        "doctor",
        help="say what keeps this gateway from working",
        description="Looks at settings, store, readers, cameras and broker, one sentence each; of a cloud reader at keys, name, "
        "connection, certificate, clock, rights and budget. Exit code 0 if all is well, 1 if not.",
    )
    which = doctor.add_mutually_exclusive_group()
    which.add_argument("--provider", metavar="NAME", help="this reader alone")
    which.add_argument("--at-rest", action="store_true", help="only what touches neither network nor camera: what an upgrade asks first")
    doctor.add_argument("--call", action="store_true", help="have one small picture read too; a cloud reader is paid for it")
    _add_config(doctor)
    return doctor


def _decode(commands: "Commands[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    decode = commands.add_parser("decode", help="say what a VIN means, or what is wrong with it")
    decode.add_argument("vin", metavar="VIN", help="seventeen characters")
    decode.add_argument("--json", action="store_true", help="as one JSON object")
    return decode


def _bundle(commands: "Commands[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    bundle = commands.add_parser(
        "bundle",
        help="pack what a maintainer needs to see into one file, without secrets",
        description="Packs versions, settings with their secrets masked, what the doctor finds at rest, the store in figures, the log and "
        "what the machine tells of itself. Works beside an agent that runs; without root it says what it could not have.",
    )
    bundle.add_argument("file", type=Path, metavar="FILE.tar.gz", help="where to; only its owner may read it")
    bundle.add_argument(
        "--with-vehicles", action="store_true", help="leave VINs in, and put the newest events and pictures in: personal data"
    )
    bundle.add_argument("--force", action="store_true", help="overwrite the file")
    _add_config(bundle)
    return bundle


def _version(commands: "Commands[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    return commands.add_parser("version", help="say which version this is, and of what it is made")


def _count(text: str) -> int:
    if not text.isdigit() or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError(f"a whole number from 0 to 1000000 is wanted, not {text!r}")
    return int(text)


# In the order in which the help shows them.
_ADD: dict[str, Callable[["Commands[argparse.ArgumentParser]"], argparse.ArgumentParser]] = {
    "setup": _setup,
    "run": _run,
    "check": _check,
    "doctor": _doctor,
    "read": _read,
    "decode": _decode,
    "queue": lambda commands: add_queue(commands, _add_config),
    "replay": lambda commands: add_replay(commands, _add_config),
    "demo": _demo,
    "bundle": _bundle,
    "version": _version,
}
