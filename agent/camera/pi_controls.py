"""What libcamera is asked for: the settings of a Pi's camera as its controls, without those that a camera lacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.config_picamera import PiCamera

FRAME_US = 33_333  # of picamera2's video configuration: no automatic exposure is longer
# The numbers are libcamera's enumerations, the same in every release.
_AWB = {"auto": 0, "incandescent": 1, "tungsten": 2, "fluorescent": 3, "indoor": 4, "daylight": 5, "cloudy": 6}
_FOCUS = {"manual": 0, "auto": 1, "continuous": 2}
_HDR = {"multi": 2, "single": 3, "night": 4}
_SHORT, _WINDOWS, _START = 1, 1, 0  # AeExposureMode, which blurs what moves the least; AfMetering; AfTrigger

Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Wish:
    """A control and its value, and which keys of the settings ask for it; none where it is our own idea."""

    control: str
    value: Any
    keys: tuple[str, ...] = ()


def granted(wishes: Sequence[Wish], advertised: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What to set, and the keys that this camera cannot follow: setting a control it lacks would be an error."""
    lacking = [key for wish in wishes if wish.control not in advertised for key in wish.keys]
    return {wish.control: wish.value for wish in wishes if wish.control in advertised}, list(dict.fromkeys(lacking))


def wishes(settings: PiCamera, fps: float, size: tuple[int, int], advertised: Mapping[str, Any]) -> list[Wish]:
    """All but the exposure; `advertised` is name → (least, most, default), `size` that of the picture in pixels."""
    picked = seen(settings.roi, size, advertised)
    return [
        *_timing(settings, fps),
        Wish("AwbMode", _AWB[settings.awb], ("awb",) if settings.awb != "auto" else ()),
        *_focus(settings, picked or whole(advertised)),
        *_crop(settings, picked, advertised),
        *([Wish("HdrMode", _HDR[settings.hdr], ("hdr",))] if settings.hdr in _HDR else []),
    ]


def whole(advertised: Mapping[str, Any]) -> Rectangle | None:
    """All that the sensor sees, in its own pixels, where the camera tells."""
    crop = advertised.get("ScalerCrop")
    return tuple(crop[1]) if crop else None


def seen(roi: Sequence[float], size: tuple[int, int], advertised: Mapping[str, Any]) -> Rectangle | None:
    """The part of the sensor that is to fill the picture: the most of `roi` that has the picture's shape, or letters would be stretched."""
    full = whole(advertised)
    if not roi or full is None:
        return None
    x, y, width, height = within(full, roi)
    across, up = min(width, height * size[0] // size[1]), min(height, width * size[1] // size[0])
    return x + (width - across) // 2, y + (height - up) // 2, across, up


def within(outer: Rectangle, part: Sequence[float]) -> Rectangle:
    """`part`, as fractions of `outer`, in the pixels of `outer`."""
    x, y, width, height = outer
    return x + round(part[0] * width), y + round(part[1] * height), max(1, round(part[2] * width)), max(1, round(part[3] * height))


def _timing(settings: PiCamera, fps: float) -> list[Wish]:
    """A frame lasts as long as the longest exposure that was asked for, and no longer than its share of a second."""
    asked = {key: getattr(settings, key) for key in ("exposure_ms", "longest_exposure_ms") if getattr(settings, key)}
    fastest = min(FRAME_US, round(1e6 / fps))
    slowest = max(fastest, *(round(1000 * value) for value in asked.values())) if asked else fastest
    return [Wish("FrameDurationLimits", (fastest, slowest))] if (fastest, slowest) != (FRAME_US, FRAME_US) else []


def _focus(settings: PiCamera, picked: Rectangle | None) -> list[Wish]:
    asked = () if settings.focus == "continuous" else ("focus",)
    found = [Wish("AfMode", _FOCUS[settings.focus], asked)]
    if settings.focus == "manual":
        found.append(Wish("LensPosition", settings.lens_position, ("lens_position",)))
    if settings.focus == "auto":
        found.append(Wish("AfTrigger", _START, asked))
    if settings.focus_window:
        windows = [within(picked, settings.focus_window)] if picked else []
        found += [Wish("AfMetering", _WINDOWS, ("focus_window",)), Wish("AfWindows", windows, ("focus_window",))]
    return found


def _crop(settings: PiCamera, picked: Rectangle | None, advertised: Mapping[str, Any]) -> list[Wish]:
    """Where there is a crop for each stream, picamera2 has set it already, and it would win over the common one."""
    if not settings.roi:
        return []
    each = "ScalerCrops" in advertised
    return [Wish("ScalerCrops" if each else "ScalerCrop", [picked, picked] if each else picked, ("roi",))]
