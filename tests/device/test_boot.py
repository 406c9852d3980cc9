"""The machines the device tests boot: apart from each other, and gone with the test that booted them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.device.boot import Machine, parents
from tests.device.service import SUITES, base
from tests.device.trees import scratch

SLEEPER = "[Service]\nExecStart=/bin/sleep 1000\n"


def test_machines_side_by_side_do_not_end_each_others_services() -> None:
    with scratch(base(SUITES[0])) as one, scratch(base(SUITES[1])) as other:
        for root in (one, other):
            (root / "etc/systemd/system/sleeper.service").write_text(SLEEPER)
        with Machine(one) as first, Machine(other) as second:
            for machine in (first, second):
                machine.run("systemctl", "start", "sleeper")
            for _ in range(3):
                first.run("systemctl", "restart", "sleeper")
                second.run("systemctl", "restart", "sleeper")
            for machine, its_neighbour in ((first, second), (second, first)):
                assert machine.show("sleeper", "ActiveState", "Result") == {"ActiveState": "active", "Result": "success"}
                machine.run("systemctl", "stop", "sleeper")
                assert machine.show("sleeper", "Result")["Result"] == "success"
                its_neighbour.run("systemctl", "start", "sleeper")
        print(f"boot: {first.boot_s:.1f} s and {second.boot_s:.1f} s")


KILLED = """
import time
from tests.device.boot import Machine
from tests.device.service import base
from tests.device.trees import scratch
with scratch(base("bookworm")) as root, Machine(root) as machine:
    print(root, machine.init, flush=True)
    time.sleep(600)
"""


def test_a_killed_test_leaves_no_machine_behind() -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        root, _, first = process.stdout.readline().partition(" ")
        init = int(first)
        assert parents()[init][0] == "systemd"
        process.kill()
    deadline = time.monotonic() + 30
    while parents().get(init, ("", 0))[0] == "systemd":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    Path(root).parent.rmdir()
