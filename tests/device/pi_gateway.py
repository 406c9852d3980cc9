"""`vin-agent run` inside the camera tree: Python 3.13, Debian's libcamera, picamera2, and a virtual camera with switches."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from agent.domain import Pixels
from tests.camera_contract import World
from tests.device.camera_tree import binds, camera_tree, python, show
from tests.device.trees import entered, run_in, surroundings
from tests.gateway import Gateway


class PiGateway(Gateway):
    """A gateway whose camera shows `pictures` again and again; `camera` holds its switches, freeze and fps among them."""

    def __init__(self, folder: Path, port: int, pictures: list[Pixels], keys: str = "", source: str = "0", **settings: object) -> None:
        """`keys` are further lines of its [[camera]] section."""
        super().__init__(folder, port, more="", driver="picamera2", source=source, **settings)
        text = self.config.read_text("utf-8")
        self.config.write_text(text.replace("\n[reading]", f"{keys}\n[reading]", 1), "utf-8")
        self.camera = World(folder / "knobs")
        self.camera.knobs.mkdir()
        show(folder / "frames", pictures)

    def start(self, environ: Mapping[str, str] | None = None) -> None:
        command = python(self.camera.knobs, "-m", "agent", "run", "--config", str(self.config))
        with (self.folder / "agent.log").open("ab") as log:
            entered_ = entered(camera_tree(), *command, binds=self.binds())
            self._process = subprocess.Popen(entered_, stdout=log, stderr=log, env=surroundings(environ))

    def binds(self) -> dict[Path, str]:
        return binds(self.folder / "frames", self.folder)

    def beside(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Another Python in the tree, with the same camera."""
        return run_in(camera_tree(), *python(self.camera.knobs, *arguments), binds=self.binds(), timeout_s=300, check=check)

    def holding(self) -> "subprocess.Popen[str]":
        """Another process that has the camera, and says so, until it is killed."""
        command = python(self.camera.knobs, "-m", "tests.device.hold")
        entered_ = entered(camera_tree(), *command, binds=self.binds())
        process = subprocess.Popen(entered_, stdout=subprocess.PIPE, text=True, env=surroundings())
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process
