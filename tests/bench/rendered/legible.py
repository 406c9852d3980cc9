"""Whether a careful eye could read a rendered plate, from what it was made with alone: size, motion, light and noise."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agent.camera.lettering import Points, Style

POINTS = 17  # along the line, one a letter
# Grey levels of ground and ink of each style under full light, as agent.camera.lettering draws them.
LEVELS: dict[Style, tuple[float, float]] = {"dash": (34, 219), "label": (228, 36), "stamped": (157, 80)}

_LEAST_PX = 11.0  # height of the letters
_LEAST_STEP_PX = 7.0  # from one letter to the next
_MOST_SMEAR = 0.4  # of the step, or of the height, that the letters move while the shutter is open
_LEAST_LEVELS = 25.0  # between ground and ink
_LEAST_OVER_NOISE = 3.0  # for letters of 16 pixels; the eye averages over larger ones


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A plate as it stands in one frame: corners of its text, motion in pixels, levels of ground and ink, light and noise over them."""

    text: Points
    blur: tuple[float, float]
    contrast: tuple[float, float]
    lit: npt.NDArray[np.float64]
    noise: float


def inside(text: Points, size: tuple[int, int]) -> bool:
    return bool((text > 0).all() and (text < (size[0] - 1, size[1] - 1)).all())


def by_eye(seen: Seen) -> bool:
    """True where every letter is large, still and clear enough; decided by how the frame was made, not by whether it was read."""
    wide, high = sides(seen.text)
    along = (seen.text[1] - seen.text[0]) / max(float(np.linalg.norm(seen.text[1] - seen.text[0])), 1e-6)
    smear = abs(seen.blur[0] * along[0]) + abs(seen.blur[1] * along[1])
    across = abs(seen.blur[0] * along[1]) + abs(seen.blur[1] * along[0])
    step = wide / POINTS
    still = smear <= _MOST_SMEAR * step and across <= _MOST_SMEAR * high
    return bool(high >= _LEAST_PX and step >= _LEAST_STEP_PX and still and _clear(seen, high))


def sides(text: Points) -> tuple[float, float]:
    """Length of the line and the height of its letters, measured across it."""
    wide = float(np.linalg.norm(text[1] - text[0]) + np.linalg.norm(text[2] - text[3])) / 2
    area = 0.5 * abs(float(np.dot(text[:, 0], np.roll(text[:, 1], -1)) - np.dot(text[:, 1], np.roll(text[:, 0], -1))))
    return wide, area / max(wide, 1e-6)


def _clear(seen: Seen, high: float) -> bool:
    ground, ink = (np.minimum(255.0, level + seen.lit) for level in seen.contrast)
    left = float(np.abs(ground - ink).min())
    return left >= _LEAST_LEVELS and left * (high / 16) ** 0.5 >= _LEAST_OVER_NOISE * seen.noise
