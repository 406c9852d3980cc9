"""The cameras that hang on this device: what libcamera sees, and USB cameras by the name that outlives a reboot."""

import json
import subprocess
import sys
from pathlib import Path

_BY_ID = Path("/dev/v4l/by-id")
_PATIENCE_S = 20.0
_CSI = "import json, picamera2; print(json.dumps([[c['Num'], c['Model']] for c in picamera2.Picamera2.global_camera_info()]))"


def cameras() -> dict[str, str]:
    """Source of each camera found, and what it is in words."""
    return {**_csi(), **{str(device): "USB" for device in sorted(_BY_ID.glob("*-video-index0"))}}


def _csi() -> dict[str, str]:
    """Asked in a process of its own: libcamera keeps what it opens, and may hang. Nothing where picamera2 is not installed."""
    command = [sys.executable, "-sP", "-c", _CSI]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        listed = json.loads(said.stdout.splitlines()[-1]) if said.returncode == 0 and said.stdout else []
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return {}
    # libcamera shows USB cameras too; those are better opened by their own name.
    return {str(number): f"CSI camera, {model}" for number, model in listed if "usb" not in model.lower()}
