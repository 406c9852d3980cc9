"""How a camera's view compares with its own normal one: what of the background is in its place, what is gone, how wide edges are."""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from agent.domain import Pixels

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Matrix = npt.NDArray[Any]

ACROSS, DOWN = 8, 5  # cells of the view; a vehicle before the gate leaves some of them free
_SIZE = (160, 90)  # of the picture whose edges are compared: noise is averaged away, and a mast that sways is within the smoothing
_STILL = 0.5  # correlation of a cell's edges with their reference: noise of 10 levels leaves 0.7, other things give 0.1 to 0.4
_PLAIN = 0.35  # share of the reference's edges, below which a cell has lost its structure
_STRUCTURED = 0.04  # edges of a cell (deviation of log-light gradients) that are worth comparing; noise alone leaves 0.02
_LIT, _DROWNED = 18.0, 248.0  # mean grey between which a cell can be judged: what lies in the dark was not taken away
_NORMAL_S, _OTHER_S = 600.0, 7200.0  # how fast the reference follows cells in their place (sun, dusk), and others (snow, a container)
_EDGES_S = 1800.0  # how fast the normal width of edges follows
_LOGS = np.log(np.arange(256, dtype=np.float32) + 12)  # the light of a day becomes a sum, which gradients do not show
_TURNS = range(0, 360, 5)  # degrees; edges smoothed as these are found half a step aside
_HALF = (80, 45)  # size at which they are tried
_FOUND, _BETTER = 0.55, 0.15  # correlation of the whole reference, turned and shifted, from which it is found again, and above where it was
_AS_IT_WAS: Matrix = np.array([(1, 0, 0), (0, 1, 0)], np.float64)


@dataclass(frozen=True, slots=True)
class Look:
    """One sample against the reference, as shares of the cells that had structure and have light: `still` in their place, `plain`
    without structure; None where fewer than a quarter of the cells can be judged. `edges` is their sharpness, 1.0 as ever, less where
    edges have become wider; None where too little of the background is in sight. `bare`: there is no structure anywhere.
    """

    still: float | None
    plain: float | None
    edges: float | None
    bare: bool


class Outlook:
    """Learns the view of a camera and compares it: 60 kB of edges, and the picture before this one."""

    def __init__(self) -> None:
        self.known_s = 0.0  # how long the reference was seen to hold
        self._edges: Floats | None = None
        self._widths = np.full(ACROSS * DOWN, np.nan, np.float32)
        self._before: Pixels | None = None
        self._latest: Floats = np.zeros(0, np.float32)

    def look(self, small: Pixels, seconds: float, *, learn: bool) -> Look:
        """Compare a grey picture, any size, taken `seconds` after the last; with `learn` the reference follows it."""
        coarse = np.asarray(cv2.resize(small, _SIZE, interpolation=cv2.INTER_AREA), np.uint8)
        now = self._latest = _edges(coarse)
        if self._edges is None:
            self._edges, self._before = now, small
            return Look(None, None, None, bool(_deviation(_cells(now)).max() < _STRUCTURED))
        cells, normal = _cells(now), _cells(self._edges)
        energy, usual = _deviation(cells), _deviation(normal)
        light = _cells(coarse.astype(np.float32)).mean(1)
        judged = cast("Flags", (usual >= _STRUCTURED) & (light > _LIT) & (light < _DROWNED))
        still = judged & (_correlation(cells, normal) >= _STILL)
        plain = judged & ~still & (energy < _PLAIN * usual)
        edges = self._compare_widths(small, still, judged, seconds, learn=learn)
        if learn:
            self._edges = self._followed(self._edges, now, still, (light > _LIT) & (light < _DROWNED), seconds)
        bare, of = bool(energy.max() < _STRUCTURED), int(judged.sum())
        if 4 * of < ACROSS * DOWN:
            return Look(None, None, edges, bare)
        return Look(int(still.sum()) / of, int(plain.sum()) / of, edges, bare)

    def elsewhere(self) -> bool:
        """Whether the last picture shows the reference shifted or turned: what nothing that stands in the way can do. 4 ms."""
        if self._edges is None:
            return False
        now, normal = _halved(self._latest), _halved(self._edges)
        window = np.asarray(cv2.createHanningWindow(_HALF, cv2.CV_32F), np.float32)
        degrees = max(_TURNS, key=lambda each: _placed(normal, now, window, each)[0])
        fits = [_overlap(normal, now, _placed(normal, now, window, degrees + finer)[1]) for finer in (-2.0, -1.0, 0.0, 1.0, 2.0)]
        return max(fits) >= max(_FOUND, _overlap(normal, now, _AS_IT_WAS) + _BETTER)

    def forget(self) -> None:
        """Take the next picture as the new normal."""
        self.known_s, self._edges = 0.0, None
        self._widths.fill(np.nan)

    def _followed(self, normal: Floats, now: Floats, still: Flags, lit: Flags, seconds: float) -> Floats:
        """The reference moves towards the picture: its first minutes are a plain mean, so that passers-by leave no trace."""
        self.known_s += seconds
        normal_s = min(_NORMAL_S, max(self.known_s, seconds))
        other_s = _OTHER_S if self.known_s > _NORMAL_S else normal_s
        # What the night hides is remembered for the morning.
        rates = np.where(lit, np.where(still, seconds / normal_s, seconds / other_s), 0.0).clip(0, 1).astype(np.float32)
        grid = np.asarray(cv2.resize(rates.reshape(DOWN, ACROSS), _SIZE, interpolation=cv2.INTER_NEAREST), np.float32)
        return normal + grid * (now - normal)

    def _compare_widths(self, small: Pixels, still: Flags, judged: Flags, seconds: float, *, learn: bool) -> float | None:
        """Sharpness of the background against its normal, by the light that is lost between two smoothings.

        Products of two pictures stand for squares of one: noise, which differs between them, cancels out, and night is not sharper
        than day. Where little is in its place, the sharpest part speaks for all: a lorry has sharp edges somewhere, a blurred lens none.
        """
        before, self._before = self._before, small
        if before is None or before.shape != small.shape or min(small.shape) < 2 * ACROSS:
            return None
        (fine, wide), (fine_before, wide_before) = _bands(small), _bands(before)
        power = cell_sums(wide * wide_before)
        ratio = cell_sums(fine * fine_before) / np.maximum(power, 1.0)
        enough = judged & (power > 0.1 * small.size / (ACROSS * DOWN))
        widths = np.where(enough, 0.5 * np.log(np.maximum(ratio, 1e-4)), np.nan).astype(np.float32)
        off = widths - self._widths
        if learn:
            rate = min(1.0, seconds / min(_EDGES_S, max(self.known_s, seconds)))
            followed = np.where(np.isnan(self._widths), widths, self._widths + rate * off)
            self._widths = np.where(still & enough, followed, self._widths).astype(np.float32)
        placed, known = off[still & ~np.isnan(off)], off[~np.isnan(off)]
        if known.size < 4:
            return None
        return float(np.exp(np.median(placed) if placed.size >= 4 else np.quantile(known, 0.9)))


def _edges(coarse: Pixels) -> Floats:
    """How steep the light is at each point, (90, 160), whatever its colour and strength, smoothed."""
    logs = _LOGS[coarse]
    steep = cv2.magnitude(cv2.Sobel(logs, cv2.CV_32F, 1, 0), cv2.Sobel(logs, cv2.CV_32F, 0, 1))
    return np.asarray(cv2.blur(steep, (3, 3)), np.float32)


def _cells(picture: Floats) -> Floats:
    """(90, 160) → (cells, pixels of a cell)."""
    height, width = picture.shape
    parts = picture.reshape(DOWN, height // DOWN, ACROSS, width // ACROSS)
    return parts.transpose(0, 2, 1, 3).reshape(DOWN * ACROSS, -1)


def _deviation(cells: Floats) -> Floats:
    return cast("Floats", cells.std(1))


def _correlation(cells: Floats, others: Floats) -> Floats:
    """Of each cell with its counterpart, -1…1."""
    one, two = (each - each.mean(1, keepdims=True) for each in (cells, others))
    power = np.sqrt(np.einsum("ij,ij->i", one, one) * np.einsum("ij,ij->i", two, two))
    return cast("Floats", np.einsum("ij,ij->i", one, two) / np.maximum(power, 1e-6))


def _bands(small: Pixels) -> tuple[Floats, Floats]:
    """The finest detail, and the coarser: a wider edge has less of the first."""
    light = small.astype(np.float32)
    coarser = cv2.subtract(cv2.blur(light, (3, 3)), cv2.blur(light, (9, 9)))
    return np.asarray(cv2.Laplacian(light, cv2.CV_32F), np.float32), np.asarray(coarser, np.float32)


def cell_sums(picture: Floats) -> Floats:
    """The sum of each cell of a picture of any size; a rest that fills no row of cells is left out."""
    height, width = picture.shape[0] // DOWN * DOWN, picture.shape[1] // ACROSS * ACROSS
    return cast("Floats", _cells(picture[:height, :width]).sum(1))


def _halved(edges: Floats) -> Floats:
    return np.asarray(cv2.resize(edges, _HALF, interpolation=cv2.INTER_AREA), np.float32)


def _placed(normal: Floats, now: Floats, window: Floats, degrees: float) -> tuple[float, Matrix]:
    """The reference turned about its middle and shifted to fit best: how sharp that fit is, and the affine matrix (2, 3)."""
    matrix: Matrix = cv2.getRotationMatrix2D((_HALF[0] / 2, _HALF[1] / 2), degrees, 1.0)
    # OpenCV lays the window over the pictures it was given where they need no padding: it gets copies.
    (x, y), peak = cv2.phaseCorrelate(cv2.warpAffine(normal, matrix, _HALF), now.copy(), window)
    matrix[:, 2] += x, y
    return peak, matrix


def _overlap(normal: Floats, now: Floats, matrix: Matrix) -> float:
    """Correlation with the reference moved by the matrix, where both are; none where they share less than a quarter."""
    moved = np.asarray(cv2.warpAffine(normal, matrix, _HALF), np.float32)
    there = cv2.warpAffine(np.ones_like(normal), matrix, _HALF, flags=cv2.INTER_NEAREST)
    both = cv2.erode(there, np.ones((7, 7), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1.0) > 0
    if 4 * np.count_nonzero(both) < both.size:
        return 0.0
    return float(_correlation(moved[both][None], now[both][None])[0])
