"""What the idle processes cost: resident memory and processor time of parent and child, on an empty rendered road."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.broker import Broker
from tests.gateway import Gateway

SECONDS = 10.0
_WITHOUT_READER = """
import os, sys, tempfile, time
from pathlib import Path
from agent import config, supervisor
from agent.store import Store
with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder), config.Store(), int(time.time() * 1000)):
    print(open("/proc/self/statm").read().split()[1])
"""


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    """Processor seconds a process has used, in user and system mode (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare_parent_mb() -> float:
    """A parent with its store open, before any reader is loaded."""
    done = subprocess.run([sys.executable, "-c", _WITHOUT_READER], capture_output=True, text=True, check=True)
    return int(done.stdout) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    print(f"parent without the embedded reader: {bare_parent_mb():.0f} MB resident")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Broker(folder / "broker") as broker, Gateway(folder, broker.port, vehicles=0, loop=True, width=1920, height=1080) as gateway:
            gateway.wait_for(lambda: "camera is online" in gateway.log())
            time.sleep(3.0)
            pids = {"parent with the embedded reader": gateway.process.pid, "child at 8 frames a second of 1080p": gateway.children()[0]}
            before = {name: cpu_s(pid) for name, pid in pids.items()}
            time.sleep(SECONDS)
            for label, pid in pids.items():
                share = (cpu_s(pid) - before[label]) / SECONDS * 100
                print(f"{label}: {resident_mb(pid):.0f} MB resident, {share:.1f} % of one core while the road is empty")
            gateway.stop()


if __name__ == "__main__":
    main()
