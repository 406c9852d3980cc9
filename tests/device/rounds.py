"""Runs in the camera tree: opens, reads and closes a camera again and again, and prints what the process holds before and after.

`python -m tests.device.rounds 100`: as JSON, file descriptors, threads and kilobytes of memory after ten rounds and after all of them.
"""

import json
import os
import re
import sys
from pathlib import Path

from tests.camera_contract import World

SETTLED = 10  # rounds after which everything is loaded that ever is


def held() -> dict[str, int]:
    status = Path("/proc/self/status").read_text("ascii")
    told = {name: int(value) for name, value in re.findall(r"(?m)^(Threads|VmRSS):\s+(\d+)", status)}
    return {"files": len(list(Path("/proc/self/fd").iterdir())), "threads": told["Threads"], "kb": told["VmRSS"]}


def main() -> None:
    world = World(Path(os.environ["VCAM_DIR"]))
    before: dict[str, int] = {}
    for count in range(int(sys.argv[1])):
        if count == SETTLED:
            before = held()
        with world.camera() as camera:
            assert camera.read().pixels.size
    print(json.dumps({"before": before, "after": held()}))


if __name__ == "__main__":
    main()
