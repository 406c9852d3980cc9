"""What a maintainer needs to see, in one archive: versions, settings, findings, figures, log and machine, and no secret."""

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from agent import __version__, config, figures, machine
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.scrub import Scrub, secrets_of, written_in

MOST_EVENTS, MOST_PICTURE_BYTES = 100, 20_000_000
CREDENTIALS = "credentials"  # the folder beside the settings, which the unit hands over
PACKAGES = (
    "opencv-python-headless", "numpy", "httpx", "paho-mqtt", "sqlitedict", "vininfo", "rapidocr", "onnxruntime", "zxing-cpp", "picamera2",
)  # fmt: skip


def settings_of(file: Path) -> tuple[config.Settings, str]:
    """The settings, with the secrets the service has beside them; where they are wrong the defaults, and the sentence that says so."""
    beside = {"CREDENTIALS_DIRECTORY": str(file.parent / CREDENTIALS)}
    try:
        return config.load(file, {**beside, **os.environ}), ""
    except AgentError as wrong:
        return config.Settings(), str(wrong)


def _beside(file: Path) -> Iterator[str]:
    """Secrets that count also where the settings beside them cannot be read."""
    yield from (value for name, value in os.environ.items() if name.startswith("VIN_AGENT_"))
    yield from written_in(_text(file))
    with suppress(OSError):
        yield from (_text(each).rstrip("\n") for each in (file.parent / CREDENTIALS).iterdir())


def _text(file: Path) -> str:
    """Empty where it cannot be read: no other secret may show for that."""
    try:
        return file.read_text("utf-8", "replace") if file.is_file() else ""  # a pipe would be waited for
    except OSError:
        return ""


def _is_there(place: Path) -> bool:
    """False also where this user may not look."""
    with suppress(OSError):
        return place.exists()
    return False


def write(place: Path, file: Path, findings: Callable[[config.Settings], Iterable[str]], *, vehicles: bool, force: bool) -> list[str]:
    """Makes the archive, for its owner alone, and returns the names of what is in it; raises `NeedsOperator` where it may not be made."""
    there = _is_there(place)
    if not place.name or (there and not place.is_file()):
        raise NeedsOperator(f"{place} is no file: name one to be made, or to be overwritten")
    if there and not force:
        raise NeedsOperator(f"{place} is there already: name another file, or overwrite it with --force")
    settings, wrong = settings_of(file)
    scrub = Scrub([*secrets_of(settings), *_beside(file)], vehicles=vehicles)
    texts = {
        "versions.txt": _versions(),
        "settings.json": f"{wrong}\n" if wrong else _json(config.as_dict(settings)),
        "doctor.txt": "" if wrong else "".join(f"{line}\n" for line in findings(settings)),
        "store.json": _json(figures.figures(settings.agent.state_dir)),
        "system.txt": machine.system(),
        "disk.txt": machine.disk(settings.agent.state_dir),
        "kernel.txt": machine.kernel(),
        "unit.txt": machine.unit(),
        "journal.txt": machine.journal(),
        "certificates.txt": machine.certificates(settings),
    }
    contents = {name: scrub(text).encode("utf-8", "replace") for name, text in texts.items()}
    if vehicles:
        events, pictures = figures.vehicles(settings.agent.state_dir, MOST_EVENTS, MOST_PICTURE_BYTES)
        contents["events.json"] = scrub(_json(events)).encode()
        contents |= {f"pictures/{name}": picture for name, picture in pictures.items()}
    _save(place, _packed(contents))
    return [_told(name, content) for name, content in contents.items() if not name.startswith("pictures/")]


def _told(name: str, content: bytes) -> str:
    lacks = next((line for line in content.decode("utf-8", "replace").splitlines() if "could not be had" in line), "")
    return f"{name}: {lacks[:200]}" if lacks else name


def versions() -> list[str]:
    """Each package this is made of, and which of them are missing."""
    lines = []
    for package in PACKAGES:
        try:
            lines.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{package}: not installed")
    return lines


def _versions() -> str:
    return "\n".join((f"vin-agent {__version__}", *versions(), ""))


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"


def _packed(contents: Mapping[str, bytes]) -> bytes:
    """The same bytes for the same contents: no times, no owners, in order."""
    packed = io.BytesIO()
    # mtime=0 and no file name: gzip would write both into its header.
    with (
        gzip.GzipFile("", "wb", mtime=0, fileobj=packed) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in sorted(contents.items()):
            entry = tarfile.TarInfo(f"vin-agent-bundle/{name}")
            entry.size, entry.mode = len(content), 0o600
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _save(place: Path, content: bytes) -> None:
    """Never for a moment readable by others, and never half there."""
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.replace(place)
    except OSError as exc:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise RetryLater(f"{place} cannot be written: {exc.strerror}; name a file in a folder you may write to") from exc
