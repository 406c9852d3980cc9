"""The service under the systemd of bookworm and of trixie, booted for real: started, killed, hung, misconfigured, reloaded, stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from agent.camera.scene import Scene
from tests.broker import Broker, Received, Rules, Subscriber
from tests.device.boot import Machine
from tests.device.service import FINAL, ROOT, SUITES, configure, drop_in, example, installed_tree
from tests.payloads import valid

UNIT = "vin-agent"
WATCHDOG_S = 3
# What the requirement allows, in seconds.
READY_S, BACK_S, HANG_S, STOP_S = 2.0, 7.0, WATCHDOG_S + 5.0, 10.0
LOGIN = ("gate", "hu$h #1")
CAMERA = "name = 'cam1'\nvehicles = 0\nloop = true"
TABLE: dict[str, dict[str, float]] = {suite: {} for suite in SUITES}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker"), Rules(login=LOGIN)) as broker:
        yield broker


@pytest.fixture(scope="module")
def yard(broker: Broker) -> Iterator[Subscriber]:
    with Subscriber(broker.port, login=LOGIN) as yard:
        yield yard


@pytest.fixture(scope="module")
def machines(broker: Broker) -> Iterator[dict[str, Machine]]:
    """One of each release, and on each two more agents beside the one of each test: those that the last test looks at."""
    with ExitStack() as on:
        booted = {suite: on.enter_context(Machine(on.enter_context(installed_tree(suite)))) for suite in SUITES}
        for suite, machine in booted.items():
            two_instances(suite, machine, broker.port)
            freeze = [sys.executable, str(Path(__file__).with_name("freeze.py")), str(machine.main_pid(f"{UNIT}@north"))]
            frozen = on.enter_context(subprocess.Popen(freeze, stdout=subprocess.PIPE, text=True))
            on.callback(frozen.kill)
            assert frozen.stdout is not None
            assert frozen.stdout.readline() == "frozen\n"
        yield booted


def two_instances(suite: str, machine: Machine, port: int) -> None:
    unit = (machine.root / f"etc/systemd/system/{UNIT}.service").read_text("utf-8")
    (machine.root / f"etc/systemd/system/{UNIT}@.service").write_text(unit, "utf-8")
    drop_in(machine, f"{UNIT}@.service", "instance", example("two-instances.conf"))
    drop_in(machine, f"{UNIT}@.service", "watchdog", f"[Service]\nWatchdogSec={WATCHDOG_S}\n")
    for name in ("north", "south"):
        machine.run("useradd", "--system", "--no-create-home", f"vin-agent-{name}")
        secrets = machine.root / f"etc/vin-agent/credentials-{name}"
        secrets.mkdir(mode=0o700)
        (secrets / "mqtt.password").write_text(LOGIN[1], "utf-8")
        configure(machine, port, name=name, agent=f"id = '{suite}-{name}'\nstate_dir = '/var/lib/vin-agent-{name}'")
        machine.run("systemctl", "start", f"{UNIT}@{name}")


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def installed(suite: str, machines: dict[str, Machine]) -> Machine:
    return machines[suite]


@pytest.fixture
def machine(installed: Machine, broker: Broker, yard: Subscriber) -> Iterator[Machine]:
    """With the agent stopped, the broker's password among its credentials and one camera; nothing of the test before."""
    with_password(installed)
    configure(installed, broker.port, CAMERA)
    installed.since = time.time()
    yard.forget()
    yield installed
    installed.run("systemctl", "stop", UNIT)
    installed.run("systemctl", "reset-failed", UNIT, check=False)
    installed.run("sh", "-c", f"rm -rf /var/lib/vin-agent /etc/systemd/system/{UNIT}.service.d; systemctl daemon-reload")


def with_password(machine: Machine) -> None:
    secrets = machine.root / "etc/vin-agent/credentials"
    secrets.mkdir(mode=0o700, exist_ok=True)
    (secrets / "mqtt.password").write_text(LOGIN[1] + "\n", "utf-8")


def status(machine: Machine) -> str:
    return machine.run("systemctl", "status", UNIT, "--no-pager", "--full", "--lines=50", check=False)


def is_active(machine: Machine) -> bool:
    return machine.show(UNIT, "ActiveState", "SubState") == {"ActiveState": "active", "SubState": "running"}


def ready_s(machine: Machine, unit: str = UNIT) -> float:
    """Seconds from the start of the process to its READY=1, by systemd's own clock."""
    times = machine.show(unit, "InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    return (int(times["ActiveEnterTimestampMonotonic"]) - int(times["InactiveExitTimestampMonotonic"])) / 1e6


def back_s(machine: Machine, began: float, before: int) -> float:
    """Seconds since `began` until another main process is READY."""
    machine.wait(lambda: is_active(machine) and machine.main_pid(UNIT) not in (0, before), "back", 60.0, UNIT)
    return time.monotonic() - began


def back_after(number: signal.Signals, machine: Machine, yard: Subscriber) -> tuple[float, list[Received]]:
    """Seconds from a signal to the running agent until another is READY, and what the yard had heard when that was online."""
    machine.run("systemctl", "start", UNIT)
    yard.wait_for(lambda seen: online(seen), 30)
    before, began = machine.main_pid(UNIT), time.monotonic()
    os.kill(before, number)
    seconds = back_s(machine, began, before)
    return seconds, yard.wait_for(lambda seen: len(online(seen)) == 2, 30)


def online(messages: list[Received]) -> list[dict[str, Any]]:
    told = [valid(each.topic, each.payload) for each in messages if each.topic == f"{ROOT}/status"]
    return [each for each in told if each["state"] == "online"]


def health(messages: list[Received]) -> dict[str, Any]:
    told = [valid(each.topic, each.payload) for each in messages if each.topic == f"{ROOT}/health"]
    return told[-1] if told else {}


COMBINATIONS = ((), ("own-user",), ("pi-camera",), ("gpio",), ("read-only-root",), ("pi-camera", "gpio", "read-only-root", "own-user"))


def test_the_unit_and_every_drop_in_please_systemd_and_expose_little(machine: Machine, suite: str) -> None:
    more = () if suite == "bookworm" else (("notify-reload",),)
    for names in (*COMBINATIONS, *more):
        for name in names:
            drop_in(machine, f"{UNIT}.service", name, example(f"{name}.conf"))
        said = machine.run("systemd-analyze", "verify", f"/etc/systemd/system/{UNIT}.service", check=False)
        assert said == "", f"{names}: {said}"
        machine.run("systemd-analyze", "security", "--threshold=20", f"{UNIT}.service")
        for name in names:
            drop_in(machine, f"{UNIT}.service", name, "")
    said = machine.run("systemd-analyze", "security", "--no-pager", f"{UNIT}.service").splitlines()[-1].lstrip("→ ")
    print(f"systemd on {suite}: {machine.run('systemctl', '--version').splitlines()[0]}; {said}; booted in {machine.boot_s:.1f} s")


def test_a_vehicle_is_read_and_told_from_within_the_sandbox(machine: Machine, broker: Broker, yard: Subscriber, suite: str) -> None:
    configure(machine, broker.port, "name = 'cam1'\nvehicles = 2\nseed = 3")
    machine.run("systemctl", "start", UNIT)
    seen = yard.wait_for(lambda seen: sum(each.topic == FINAL for each in seen) >= 2, 90)
    vins = {valid(each.topic, each.payload)["data"]["vin"] for each in seen if each.topic == FINAL}
    assert vins == set(Scene(3, 2).truth)
    assert machine.journal(UNIT, "--priority=warning", "--output=cat") == "", "a run without trouble says nothing that sounds like it"
    owner = machine.run("stat", "--format=%U %a", "/var/lib/vin-agent", "/var/lib/vin-agent/agent.db")
    assert owner.splitlines() == ["vin-agent 700", "vin-agent 600"]
    files = {file.name for file in (machine.root / "var/lib/vin-agent").iterdir()}
    ours = {"agent.db", "agent.db-shm", "agent.db-wal", "ballast", "installed", "pictures", "result"}
    assert files <= ours, "and no library keeps anything there"
    print(f"systemd on {suite}: {', '.join(sorted(vins))} read by the embedded reader in the sandbox")


def test_it_is_ready_within_two_seconds_and_stops_within_ten(machine: Machine, yard: Subscriber, suite: str) -> None:
    ready, stop = [], []
    for _ in range(3):
        yard.forget()
        machine.run("systemctl", "start", UNIT)
        ready.append(ready_s(machine))
        yard.wait_for(lambda seen: online(seen), 30)
        began = time.monotonic()
        machine.run("systemctl", "stop", UNIT)
        stop.append(time.monotonic() - began)
        assert machine.show(UNIT, "Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    assert online(yard.collect())[-1]["last_exit"] == "clean"
    TABLE[suite] |= {"READY": max(ready), "stop": max(stop)}
    assert max(ready) <= READY_S
    assert max(stop) <= STOP_S


def test_a_killed_agent_is_back_and_says_that_it_crashed(machine: Machine, yard: Subscriber, suite: str) -> None:
    TABLE[suite]["kill"], seen = back_after(signal.SIGKILL, machine, yard)
    assert [each["last_exit"] for each in online(seen)] == ["clean", "crash"]
    assert TABLE[suite]["kill"] <= BACK_S


def watched(machine: Machine) -> None:
    drop_in(machine, f"{UNIT}.service", "watchdog", f"[Service]\nWatchdogSec={WATCHDOG_S}\n")


def test_a_hung_agent_is_ended_by_the_watchdog_and_says_so(machine: Machine, yard: Subscriber, suite: str) -> None:
    watched(machine)
    TABLE[suite]["hang"], seen = back_after(signal.SIGSTOP, machine, yard)
    assert online(seen)[-1]["last_exit"] == "watchdog"
    assert "Watchdog timeout" in machine.journal(UNIT)
    assert "most recent call first" in machine.journal(UNIT, "--priority=warning"), "the stack of what hung"
    assert TABLE[suite]["hang"] <= HANG_S


def test_a_fail_point_in_its_environment_stops_no_service(machine: Machine, yard: Subscriber) -> None:
    drop_in(machine, f"{UNIT}.service", "point", '[Service]\nEnvironment="VIN_AGENT_FAILPOINT=start.ready=kill; camera.frame=kill"\n')
    machine.run("systemctl", "start", UNIT)
    yard.wait_for(lambda seen: online(seen), 30)
    machine.wait(lambda: "camera is online" in machine.journal(UNIT), "online", 30, UNIT)
    assert "VIN_AGENT_FAILPOINT is ignored" in machine.journal(UNIT, "--priority=warning")
    assert machine.show(UNIT, "NRestarts")["NRestarts"] == "0"


def test_a_wrong_configuration_stays_down_with_78_and_says_why(machine: Machine, broker: Broker, suite: str) -> None:
    configure(machine, broker.port, more="[reading]\nchian = []")
    began = time.monotonic()
    machine.run("systemctl", "start", UNIT, check=False)
    machine.wait(lambda: machine.show(UNIT, "ActiveState")["ActiveState"] == "failed", "failed", 30, UNIT)
    TABLE[suite]["bad config"] = time.monotonic() - began
    time.sleep(4)  # twice RestartSec: it must not be tried again
    assert machine.show(UNIT, "ActiveState", "NRestarts", "ExecMainStatus", "StatusErrno") == {
        "ActiveState": "failed", "NRestarts": "0", "ExecMainStatus": "78", "StatusErrno": "22",
    }  # fmt: skip
    lines = (machine.root / "etc/vin-agent/agent.toml").read_text("utf-8").splitlines()
    why = f'/etc/vin-agent/agent.toml:{lines.index("chian = []") + 1}: unknown key reading.chian; did you mean "chain"?'
    assert f'Status: "{why}"' in status(machine)
    assert why in machine.journal(UNIT, "--priority=err")


def test_missing_credentials_keep_nothing_from_starting_and_are_taken_once_there(machine: Machine, yard: Subscriber) -> None:
    machine.run("rm", "-r", "/etc/vin-agent/credentials")
    machine.run("systemctl", "start", UNIT)
    machine.wait(lambda: "refuses the login of 'gate'" in status(machine), "refused", 30, UNIT)
    assert not online(yard.collect())
    with_password(machine)
    machine.run("chmod", "600", "/etc/vin-agent/credentials/mqtt.password")
    machine.run("systemctl", "restart", UNIT)
    yard.wait_for(lambda seen: online(seen), 30)
    assert LOGIN[1] not in machine.journal(UNIT)


def test_a_credential_named_in_a_drop_in_is_read_too(machine: Machine, yard: Subscriber) -> None:
    machine.run("rm", "-r", "/etc/vin-agent/credentials")
    (machine.root / "etc/vin-agent/word").write_text(LOGIN[1], "utf-8")
    drop_in(machine, f"{UNIT}.service", "password", "[Service]\nLoadCredential=mqtt.password:/etc/vin-agent/word\n")
    machine.run("systemctl", "start", UNIT)
    yard.wait_for(lambda seen: online(seen), 30)


def test_the_journal_knows_how_bad_each_line_is(machine: Machine, broker: Broker) -> None:
    configure(machine, broker.port, CAMERA, agent="id = 'pole'\nlog_level = 'debug'")
    machine.run("systemctl", "start", UNIT)
    machine.wait(lambda: "camera is online" in machine.journal(UNIT), "online", 30, UNIT)
    configure(machine, broker.port, more="[nonsense]")
    machine.run("systemctl", "reload", UNIT)
    machine.wait(lambda: "is refused" in machine.journal(UNIT), "refused", 30, UNIT)
    os.kill(children(machine)[0], signal.SIGKILL)
    machine.wait(lambda: "started again in" in machine.journal(UNIT), "warned", 30, UNIT)
    lines = [json.loads(line) for line in machine.journal(UNIT, "--output=json").splitlines()]
    found = {line["MESSAGE"]: line["PRIORITY"] for line in lines if line.get("SYSLOG_IDENTIFIER") == UNIT}

    def priority(words: str) -> set[str]:
        return {number for message, number in found.items() if words in message}

    assert priority("watching 1 cameras") == priority("camera is online") == {"6"}
    assert priority("started again in") == {"4"}
    assert priority("is refused") == {"3"}
    assert not [message for message in found if message.startswith("<")], "the journal took the numbers off"


def children(machine: Machine) -> list[int]:
    """Pids, outside, of the processes of the cameras."""
    inside = machine.run("pgrep", "-f", "-P", machine.show(UNIT, "MainPID")["MainPID"], "spawn_main", check=False)
    return [machine.outside(int(pid)) for pid in inside.split()]


def test_reload_takes_over_what_it_can_and_tells_systemd_what_it_cannot(machine: Machine, broker: Broker, yard: Subscriber) -> None:
    machine.run("systemctl", "start", UNIT)
    yard.wait_for(lambda seen: online(seen) and health(seen), 30)
    before = machine.main_pid(UNIT)
    configure(machine, broker.port, CAMERA, CAMERA.replace("cam1", "cam2"))
    machine.run("systemctl", "reload", UNIT)
    yard.wait_for(lambda seen: any(each.topic == f"{ROOT}/camera/cam2/status" for each in seen), 30)
    configure(machine, broker.port, "name = 'cam1'\nfbs = 3")
    machine.run("systemctl", "reload", UNIT)
    machine.wait(lambda: 'did you mean "fps"' in status(machine), "told in the status", 30, UNIT)
    yard.wait_for(lambda seen: "config_rejected" in health(seen)["reasons"], 30)
    assert (is_active(machine), machine.main_pid(UNIT)) == (True, before)


def test_a_newer_systemd_waits_until_the_configuration_has_been_read(machine: Machine, broker: Broker, suite: str) -> None:
    """Type=notify-reload came with systemd 253; an older one reads the file as well, and only comes back sooner."""
    if suite == "trixie":
        drop_in(machine, f"{UNIT}.service", "reload", example("notify-reload.conf"))
    machine.run("systemctl", "start", UNIT)
    for turn in range(5):
        configure(machine, broker.port, CAMERA.replace("cam1", f"cam{turn}"), CAMERA.replace("cam1", "last"))
        began = time.monotonic()
        machine.run("systemctl", "reload", UNIT)
        TABLE[suite]["reload"] = max(TABLE[suite].get("reload", 0.0), time.monotonic() - began)
        words = f"changed: camera.{'cam1, camera.last' if turn == 0 else f'cam{turn - 1}'}, camera.cam{turn}"
        if suite == "trixie":
            assert f"camera.cam{turn}" in machine.journal(UNIT), words
        machine.wait(lambda: f"camera.cam{turn}" in machine.journal(UNIT), "read anew", 30, UNIT)  # noqa: B023 - called within the turn


REBOOT = "[power]\nreboot_after_min = 0.05"
DEAD = "name = 'dead'\ndriver = 'opencv'\nsource = '/dev/video9'"


def test_a_camera_that_stays_dead_has_the_machine_rebooted_once_where_that_is_allowed(broker: Broker, yard: Subscriber, suite: str) -> None:
    with installed_tree(suite) as root, Machine(root) as machine:
        with_password(machine)
        # A /proc of its own would show the boot of the machine around the container, which is not rebooted.
        drop_in(machine, f"{UNIT}.service", "proc", "[Service]\nProtectProc=default\nProtectKernelTunables=no\nProtectControlGroups=no\n")
        configure(machine, broker.port, DEAD, more=REBOOT)
        machine.run("systemctl", "enable", "--now", UNIT)
        machine.wait(lambda: "allow it as systemd/examples/reboot.rules shows" in machine.journal(UNIT), "refused", 60, UNIT)
        assert machine.journal(UNIT, "--output=cat").count("rebooting the machine") == 1
        machine.run("systemctl", "stop", UNIT)
        machine.run("rm", "-r", "/var/lib/vin-agent")
        (root / "etc/polkit-1/rules.d/49-vin-agent-reboot.rules").write_text(example("reboot.rules"), "utf-8")
        yard.forget()
        before, began = machine.init, time.monotonic()
        machine.run("systemctl", "start", UNIT)
        machine.wait_up(other_than=before)
        TABLE[suite]["reboot"] = time.monotonic() - began
        yard.wait_for(lambda seen: online(seen) and online(seen)[-1]["last_exit"] == "reboot", 60)
        assert "the end before this start: reboot, because camera dead was dead for 0.05 min, through" in machine.journal(UNIT)


def test_a_user_that_is_there_already_can_run_it(machine: Machine, yard: Subscriber) -> None:
    machine.run("useradd", "--system", "--no-create-home", "--groups", "video", "gatekeeper")
    drop_in(machine, f"{UNIT}.service", "own-user", example("own-user.conf"))
    machine.run("systemctl", "start", UNIT)
    yard.wait_for(lambda seen: online(seen), 30)
    assert machine.run("stat", "--format=%U", "/var/lib/vin-agent/agent.db") == "gatekeeper"


def test_a_read_only_root_and_a_hardware_watchdog_are_lived_with(suite: str, broker: Broker, yard: Subscriber, tmp_path: Path) -> None:
    with installed_tree(suite) as root:
        machine = Machine(root, "--read-only", f"--bind={tmp_path}:/data")
        with_password(machine)
        (root / "etc/systemd/system.conf.d").mkdir()
        (root / "etc/systemd/system.conf.d/watchdog.conf").write_text(example("hardware-watchdog.conf"), "utf-8")
        (root / f"etc/systemd/system/{UNIT}.service.d").mkdir()
        (root / f"etc/systemd/system/{UNIT}.service.d/read-only-root.conf").write_text(example("read-only-root.conf"), "utf-8")
        configure(machine, broker.port, CAMERA, agent="id = 'pole'\nstate_dir = '/data/vin-agent'")
        (root / "data").mkdir()
        tmp_path.chmod(0o755)
        yard.forget()
        with machine:
            assert machine.run("sh", "-c", "touch /srv/x", check=False).endswith("Read-only file system")
            assert machine.run("systemctl", "show", "--property=RuntimeWatchdogUSec") == "RuntimeWatchdogUSec=10s"
            machine.run("install", "--directory", "--owner=vin-agent", "/data/vin-agent")
            machine.run("systemctl", "start", UNIT)
            yard.wait_for(lambda seen: online(seen), 30)
            os.kill(machine.main_pid(UNIT), signal.SIGKILL)
            yard.wait_for(lambda seen: [each["last_exit"] for each in online(seen)] == ["clean", "crash"], 30)
            assert (tmp_path / "vin-agent/result").read_text("ascii").startswith("signal ")


def test_an_agent_whose_workers_stand_still_is_started_anew_and_its_neighbour_goes_on(machines: dict[str, Machine], broker: Broker) -> None:
    for suite, machine in machines.items():
        machine.since = 0.0
        machine.wait(lambda: machine.show(f"{UNIT}@north", "NRestarts")["NRestarts"] == "1", "noticed", 60, f"{UNIT}@north")  # noqa: B023
        journal = machine.journal(f"{UNIT}@north", "--output=cat")
        assert "worker is stuck: the watchdog is no longer fed" in journal
        assert re.search(r"Watchdog request \(last status: the \w+ worker is stuck\)", journal), "told at once, not waited for"
        with Subscriber(broker.port, f"vinagent/v1/yard/{suite}-north/status", login=LOGIN) as late:
            late.wait_for(lambda seen: seen and json.loads(seen[-1].payload)["last_exit"] == "watchdog", 30)
        assert machine.show(f"{UNIT}@south", "NRestarts", "ActiveState") == {"NRestarts": "0", "ActiveState": "active"}


def test_the_table() -> None:
    """Printed last: seconds, with what the requirement allows."""
    allowed = {"READY": READY_S, "kill": BACK_S, "hang": HANG_S, "stop": STOP_S}
    names = ("READY", "kill", "hang", "bad config", "stop", "reload", "reboot")
    print("systemd" + "".join(f"{name:>13}" for name in names))
    for suite in SUITES:
        print(f"{suite:<7}" + "".join(f"{TABLE[suite][name]:11.2f} s" for name in names))
    print("at most" + "".join(f"{allowed[name]:11.2f} s" if name in allowed else " " * 13 for name in names))
