"""The real libcamera and picamera2 within the service's whole sandbox: what keeps an intruder out must not keep the camera out."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent.camera.scene import Scene
from tests.broker import Broker, Subscriber
from tests.device.boot import Machine
from tests.device.camera_tree import BRIDGES, PYTHON, camera_tree, show
from tests.device.service import FINAL, PROJECT, configure, drop_in, wheel
from tests.device.trees import run_in, scratch
from tests.payloads import valid

UNIT = "vin-agent"
# Another interpreter, and the switches and the lock of the virtual camera; every line of the sandbox stays as it is.
CAMERA = f"""[Service]
ExecStart=
ExecStart={PYTHON} -m agent run --config /etc/vin-agent/agent.toml
Environment=PYTHONPATH=/opt/bridges LD_PRELOAD=/opt/heap.so VCAM_DIR=/srv/knobs
ReadWritePaths=/srv/knobs
"""


def test_a_camera_of_a_pi_is_read_from_within_the_sandbox(tmp_path: Path) -> None:
    scene = Scene(3, 2, 1280, 720, 8.0)
    with Broker(tmp_path / "broker") as broker, Subscriber(broker.port) as yard, scratch(camera_tree()) as root:
        run_in(
            root, PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", f"/opt/wheel/{wheel().name}", binds={wheel().parent: "/opt/wheel"}
        )
        run_in(root, "useradd", "--system", "--no-create-home", "--groups", "video", UNIT)
        run_in(root, "systemd-machine-id-setup")
        shutil.copytree(BRIDGES, root / "opt/bridges")
        shutil.copy(PROJECT / "systemd/vin-agent.service", root / "etc/systemd/system")
        for folder in ("srv/knobs", "etc/vin-agent"):
            (root / folder).mkdir()
        (root / "srv/knobs/fps").write_text("16")
        run_in(root, "chown", UNIT, "/srv/knobs")
        show(root / "srv/frames", [view.pixels for view in scene])
        with Machine(root) as machine:
            drop_in(machine, f"{UNIT}.service", "camera", CAMERA)
            configure(machine, broker.port, "name = 'cam1'\ndriver = 'picamera2'\nwidth = 1280\nheight = 720\nfps = 8.0")
            machine.run("systemctl", "start", UNIT)
            machine.wait(lambda: len({each.payload for each in yard.collect() if each.topic == FINAL}) >= 2, "two VINs", 120, UNIT)
            vins = {valid(each.topic, each.payload)["data"]["vin"] for each in yard.collect() if each.topic == FINAL}
            assert vins == set(scene.truth)
            assert "enied" not in machine.journal(UNIT), "nothing ran into the walls"
    print(f"sandbox: picamera2 and libcamera within the unit as it is: {', '.join(sorted(vins))}")
