"""A `[camera.picamera2]` section: how a camera on the Pi's own connector sees."""

from dataclasses import dataclass

from agent.settings import number, one_of, rectangle


@dataclass(frozen=True, slots=True, kw_only=True)
class PiCamera:
    format: str = one_of("YUV420", "YUV420", "RGB888")
    sensor_width: int = number(0, 0, 16384)  # 0: the mode that suits the picture best
    sensor_height: int = number(0, 0, 16384)
    sensor_bits: int = number(0, 0, 16)  # 0: as many as there are
    small_width: int = number(480, 0, 4096)  # 0: no small picture
    buffers: int = number(4, 3, 16)
    exposure_ms: float = number(0.0, 0, 10_000)  # 0: automatic
    longest_exposure_ms: float = number(0.0, 0, 10_000)  # 0: no limit of ours
    gain: float = number(0.0, 0, 256)  # 0: automatic
    highest_gain: float = number(0.0, 0, 256)  # 0: no limit of ours
    awb: str = one_of("auto", "auto", "incandescent", "tungsten", "fluorescent", "indoor", "daylight", "cloudy")
    focus: str = one_of("continuous", "continuous", "auto", "manual")
    focus_window: tuple[float, ...] = rectangle()
    lens_position: float = number(0.0, 0, 40)
    roi: tuple[float, ...] = rectangle()
    hflip: bool = False
    vflip: bool = False
    hdr: str = one_of("off", "off", "sensor", "single", "multi", "night")


def problems(settings: PiCamera) -> list[tuple[str, str]]:
    """What no single key can know: (key, what it must be), empty where all is well."""
    found = []
    if bool(settings.sensor_width) != bool(settings.sensor_height):
        missing = "sensor_height" if settings.sensor_width else "sensor_width"
        found.append((missing, "set together with its other half, as a mode of rpicam-hello --list-cameras"))
    if settings.exposure_ms and settings.longest_exposure_ms:
        found.append(("longest_exposure_ms", "0 as long as exposure_ms fixes the exposure"))
    if settings.gain and settings.highest_gain:
        found.append(("highest_gain", "0 as long as gain fixes the gain"))
    if settings.focus_window and settings.focus == "manual":
        found.append(("focus_window", 'empty as long as focus is "manual"'))
    if settings.lens_position and settings.focus != "manual":
        found.append(("lens_position", 'set together with focus = "manual"'))
    return found
