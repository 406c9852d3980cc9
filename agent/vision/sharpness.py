"""How sharp a plate is, for ranking pictures of the same plate, and how much of it is blown out."""

import cv2
import numpy as np

from agent.domain import Pixels

_HEIGHT = 32  # pixels: sharpness is compared at one size, so that a vehicle coming closer does not look blurred
_WIDEST = 1024
_QUIET = 12.0  # contrast over noise from which noise no longer matters to a reader (measured on 300 rendered frames)
_BLOWN = 250  # of 255: sensors and JPEG rarely reach 255 exactly
_STEEP = 97  # percentile of the slopes that counts as an edge of a stroke


def sharpness(crop: Pixels) -> float:
    """Steepness of the strokes' edges in a tight BGR or grey crop of one line; only its order means anything.

    Contrast is evened out first, so glare and light do not count, and noise is smoothed away and then held against the picture.
    """
    even, contrast, noise = _evened(crop)
    slopes = np.abs(cv2.Sobel(even, cv2.CV_32F, 1, 0, ksize=3, scale=0.125))
    return float(np.percentile(slopes, _STEEP)) * min(1.0, contrast / (noise + 1) / _QUIET)


def _evened(crop: Pixels) -> tuple[cv2.typing.MatLike, float, float]:
    """The crop in grey at one height, smoothed, with its contrast brought to one; its contrast and its noise in grey levels."""
    grey = crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    size = (min(max(8, round(width * _HEIGHT / height)), _WIDEST), _HEIGHT)
    shrunk = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if height > _HEIGHT else cv2.INTER_LINEAR).astype(np.float32)
    soft = cv2.GaussianBlur(shrunk, (3, 3), 0)
    dark, light = (float(level) for level in np.percentile(soft, (5, 95)))
    # The median, because only edges differ much from their smoothed selves and strokes are few.
    noise = 1.48 * float(np.median(np.abs(shrunk - soft)))
    contrast = light - dark
    return (soft - dark) / max(contrast, 8.0), contrast, noise


def levels(crop: Pixels) -> tuple[float, float]:
    """The dark and the light of a BGR or grey crop, 0…255: what all but a few of its pixels lie between."""
    grey = crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    dark, light = np.percentile(cv2.blur(grey, (3, 3)), (5, 95))
    return float(dark), float(light)


def glare(crop: Pixels) -> float:
    """The share of a BGR or grey crop, 0…1, in which light has wiped out everything."""
    weakest = crop if crop.ndim == 2 else crop.min(axis=2)
    return float(np.count_nonzero(weakest >= _BLOWN)) / weakest.size
