"""The package's life on a clean machine of either release: installed, set up, exchanged, broken, taken back, removed, purged."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import cv2
import pytest

from agent import __version__
from agent.camera.scene import Scene
from tests.broker import Broker, Rules, Subscriber
from tests.device.boot import Machine
from tests.device.packages import package, release
from tests.device.trees import run_in, scratch, tree

# What the package depends on, a first process, and one module of apt's that was compiled against the system's NumPy.
PACKAGES: Final = ("adduser", "dbus", "procps", "python3", "python3-bottleneck", "python3-numpy", "systemd", "systemd-sysv")
SUITES: Final = {"bookworm": "1.24.", "trixie": "2.2."}
LOGIN: Final = ("gate", "geheim")
NEXT: Final = "9.0.0"
MANY_S: Final = 90.0

MIGRATION: Final = (
    '\n\n@migration\ndef m999_tomorrow(db: Connection) -> None:\n    db.execute("CREATE TABLE tomorrow (key TEXT PRIMARY KEY)")\n'
)
READY: Final = 'systemd.notify("READY=1"'


@cache
def vehicle() -> tuple[Path, str]:
    """A folder of pictures in which one vehicle drives past, and its VIN."""
    folder, scene = Path(mkdtemp(prefix="vin-pass-")), Scene(1, 1)
    for number, view in enumerate(scene):
        cv2.imwrite(str(folder / f"{number:04}.jpg"), view.pixels)
    folder.chmod(0o755)
    return folder, scene.truth[0]


class Device:
    """A booted machine with nothing of ours on it, the broker of its yard, and what an operator would type."""

    def __init__(self, suite: str, machine: Machine, broker: Broker, yard: Subscriber, folder: Path) -> None:
        self.suite, self.machine, self.broker, self.yard, self.folder = suite, machine, broker, yard, folder
        shutil.copytree(vehicle()[0], machine.root / "srv/pass")

    def dpkg(self, *words: str | Path, wrong: bool = False) -> tuple[str, float]:
        """What dpkg said and how long it took; packages are brought in first."""
        inside = []
        for word in words:
            inside.append(f"/root/{word.name}" if isinstance(word, Path) else word)
            if isinstance(word, Path) and word.parent != self.machine.root / "root":
                shutil.copy(word, self.machine.root / "root" / word.name)
        began = time.monotonic()
        said = self.sh(f"dpkg {' '.join(inside)} 2>&1; echo ended with $?")
        assert said.endswith("ended with 1" if wrong else "ended with 0"), said
        return said, time.monotonic() - began

    def sh(self, command: str) -> str:
        return self.machine.run("sh", "-c", command, timeout_s=300.0)

    def set_up(self) -> str:
        (self.machine.root / "root/secret").write_text(LOGIN[1])
        where = f"--site hamburg --gate north-in --camera /srv/pass --port {self.broker.port}"
        return self.sh(f"vin-agent setup --yes {where} --user {LOGIN[0]} --secret password=/root/secret")

    def state(self) -> str:
        return self.machine.run("systemctl", "is-active", "vin-agent", check=False)

    def pid(self) -> str:
        return self.machine.show("vin-agent", "MainPID")["MainPID"]

    def version(self) -> str:
        """Of the agent that runs, by what the yard was told last."""
        told = [json.loads(each.payload) for each in self.yard.collect("/status") if each.topic.count("/") == 4]
        return str(told[-1]["version"]) if told and told[-1]["state"] == "online" else ""

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(each.payload) for each in self.yard.collect("/gate/north-in/vin")]

    def wait(self, true: Any, what: str) -> float:
        return self.machine.wait(true, what, MANY_S, "vin-agent")

    def stored(self, query: str) -> list[Any]:
        """What the agent's store answers, asked inside by the system's Python."""
        open_ = "sqlite3.connect('file:/var/lib/vin-agent/agent.db?mode=ro', uri=True)"
        code = f"import json, sqlite3; print(json.dumps({open_}.execute({query!r}).fetchall()))"
        rows: list[Any] = json.loads(self.machine.run("python3", "-c", code))
        return rows


@contextmanager
def device(suite: str, folder: Path) -> Iterator[Device]:
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(scratch(tree(suite, PACKAGES)))
        machine = stack.enter_context(Machine(root))
        broker = stack.enter_context(Broker(folder / "broker", Rules(login=LOGIN)))
        yield Device(suite, machine, broker, stack.enter_context(Subscriber(broker.port, login=LOGIN)), folder)


@pytest.fixture(params=SUITES)
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Device]:
    with device(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def running(bare: Device) -> Device:
    """Installed, set up, and one vehicle told."""
    bare.dpkg("--install", package())
    bare.set_up()
    bare.wait(bare.events, "the first vehicle")
    return bare


def test_installing_starts_nothing_and_setup_brings_the_first_vehicle(bare: Device) -> None:
    said, took = bare.dpkg("--install", package())
    assert "sudo vin-agent setup" in said
    assert bare.state() == "inactive"
    assert bare.machine.run("systemctl", "is-enabled", "vin-agent", check=False) == "disabled"
    assert bare.sh("stat -c '%a %U %G' /etc/vin-agent /var/lib/vin-agent").splitlines() == ["750 root vin-agent", "750 vin-agent vin-agent"]
    assert bare.sh("id -nG vin-agent").split() == ["vin-agent", "video"]
    began = time.monotonic()
    told = bare.set_up()
    set_up = time.monotonic() - began
    assert "WRONG" not in told
    assert "vin-agent.service is ready" in told
    assert "/status  {" in told, "setup shows what the yard hears"
    assert LOGIN[1] not in told
    bare.wait(bare.events, "the first vehicle")
    assert bare.events()[0]["subject"] == vehicle()[1]
    files = "/etc/vin-agent/agent.toml /etc/vin-agent/credentials /etc/vin-agent/credentials/mqtt.password"
    assert bare.sh(f"stat -c '%a %U %G' {files}").splitlines() == ["640 root vin-agent", "700 root root", "600 root root"]
    assert bare.machine.run("systemctl", "is-enabled", "vin-agent") == "enabled"
    size = sum(int(line.split()[0]) for line in bare.sh("du -sk /opt/vin-agent").splitlines()) / 1024
    figures = f"{package().stat().st_size / 1e6:.0f} MB, {size:.0f} MB installed in {took:.1f} s, set up and ready in {set_up:.1f} s"
    print(f"deb {bare.suite}: {figures}, {vehicle()[1]} told")


def test_our_wheels_and_apts_modules_share_the_systems_numpy(bare: Device) -> None:
    """Bookworm's picamera2 is compiled against NumPy 1.24, wheels of today against 2: both in one process, with the system's NumPy."""
    bare.dpkg("--install", package())
    code = (
        "import bottleneck, cv2, numpy as np, onnxruntime\n"
        "from agent import config\nfrom agent.ocr.cloud import sample\nfrom agent.ocr.embedded import Embedded\n"
        "with Embedded(config.Settings()) as reader: text = reader.read(sample()).text\n"
        "mean = bottleneck.nanmean(cv2.GaussianBlur(np.full((64, 64), 7, np.uint8), (5, 5), 0).astype(float))\n"
        "print(np.__version__, np.__file__.startswith('/usr/lib/python3/'), mean, text, cv2.__version__, bottleneck.__version__)"
    )
    (bare.machine.root / "root/both.py").write_text(code)
    said = bare.sh("/opt/vin-agent/current/bin/python3 /root/both.py").split()
    assert said[0].startswith(SUITES[bare.suite])
    assert said[1:4] == ["True", "7.0", "1M8GDM9AXKP042788"]
    above = f"OpenCV {said[4]}, onnxruntime and apt's bottleneck {said[5]}"
    print(f"numpy {bare.suite}: {said[0]}, the system's own, under {above}: sample read right")


def test_an_upgrade_keeps_what_waits_and_costs_the_gate_seconds(running: Device) -> None:
    (kept,) = running.stored("SELECT key FROM sent")
    running.broker.stop()
    running.machine.run("systemctl", "restart", "vin-agent")
    running.wait(lambda: running.stored("SELECT key FROM outbox"), "a vehicle that waits for the broker")
    waiting = running.stored("SELECT sequence, key FROM outbox")
    _, took = running.dpkg("--install", release(package(), running.folder, NEXT))
    assert running.state() == "active"
    assert kept in running.stored("SELECT key FROM sent")
    running.broker.start()
    running.wait(lambda: {each["id"] for each in running.events()} >= {waiting[0][1]}, "the vehicle that waited")
    running.wait(lambda: running.version() == NEXT, "the new version")
    assert running.sh("ls /opt/vin-agent/versions").split() == [f"{NEXT}-1"]
    assert running.sh("find /run/systemd/system -name '*vin-agent*'") == ""
    print(f"deb {running.suite}: upgrade {took:.1f} s, trial of 10 s included; {len(waiting)} event that waited was told by version {NEXT}")


def test_an_upgrade_leaves_a_stopped_service_stopped(running: Device) -> None:
    running.machine.run("systemctl", "stop", "vin-agent")
    running.dpkg("--install", release(package(), running.folder, NEXT))
    assert running.state() == "inactive"
    running.machine.run("systemctl", "start", "vin-agent")
    running.wait(lambda: running.version() == NEXT, "the new version")


def test_a_version_that_cannot_work_here_is_not_taken_and_the_agent_never_stops(running: Device) -> None:
    before = running.pid()
    broken = release(package(), running.folder, NEXT, {"agent/schema.py": ("\nMIGRATIONS", "\nimport nothing_of_that_name\nMIGRATIONS")})
    said, took = running.dpkg("--install", broken, wrong=True)
    sentence = f"vin-agent: version {NEXT} was not taken into use: ModuleNotFoundError: No module named 'nothing_of_that_name'"
    assert [line for line in said.splitlines() if line.startswith("vin-agent:")] == [f"{sentence}; version {__version__} is in use"]
    assert running.pid() == before
    print(f"deb {running.suite}: a broken module was refused after {took:.1f} s, the agent was not touched")


FAULTS: Final = {
    "dies": ({"agent/supervisor.py": ("    def _look_after", "    def _look_after_(self) -> int: ...\n\n    def _look_after_not")}, None),
    "never gets ready": ({"agent/supervisor.py": (READY, 'systemd.notify("STATUS=asleep"')}, None),
    "has a unit that cannot start": ({}, ("ExecStart=/opt", "ExecStart=/nowhere")),
    "changes the tables and dies": (
        {
            "agent/schema.py": ("", MIGRATION),
            "agent/supervisor.py": ("    def _look_after", "    def _look_after_(self) -> int: ...\n\n    def _look_after_not"),
        },
        None,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_version_that_fails_in_service_gives_way_to_the_one_before(running: Device, fault: str) -> None:
    changes, unit = FAULTS[fault]
    sent = running.stored("SELECT sequence, key FROM sent")
    said, took = running.dpkg("--install", release(package(), running.folder, NEXT, changes, unit), wrong=True)
    (sentence,) = [line for line in said.splitlines() if line.startswith("vin-agent:")]
    assert sentence.startswith(f"vin-agent: version {NEXT} was not taken into use: ")
    assert sentence.endswith(f"; version {__version__} is in use")
    assert took < 120
    assert running.state() == "active"
    running.wait(lambda: running.version() == __version__, "the version before")
    assert running.stored("SELECT sequence, key FROM sent ORDER BY sequence")[: len(sent)] == sent
    assert running.sh("find /run/systemd/system -name '*vin-agent*'") == ""
    running.wait(lambda: len({each["sequence"] for each in running.events()}) >= 2, "a vehicle told by the version before")
    assert len({each["id"] for each in running.events()}) == len({each["sequence"] for each in running.events()})
    print(f"deb {running.suite}: a version that {fault} gave way within {took:.1f} s")


MOMENTS: Final[dict[str, Callable[[Device], object]]] = {
    "unpacking": lambda device: list((device.machine.root / "opt/vin-agent/package").rglob("*.dpkg-new")),
    "on trial": lambda device: device.version() == NEXT,
    "kept": lambda device: (device.machine.root / "opt/vin-agent/current/VERSION").read_text("ascii").strip() == NEXT,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_power_cut_during_an_upgrade_leaves_a_version_that_runs(moment: str, tmp_path: Path) -> None:
    """Pulled at three moments; afterwards the machine boots into one of the two versions, and the upgrade can be finished."""
    with scratch(tree("trixie", PACKAGES)) as root, Broker(tmp_path / "broker", Rules(login=LOGIN)) as broker:
        with Machine(root) as machine, Subscriber(broker.port, login=LOGIN) as yard:
            before = Device("trixie", machine, broker, yard, tmp_path)
            before.dpkg("--install", package())
            before.set_up()
            before.wait(before.events, "the first vehicle")
            shutil.copy(release(package(), tmp_path, NEXT), root / "root/next.deb")
            installing = subprocess.Popen(machine.entered("dpkg", "--install", "/root/next.deb"), stdout=subprocess.DEVNULL)
            before.wait(lambda: MOMENTS[moment](before), moment)
        installing.wait(30)
        shutil.rmtree(root / "srv/pass")
        with Machine(root) as machine, Subscriber(broker.port, login=LOGIN) as yard:
            after = Device("trixie", machine, broker, yard, tmp_path)
            after.wait(lambda: after.state() == "active", "the agent")
            version = (root / "opt/vin-agent/current/VERSION").read_text("ascii").strip()
            assert version == (NEXT if moment == "kept" else __version__)
            after.dpkg("--install", root / "root/next.deb")
            after.wait(lambda: after.version() == NEXT, "the new version")
    print(f"deb trixie: power cut while {moment}: booted into version {version}, then upgraded to {NEXT}")


def test_removal_leaves_settings_and_vehicles_and_purging_leaves_nothing(running: Device) -> None:
    _, removed = running.dpkg("--remove", "vin-agent")
    assert running.state() == "inactive"
    assert running.sh("ls -A /opt 2>/dev/null | grep vin || true") == ""
    assert running.sh("ls /etc/vin-agent/agent.toml /etc/vin-agent/credentials/mqtt.password /var/lib/vin-agent/agent.db").count("\n") == 2
    sent = running.stored("SELECT sequence, key FROM sent")
    running.dpkg("--install", package())
    running.wait(lambda: running.state() == "active", "the agent, which was set up before")
    assert running.stored("SELECT sequence, key FROM sent ORDER BY sequence")[: len(sent)] == sent
    _, purged = running.dpkg("--purge", "vin-agent")
    left = running.sh("find / -xdev -name '*vin-agent*' -not -path '/proc/*' -not -path '/root/*' -not -path '/sys/*'")
    assert [path for path in left.splitlines() if "/var/log/journal" not in path] == []
    assert running.machine.run("id", "vin-agent", check=False).endswith("no such user")
    print(f"deb {running.suite}: removed in {removed:.1f} s, went on when it was installed again, purged in {purged:.1f} s")


def test_without_a_first_process_the_program_is_put_in_place_and_waits(tmp_path: Path) -> None:
    """As when an image for a card is made in a chroot."""
    with scratch(tree("bookworm", PACKAGES)) as root:
        shutil.copy(package(), root / "root/vin-agent.deb")
        assert "sudo vin-agent setup" in run_in(root, "dpkg", "--install", "/root/vin-agent.deb").stdout
        assert "numpy 1.24" in run_in(root, "vin-agent", "version").stdout
