"""A Debian trixie tree with the real libcamera, the real picamera2 and a virtual camera that shows the pictures a test chose."""

from functools import cache
from pathlib import Path

import cv2

from agent.domain import Pixels
from tests.device.trees import tree

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
PACKAGES = (
    *("ca-certificates", "python3-venv", "python3-numpy", "python3-libcamera", "python3-prctl", "libarchive13t64"),
    *("dbus", "systemd", "systemd-sysv"),  # the camera within the service's sandbox
    *("gcc", "libc6-dev", "python3-dev"),  # the virtual camera's heap, and a dependency of picamera2 that comes as source
)
PICAMERA2 = "0.3.38"
PYTHON = "/opt/agent/bin/python"
BRIDGES = HERE / "virtual_camera"
FILES = {
    "/opt/heap.c": BRIDGES / "heap.c",
    "/opt/constraints.txt": CHECKOUT / "config/constraints.txt",
    "/usr/share/libcamera/pipeline/virtual/virtual.yaml": BRIDGES / "virtual.yaml",
}
NEEDS = "httpcore httpx opencv-python-headless paho-mqtt python-ulid sqlitedict vininfo onnxruntime rapidocr"
# Debian's NumPy stays, which its libcamera is built against: the versions the agent is tested with hold for all else.
SETUP = (
    "cc -O2 -Wall -Werror -shared -fPIC -o /opt/heap.so /opt/heap.c",
    "grep -v '^numpy==' /opt/constraints.txt > /opt/others.txt && python3 -m venv --system-site-packages /opt/agent",
    f"/opt/agent/bin/pip install --quiet --disable-pip-version-check -c /opt/others.txt picamera2=={PICAMERA2} {NEEDS}",
)


@cache
def camera_tree() -> Path:
    return tree("trixie", PACKAGES, SETUP, FILES)


def show(folder: Path, pictures: list[Pixels]) -> None:
    """Lay the pictures where the virtual camera looks for them; each is shown for four frames, and the first follows the last."""
    folder.mkdir(parents=True, exist_ok=True)
    for count, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{count}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])


def python(knobs: Path, *arguments: str) -> tuple[str, ...]:
    """Python of the tree with the agent of this checkout and the virtual camera; `knobs` is the folder its switches lie in.

    The heap is for that program alone: those that enter the tree are of another Debian.
    """
    switches = {
        "PYTHONPATH": f"{BRIDGES}:{CHECKOUT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_PRELOAD": "/opt/heap.so",
        "VCAM_DIR": str(knobs),
        "LIBCAMERA_LOG_LEVELS": "*:ERROR",
    }
    return ("env", *(f"{key}={value}" for key, value in switches.items()), PYTHON, *arguments)


def binds(pictures: Path, *more: Path) -> dict[Path, str]:
    """What the tree sees of this machine: the checkout, the pictures of its camera, and `more`, each at its own place."""
    return {pictures: "/srv/frames", **{folder: str(folder) for folder in (CHECKOUT, *more)}}
