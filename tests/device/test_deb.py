"""The package's life on a clean machine of either release: installed, set up, exchanged, broken, taken back, removed, purged."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from agent import __version__
from tests.broker import Broker, Rules, Subscriber
from tests.device.boot import Machine
from tests.device.clean import LOGIN, PACKAGES, SUITES, Device, device, vehicle
from tests.device.packages import BUILD, package, release
from tests.device.service import VENV, base, wheel
from tests.device.trees import run_in, scratch, tree

NEXT: Final = "9.0.0"
MIGRATION: Final = (
    '\n\n@migration\ndef m999_tomorrow(db: Connection) -> None:\n    db.execute("CREATE TABLE tomorrow (key TEXT PRIMARY KEY)")\n'
)
READY: Final = 'systemd.notify("READY=1"'


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
    kept, *_ = running.stored("SELECT key FROM sent")
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
    assert running.pid() == "0", running.machine.journal("vin-agent", "--lines=30")
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
    assert running.pid() == "0"
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


@pytest.mark.parametrize("prefix", ["/opt/vin-agent", "/srv/agent"])
def test_make_install_gives_a_machine_without_the_package_the_same(prefix: str, tmp_path: Path) -> None:
    def make(root: Path) -> None:
        install = [sys.executable, str(BUILD), "install", "--destdir", str(root), "--prefix", prefix]
        subprocess.run(install, check=True, capture_output=True)

    with device("bookworm", tmp_path, make) as made:
        assert "sudo vin-agent setup" in made.sh(f"{prefix}/bin/switch")
        made.set_up()
        made.wait(made.events, "the first vehicle")
        assert f"ExecStart={prefix}/bin/vin-agent run" in made.sh("systemctl cat vin-agent")


def test_a_virtual_environment_of_ones_own_leaves_the_systems_numpy_alone() -> None:
    """The way of README.md without package and without make: a venv that sees the system's packages, and config/device.txt."""
    code = (
        "import cv2, numpy as np\nfrom agent import config\nfrom agent.ocr.cloud import sample\nfrom agent.ocr.embedded import Embedded\n"
        "with Embedded(config.Settings()) as reader: print(np.__version__, np.__file__, cv2.__version__, reader.read(sample()).text)"
    )
    said = []
    for suite, version in SUITES.items():
        with scratch(base(suite)) as root:
            install = (f"{VENV}/bin/pip", "install", "--quiet", "--no-deps", f"/opt/wheel/{wheel().name}")
            run_in(root, *install, binds={wheel().parent: "/opt/wheel"})
            said.append(run_in(root, f"{VENV}/bin/python", "-c", code).stdout.split())
            assert not list((root / VENV.lstrip("/")).glob("lib/python3*/site-packages/numpy*"))
        assert said[-1][0].startswith(version)
        assert said[-1][1].startswith("/usr/lib/python3/")
        assert said[-1][3] == "1M8GDM9AXKP042788"
    print(f"numpy: a virtual environment keeps the system's {said[0][0]} and {said[1][0]} under OpenCV {said[0][2]}")


def test_the_same_sources_give_the_same_package(tmp_path: Path) -> None:
    sums = set()
    for name in ("first", "second"):
        build = [sys.executable, str(BUILD), "deb", "--arch", "amd64", "--compress", "none", "--out", str(tmp_path / name)]
        subprocess.run(build, check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1790000000"})
        (made,) = (tmp_path / name).glob("*.deb")
        sums.add(hashlib.sha256(made.read_bytes()).hexdigest())
        made.unlink()
    assert len(sums) == 1
