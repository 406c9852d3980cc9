"""Opening and configuring a Pi's camera, and what to say to the operator where that fails."""

import errno
import logging
import os
import re
from pathlib import Path
from typing import Any

from agent import config
from agent.camera.pi_layout import Layout, layout_of
from agent.errors import NeedsOperator, RetryLater

log = logging.getLogger(__name__)


def opened(settings: config.Camera) -> Any:
    """The `Picamera2` of camera number `source`, open and not yet configured.

    Raises `NeedsOperator` where package or camera is missing, `RetryLater` where another program holds the camera.
    """
    source = settings.source
    if not source.isdecimal():
        raise NeedsOperator(f"{source}: with the picamera2 driver camera.source is the number of the camera, 0 for the first one")
    _quiet()
    try:
        from picamera2 import Picamera2
    except (ImportError, ValueError) as exc:  # a NumPy that does not fit Debian's modules is reported as a ValueError
        raise NeedsOperator(
            f"picamera2 cannot be used ({exc}): sudo apt install python3-picamera2, "
            "and install the agent in a virtual environment made with --system-site-packages"
        ) from exc
    found = Picamera2.global_camera_info()
    if int(source) >= len(found):
        raise NeedsOperator(f"there is no camera {source}, libcamera sees {len(found)}; power off, check the ribbon cable, start again")
    _sensor_hdr(found[int(source)], settings.picamera2.hdr)
    try:
        return Picamera2(int(source))
    except (RuntimeError, OSError) as exc:
        raise RetryLater(f"camera {source} cannot be opened ({exc.__cause__ or exc}); end the program that holds it") from exc


def _quiet() -> None:
    """Both tell of every step they take, at each start; what is wrong they still say."""
    logging.getLogger("picamera2").setLevel(logging.WARNING)
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")


def configured(camera: Any, settings: config.Camera) -> tuple[Layout, Layout | None]:
    """The layouts of the large picture and of the small one, where there is one, as the camera made them of what was asked."""
    from libcamera import ColorSpace, Transform

    pi, size = settings.picamera2, (settings.width // 2 * 2, settings.height // 2 * 2)  # libcamera takes even sizes alone
    small = _small(size, pi.small_width) if _streams(camera) > 1 else None
    if pi.small_width and small is None:
        log.info("camera %s makes no small picture: the gate looks at the large one", settings.source)
    sensor: dict[str, Any] = {"output_size": (pi.sensor_width, pi.sensor_height)} if pi.sensor_width else {}
    if pi.sensor_bits:
        sensor["bit_depth"] = pi.sensor_bits
    plan = camera.create_video_configuration(
        main={"size": size, "format": pi.format},
        lores={"size": small, "format": "YUV420"} if small else None,
        raw=None,  # asked for by itself, and then it costs contiguous memory as the large picture does
        colour_space=ColorSpace.Sycc(),  # levels of 0…255, in which the gate's thresholds are
        transform=Transform(hflip=pi.hflip, vflip=pi.vflip),
        buffer_count=pi.buffers,
        sensor=sensor,
    )
    camera.configure(plan)
    made = camera.camera_config
    full = made.get("colour_space") is not None and made["colour_space"].range == ColorSpace.Range.Full
    main = layout_of(made["main"], full)
    if (main.width, main.height) != size:
        log.warning("camera %s gives %d × %d instead of %d × %d", settings.source, main.width, main.height, *size)
    _tell_other_mode(settings, made.get("sensor"))
    return main, layout_of(made["lores"], full) if small else None


def trouble(exc: Exception) -> str:
    """Why a camera does not start, with what to do where that is known."""
    if (isinstance(exc, OSError) and exc.errno == errno.ENOMEM) or "allocate" in str(exc):
        free = contiguous_mb(Path("/proc/meminfo"))
        told = f", {free[0]} of {free[1]} MB are free" if free else ""
        return (
            f"its buffers do not fit into contiguous memory (CMA{told}); lower camera.picamera2.buffers, camera.width and camera.height, "
            "or raise cma= of the dtoverlay in /boot/firmware/config.txt and reboot"
        )
    return str(exc)


def contiguous_mb(meminfo: Path) -> tuple[int, int] | None:
    """Free and all contiguous memory of the kernel in MB; None where it keeps none, as on a Pi 5."""
    told = {name: int(kb) // 1024 for name, kb in re.findall(r"(?m)^(Cma\w+): +(\d+) kB$", meminfo.read_text("ascii"))}
    return (told["CmaFree"], told["CmaTotal"]) if told.get("CmaTotal") else None


def _small(size: tuple[int, int], width: int) -> tuple[int, int] | None:
    """The small picture's size, of the large one's shape and never larger; None where there is to be none."""
    if not width:
        return None
    across = min(width, size[0]) // 2 * 2
    return across, max(2, round(across * size[1] / size[0] / 2) * 2)


def _streams(camera: Any) -> int:
    """How many pictures of one exposure this camera makes. Asked beforehand: picamera2 aborts the process where one is missing."""
    from libcamera import StreamRole

    return int(camera.camera.generate_configuration([StreamRole.Viewfinder] * 2).size)


def _tell_other_mode(settings: config.Camera, made: Any) -> None:
    pi = settings.picamera2
    asked = (pi.sensor_width, pi.sensor_height), pi.sensor_bits
    if made is None:
        if any((pi.sensor_width, pi.sensor_bits)):
            log.warning("camera %s cannot follow camera.picamera2.sensor_width, sensor_height or sensor_bits", settings.source)
        return
    got = tuple(made["output_size"]), made["bit_depth"]
    if any(want not in (have, 0, (0, 0)) for want, have in zip(asked, got, strict=True)):
        log.warning("camera %s: its sensor runs at %d × %d with %d bits", settings.source, *got[0], got[1])


def _sensor_hdr(found: dict[str, Any], hdr: str) -> None:
    """Switch the HDR inside the sensor of a Camera Module 3, which outlives the process: also off, where it is not wanted."""
    if not str(found.get("Model", "")).startswith("imx708"):
        if hdr == "sensor":
            log.warning('camera %s cannot follow camera.picamera2.hdr = "sensor": only a Camera Module 3 can', found["Num"])
        return
    from picamera2.devices.imx708 import IMX708

    try:
        with IMX708(found["Num"]) as sensor:
            sensor.set_sensor_hdr_mode(hdr == "sensor")
    except (RuntimeError, OSError) as exc:
        log.warning("camera %s: its HDR cannot be switched: %s", found["Num"], exc)
