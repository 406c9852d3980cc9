"""The same picture as another camera would have seen it: cut a little closer, with a sensor's noise, repeatable by its seed."""

from dataclasses import dataclass

import cv2
import numpy as np

from agent.domain import Pixels


@dataclass(frozen=True, slots=True)
class Variation:
    """A crop of `share` of both sides, its corner `right` and `down` of what is left over (0…1), and noise of `sigma` grey levels."""

    seed: int
    share: float
    right: float
    down: float
    sigma: float

    @classmethod
    def of(cls, seed: int) -> "Variation":
        """One of 95 to 100 % of each side, and 1 to 4 grey levels."""
        dice = np.random.default_rng((seed, 1))
        return cls(seed, *(float(dice.uniform(least, most)) for least, most in ((0.95, 1.0), (0.0, 1.0), (0.0, 1.0), (1.0, 4.0))))

    def seen(self, pixels: Pixels, number: int = 0) -> Pixels:
        """A BGR picture cropped and noisy; `number` is that of a clip's frame: the crop stays, the noise is another."""
        height, width = (max(1, round(side * self.share)) for side in pixels.shape[:2])
        y, x = round(self.down * (pixels.shape[0] - height)), round(self.right * (pixels.shape[1] - width))
        noise = np.empty((height, width, 3), np.int16)
        # OpenCV's dice: a frame of noise from NumPy's costs more than the search for a plate in it.
        cv2.setRNGSeed(self.seed * 1_000_003 + number)
        cv2.randn(noise, np.zeros(3), np.full(3, self.sigma))
        return np.asarray(cv2.add(pixels[y : y + height, x : x + width], noise, dtype=cv2.CV_8U), np.uint8)
