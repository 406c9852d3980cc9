"""R30: fifty files that are no configuration, or an odd one; none of them starts anything, and each is told in one line with its place."""

import contextlib
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent import cli, config
from agent.store import Store
from tests import samples
from tests.chaos.row import Row
from tests.chaos.wrong_files import RIGHT, WRONG

CONFIG_EXIT = 78
COMMANDS = ("check", "run")  # the second as a process alone: where a file is taken for right, it runs
BY_PROCESS = ("an unknown key", "a password of another kind", "two bytes for each character")  # in the short form


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    said: str


Start = Callable[[str, Path], Ended]


def fault(folder: Path, full: bool) -> Row:
    """The short form asks the command in this process, and a few times as a process of its own; the full one always as a process."""
    before = _store(folder / "state")
    bad, files = list[str](), 0
    for name, file, line, words in _files(folder):
        files += 1
        for command in COMMANDS if words else COMMANDS[:1]:
            by_process = full or name in BY_PROCESS
            for start in (_process,) if by_process else (_within,) if command == "check" else ():
                if trouble := _judged(start(command, file), file, line, words):
                    bad.append(f"{name}, {command}: {trouble}")
    for each in bad:
        print(each, file=sys.stderr)
    touched = _digest(folder / "state") != before
    told = files - len({each.partition(",")[0] for each in bad})
    note = f"{told} of {files} as they should be: one line with file, line and key, exit code {CONFIG_EXIT}"
    return Row(fault="configuration of every wrong kind", times=f"{files} files", lost=int(touched), ok=not bad and files >= 50, note=note)


def _files(folder: Path) -> Iterator[tuple[str, Path, int, str]]:
    """Name, file, line and words of the complaint; no words for one that is right."""
    state = json.dumps(str(folder / "state"))[1:-1].encode()
    for number, (name, wrong) in enumerate(WRONG.items()):
        file = folder / f"{number}.toml"
        file.write_bytes(wrong.content.replace(b"STATE", state))
        yield name, file, wrong.line, wrong.words
    for number, password in enumerate(RIGHT):
        file = folder / f"right-{number}.toml"
        file.write_text(
            f'[agent]\nstate_dir = "{state.decode()}"\n[mqtt]\npassword = {json.dumps(password, ensure_ascii=False)}\n', "utf-8"
        )
        arrived = config.load(file, {}).mqtt.password.reveal()
        assert arrived == password, f"{password!r} arrives as {arrived!r}"
        yield f"the password {password!r}", file, 0, ""
    (folder / "folder.toml").mkdir()
    (folder / "loop.toml").symlink_to("loop.toml")
    yield "a folder", folder / "folder.toml", 0, "cannot be read: Is a directory"
    yield "a link to itself", folder / "loop.toml", 0, "cannot be read: Too many levels of symbolic links"
    yield "a file that cannot be read", Path("/proc/self/mem"), 0, "cannot be read: Input/output error"
    yield "a file that is missing", folder / "none.toml", 0, "there is no such file"


def _judged(ended: Ended, file: Path, line: int, words: str) -> str:
    """What is wrong with how a command took a file; empty where nothing is."""
    if "Traceback" in ended.said or "s3cret-word" in ended.said:
        return f"shows what it must not show: {ended.said[-200:]}"
    if not words:
        return "" if ended.code == 0 else f"ended with {ended.code}: {ended.said}"
    if ended.code != CONFIG_EXIT:
        return f"ended with {ended.code}, not {CONFIG_EXIT}"
    place = f"vin-agent: {file}:{line}: " if line else "vin-agent: "
    if not ended.said.startswith(place) or words not in ended.said or not ended.said.rstrip("\n").isprintable():
        return f"said {ended.said!r}, expected {place!r} and {words!r}"
    return ""


def _within(command: str, file: Path) -> Ended:
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        code = cli.main([command, "--config", str(file)])
    return Ended(code, said.getvalue())


def _process(command: str, file: Path) -> Ended:
    arguments = [sys.executable, "-m", "agent", command, "--config", str(file)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    return Ended(done.returncode, done.stderr)


def _store(state: Path) -> str:
    """A store with a vehicle and an event that wait; what its files hold."""
    with Store.open(state, config.Store(free_mb=1), samples.NOW.utc_ms) as store:
        store.spool.put(samples.CAPTURE, samples.NOW.utc_ms)
        store.outbox.put(samples.event(1), samples.NOW.utc_ms)
    return _digest(state)


def _digest(state: Path) -> str:
    """Of the name and content of every file: nothing is written, and nothing laid beside."""
    files = sorted(state.rglob("*"))
    return hashlib.sha256(b"".join(f"{file.name}\0".encode() + file.read_bytes() for file in files if file.is_file())).hexdigest()
