"""What setup leaves on the disk: the settings in one step or not at all, each secret in a file of its own."""

import contextlib
import grp
import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent import config
from agent.damage import sync_folder
from agent.errors import NeedsOperator
from agent.setup.answers import Answers

CREDENTIALS = "credentials"
_GROUP = "vin-agent"
_HEAD = """# Written by `vin-agent setup`, which may be run again. Every other key, its default and what it is for: config/agent.toml of the
# sources. Secrets are in credentials/ beside this file, one each, named as their key.
"""


def shown(file: Path, answers: Answers) -> str:
    """The settings as they are going to be written, and the names of the secrets."""
    secrets = "".join(f"\n# secret: {CREDENTIALS}/{name}" for name, secret in sorted(answers.secrets.items()) if secret)
    return f"{_HEAD}{''.join(_tables(_merged(file, answers)))}{secrets}\n"


def write(file: Path, answers: Answers) -> config.Settings:
    """Writes secrets, then settings; returns what a start would read. Raises `BadConfig` and leaves the settings where they are wrong.

    `NeedsOperator` where the disk does not take them.
    """
    folder, new = file.parent / CREDENTIALS, file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, secret in answers.secrets.items():
            if secret:
                _write(folder / name, f"{secret}\n", 0o600)
            else:
                (folder / name).unlink(missing_ok=True)
        text = shown(file, answers)
        _write(new, text, 0o640)
        _hand_over(file.parent, new)
        settings = config.load(new, {"CREDENTIALS_DIRECTORY": str(folder)})
        if file.exists():
            shutil.copy2(file, f"{file}.bak")
        new.replace(file)
        sync_folder(file.parent)
    except OSError as exc:
        raise NeedsOperator(f"{file} cannot be written: {exc.strerror or exc}; look at the disk and its rights") from exc
    finally:
        with contextlib.suppress(OSError):
            new.unlink()
    return settings


def _write(file: Path, text: str, mode: int) -> None:
    """Whole or not at all, and never readable by more than `mode` says."""
    beside = file.with_name(f".{file.name}.part")
    beside.unlink(missing_ok=True)
    beside.touch(mode=mode & 0o600)
    with beside.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fchmod(handle.fileno(), mode)
        os.fsync(handle.fileno())
    beside.replace(file)


def _hand_over(*paths: Path) -> None:
    """To the service's group, where root writes and there is one: it reads its settings and cannot change them."""
    with contextlib.suppress(KeyError):
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, 0, grp.getgrnam(_GROUP).gr_gid)


def _merged(file: Path, answers: Answers) -> dict[str, Any]:
    """What the file says, with the answers over it: a key nobody asked about stays."""
    try:
        said = tomllib.loads(file.read_text("utf-8"))
        config.load(file, {"CREDENTIALS_DIRECTORY": str(file.parent / CREDENTIALS)})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, NeedsOperator):
        said = {}
    said = {"agent": {}, "camera": [], "mqtt": {}, "reading": {}} | said
    for name in ("agent", "mqtt", "reading"):
        said[name] |= {key: value for key, value in getattr(answers, name).items() if value != ""}
    for key in ("ca_file", "user"):
        if not answers.mqtt[key]:
            said["mqtt"].pop(key, None)
    said["mqtt"].pop("password", None)
    first, *others = said["camera"] or [{}]
    said["camera"] = [{**first, **answers.camera}, *others]
    for section, keys in answers.provider.items():
        said["provider"] = {**said.get("provider", {}), section: {**said.get("provider", {}).get(section, {}), **keys}}
    return said


def _tables(values: dict[str, Any], where: tuple[str, ...] = ()) -> Iterator[str]:
    """TOML of plain values, tables and lists of tables, each key on its line."""
    plain = {key: value for key, value in values.items() if not isinstance(value, dict) and not _is_tables(value)}
    yield from (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in plain.items())
    for key, value in values.items():
        name = ".".join((*where, key))
        for table in value if _is_tables(value) else [value] if isinstance(value, dict) else []:
            yield f"\n[[{name}]]\n" if _is_tables(value) else f"\n[{name}]\n"
            yield from _tables(table, (*where, key))


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
