"""The doctor's rounds over the whole device: settings, store, readers, cameras, broker; nothing that runs is disturbed."""

import importlib
import multiprocessing
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from agent import __version__, books, config, damage, doctor, twins
from agent.camera import open_camera
from agent.clock import Clock, rfc3339
from agent.doctor import Finding
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.events import Message
from agent.handover import copied
from agent.identity import Identity, identify
from agent.mqtt import Link
from agent.ocr.cloud import sample
from agent.ocr.embedded import Embedded
from agent.refuge import unwritable
from agent.sqlite import MB
from agent.store import Store
from agent.vision import zxing

SAMPLE = "1M8GDM9AXKP042788"  # what stands in the small picture every reader is tried with
SERVICE = "vin-agent"  # the user the unit names
ANSWER_S = 5.0
DAY_MS = 86_400_000
_ROOM = Path("/var/tmp")  # noqa: S108  # on a disk, where /tmp may be memory; what is made there has a name of its own
_SPARE = 16 * MB
_SPAWN = multiprocessing.get_context("spawn")

Look = Callable[[], Iterator[Finding]]


def at_rest(settings: config.Settings) -> Iterator[Finding]:
    """What can be told without network and cameras: whether this release can take over from the one that runs.

    The settings are right, or there were none; who this agent is, is not asked: the image for a card is nobody yet.
    """
    yield from _each(_programs, lambda: _store(settings))
    yield from _each(*(lambda each=name: _reader(each, settings) for name in settings.reading.chain))


def everything(settings: config.Settings, *, call: bool = False) -> Iterator[Finding]:
    """Finding after finding about the whole device; one part that is wrong keeps no other from being looked at."""
    yield from _each(lambda: _named(settings), lambda: _store(settings))
    for name in settings.reading.chain:
        yield from doctor.examine(name, settings, call=call)
    if "embedded" in settings.reading.chain:
        yield from _each(lambda: _reader("embedded", settings))
    yield from _barcodes(settings)
    yield from cameras(settings)
    yield from broker(settings)


def _each(*looks: Look) -> Iterator[Finding]:
    for look in looks:
        try:
            yield from look()
        except AgentError as trouble:
            yield Finding(False, str(trouble))


def _programs() -> Iterator[Finding]:
    """An error here is a mistake of this release or of its packages, and is shown as it is."""
    for name in ("agent.supervisor", "agent.watch"):
        importlib.import_module(name)
    yield Finding(True, f"programs: this is version {__version__}, and all of it loads")


def _named(settings: config.Settings) -> Iterator[Finding]:
    yield Finding(True, f"settings: right; this agent speaks as {identify(settings).topics.root}")


def _store(settings: config.Settings) -> Iterator[Finding]:
    """Opens a copy as the agent would at its start, which brings it up to this release: the store itself is only read."""
    state_dir = settings.agent.state_dir
    with damage.usable(state_dir):
        trouble, file = unwritable(state_dir), state_dir / damage.FILE
        size = file.stat().st_size if file.exists() else 0
    if trouble:
        yield Finding(False, f"store: {state_dir} cannot be written: {trouble}; the agent tells vehicles from memory, lost with the power")
        return
    if not size:
        yield Finding(True, f"store: {state_dir} holds none yet; the first start makes it")
        return
    if shutil.disk_usage(_ROOM).free < size + _SPARE:
        raise NeedsOperator(f"store: {_ROOM} has no room for a copy of {size / MB:.0f} MB to look over; free some space")
    with tempfile.TemporaryDirectory(prefix="vin-agent-", dir=_ROOM) as folder:
        copied(file, Path(folder, damage.FILE))
        with Store.open(Path(folder), settings.store, Clock().now().utc_ms) as store:
            waiting = f"{len(store.spool)} vehicles to be read, {len(store.outbox)} events to be sent"
            if store.losses:
                raise RetryLater(f"store: {file} is damaged ({store.losses[0].detail}); the next start keeps it beside a new one")
    yield Finding(True, f"store: {file} is sound and of use to this release: {waiting}")


def _reader(name: str, settings: config.Settings) -> Iterator[Finding]:
    """The embedded reader reads; of the others it is settled by the settings that they can be asked."""
    if name != "embedded":
        yield Finding(True, f"{name}: has what it needs to be asked")
        return
    with Embedded(settings) as reader:
        reading = reader.read(sample())
    if reading.text != SAMPLE:
        raise NeedsOperator(f"embedded: read {reading.text!r} where {SAMPLE} stands; this machine or its packages compute wrong")
    yield Finding(True, f"embedded: read the sample right in {reading.latency_ms} ms")


def _barcodes(settings: config.Settings) -> Iterator[Finding]:
    """Not at rest: a release that reads none does its work all the same."""
    if not settings.vision.barcodes:
        yield Finding(True, "barcodes: not wanted (vision.barcodes)")
    elif trouble := zxing.trouble():
        yield Finding(False, f"{trouble}, or set vision.barcodes = false; vehicles are read without them")
    else:
        yield Finding(True, "barcodes: read one that was drawn for it")


def cameras(settings: config.Settings) -> Iterator[Finding]:
    """Whether each camera gives a picture; one that the running agent holds is left to it."""
    if not settings.camera:
        yield Finding(False, "camera: none is set; add a [[camera]] section")
    if settings.camera and in_service():
        yield Finding(True, "camera: left to the agent, which runs; its word on them is in the topics camera/<name>/status")
        return
    for camera in settings.camera:
        yield from _each(lambda camera=camera: _camera(camera))  # type: ignore[misc]  # camera is bound


def in_service() -> bool:
    """Whether systemd runs the agent at this moment."""
    try:
        asked = subprocess.run(["systemctl", "is-active", "vin-agent.service"], capture_output=True, check=False, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _camera(camera: config.Camera) -> Iterator[Finding]:
    """In a process of its own, as always: what hangs in native code can only be killed."""
    began, (ours_, theirs) = time.monotonic(), _SPAWN.Pipe()
    process = _SPAWN.Process(target=_first_frame, args=(camera, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        said: tuple[bool, str] | None = ours_.recv() if ours_.poll(camera.start_s) else None
    except EOFError:
        said = (False, "its process ended without a word: the driver has crashed")
    finally:
        process.kill()
        process.join()
    good, text = said or (False, f"it gave no picture within {camera.start_s:g} s; check cable, power and address")
    took = f" after {time.monotonic() - began:.1f} s" if good else ""
    yield Finding(good, f"camera {camera.name}: {text}{took}")


def _first_frame(camera: config.Camera, pipe: "Connection[tuple[bool, str], None]") -> None:
    _as_the_service()
    try:
        with open_camera(camera, Clock()) as source:
            frame = source.read()
            pipe.send((True, "gives no pictures any more") if frame is None else (True, "gives pictures of {} x {}".format(*frame.size)))
    except (AgentError, OSError) as trouble:
        pipe.send((False, str(trouble)))


def _as_the_service() -> None:
    """What root can open says nothing of what the service can."""
    try:
        user = pwd.getpwnam(SERVICE)
    except KeyError:
        return
    if os.geteuid() == 0:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def broker(settings: config.Settings) -> Iterator[Finding]:
    """Whether the broker lets the agent in and takes its messages, and whether another client wears its name."""
    yield from _each(lambda: _broker(settings, identify(settings)), lambda: _twin(settings, identify(settings)))


def _twin(settings: config.Settings, identity: Identity) -> Iterator[Finding]:
    """As the agent has noted it: who logged in under its id to find out would throw it out."""
    with books.opened(settings.agent.state_dir, settings.store) as kept:
        known = kept.fact(twins.FACT)
    now_ms = Clock().now().utc_ms
    if known and known["client_id"] == identity.client_id and abs(now_ms - known["at_ms"]) < DAY_MS:
        since = f"last noted {rfc3339(known['at_ms'])[:16].replace('T', ' ')} UTC"
        yield Finding(False, f"broker: another client logs in as {identity.client_id} ({since}); give every agent its own mqtt.client_id")


def _broker(settings: config.Settings, identity: Identity) -> Iterator[Finding]:
    """Logs in beside the agent and has the broker acknowledge one empty message, which nobody keeps."""
    word = Message(f"{identity.topics.root}/doctor", b"")
    with Link(settings.mqtt, f"{identity.client_id}-doctor", word) as link:
        yield Finding(True, f"broker: {link.where} takes the login")
        link.publish(word)
        deadline, answered = time.monotonic() + ANSWER_S, link.take_acknowledged()
        while not answered and time.monotonic() < deadline:
            link.check()
            link.wait(0.2)
            answered = link.take_acknowledged()
    if not answered:
        raise RetryLater(f"broker: {settings.mqtt.host} acknowledged nothing within {ANSWER_S:g} s; look into its log")
    if refused := answered[0][1]:
        raise NeedsOperator(f"broker: refuses messages below {identity.topics.root} ({refused}); allow them in its access list")
    yield Finding(True, f"broker: takes messages below {identity.topics.root}")
