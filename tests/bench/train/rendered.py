"""Rendered yards to train on beside the photographs: VIN plates in many styles among other text, stripes and barcodes."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Rng = np.random.Generator
Floats = npt.NDArray[np.float32]
Quad = npt.NDArray[np.float32]

SIZE = (960, 540)
ALPHABET = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
FACES = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_PLAIN)
WORDS = [
    "MADE",
    "IN",
    "GERMANY",
    "TYPE",
    "MODEL",
    "ENGINE",
    "NO",
    "GVWR",
    "KG",
    "FRONT",
    "REAR",
    "AXLE",
    "DATE",
    "STOP",
    "EXIT",
    "TYRE",
    "BAR",
]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Grey pixels to be laid into a scene, and where the text lies in them."""

    pixels: Floats
    left: float
    top: float
    right: float
    bottom: float


def scene(rng: Rng) -> tuple[npt.NDArray[np.uint8], list[Quad]]:
    """A grey picture and the corners (4, 2) of the VIN lines in it: one, or none in a third of the scenes."""
    width, height = SIZE
    coarse = rng.uniform(40, 190, (int(rng.integers(2, 9)), int(rng.integers(2, 12)))).astype(np.float32)
    canvas = np.asarray(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC), np.float32)
    for _ in range(int(rng.integers(2, 10))):
        corner = rng.integers(0, (width, height), 2)
        to = corner + rng.integers(-400, 400, 2)
        cv2.line(canvas, corner.tolist(), to.tolist(), float(rng.uniform(10, 240)), int(rng.integers(1, 12)), cv2.LINE_AA)
    for _ in range(int(rng.integers(2, 7))):
        laid(rng, canvas, other(rng))
    labels = [laid(rng, canvas, plate(rng))] if rng.random() < 0.67 else []
    return seen(rng, canvas), labels


def text(rng: Rng, words: str, cap_px: float) -> Patch:
    """One line of characters on its own ground, in either polarity, now and then in relief or made of dots."""
    face = FACES[int(rng.integers(len(FACES)))]
    size = 1.2 if face != cv2.FONT_HERSHEY_PLAIN else 2.4
    thick = int(rng.integers(2, 6))
    spacing = float(rng.choice([0.0, 0.0, 0.15, 0.4]))
    widths = [cv2.getTextSize(each, face, size, thick)[0] for each in words]
    cap = cv2.getTextSize("H", face, size, thick)[0][1]
    total = sum(each[0] + spacing * cap for each in widths)
    margin_x, margin_y = cap * rng.uniform(0.4, 2.5), cap * rng.uniform(0.3, 1.6)
    mask = np.zeros((int(cap + 2 * margin_y + thick), int(total + 2 * margin_x)), np.float32)
    at = margin_x
    for each, (wide, _) in zip(words, widths, strict=True):
        cv2.putText(mask, each, (int(at), int(margin_y + cap)), face, size, 1.0, thick, cv2.LINE_AA)
        at += wide + spacing * cap
    times = cap_px / cap
    ink = np.asarray(cv2.resize(styled(rng, mask), None, fx=times, fy=times, interpolation=cv2.INTER_AREA), np.float32)
    ground = float(rng.uniform(15, 240))
    step = float(rng.uniform(30, 170)) * (1 if ground < 110 else -1)
    return Patch(ground + step * ink, margin_x * times, margin_y * times, (at - spacing * cap) * times, (margin_y + cap) * times)


def styled(rng: Rng, mask: Floats) -> Floats:
    kind = rng.random()
    if kind < 0.15:  # stamped: light on one flank, shadow on the other
        return mask - np.asarray(np.roll(mask, (3, 3), (0, 1)), np.float32)
    if kind < 0.25:  # punched in dots
        dots = np.zeros_like(mask)
        dots[::6, ::6] = 1
        return np.asarray(cv2.dilate(dots * (mask > 0.5), np.ones((4, 4), np.uint8)), np.float32)
    return mask


def plate(rng: Rng) -> Patch:
    vin = "".join(rng.choice(list(ALPHABET), 17))
    if rng.random() < 0.15:
        vin = f"*{vin}*"
    return text(rng, vin, float(np.exp(rng.uniform(np.log(7), np.log(30)))))


def other(rng: Rng) -> Patch:
    """Anything that is no VIN: words, a licence plate, a long number, stripes, a barcode."""
    cap_px = float(np.exp(rng.uniform(np.log(6), np.log(40))))
    kind = rng.random()
    if kind < 0.35:
        return text(rng, " ".join(rng.choice(WORDS, int(rng.integers(1, 7)))), cap_px)
    if kind < 0.55:
        return text(rng, "".join(rng.choice(list(ALPHABET), int(rng.integers(4, 11)))), cap_px * 1.5)
    if kind < 0.7:
        return text(rng, "".join(rng.choice(list("0123456789"), int(rng.integers(8, 14)))), cap_px)
    bars = rng.random(int(rng.integers(30, 120))) > 0.5 if kind < 0.85 else np.arange(int(rng.integers(12, 80))) % 2 > 0
    pitch = int(rng.integers(2, 8))
    row = np.repeat(np.where(bars, rng.uniform(0, 90), rng.uniform(120, 250)), pitch).astype(np.float32)
    pixels = np.tile(row, (int(rng.integers(8, 120)), 1))
    return Patch(pixels, 0, 0, pixels.shape[1], pixels.shape[0])


def laid(rng: Rng, canvas: Floats, patch: Patch) -> Quad:
    """The patch turned and laid somewhere into the scene; gives the corners of its text, top left first, clockwise."""
    rows, columns = patch.pixels.shape
    width, height = SIZE
    angle = float(np.clip(rng.normal(0, 12), -35, 35))
    fits = min(1.0, 0.95 * width / (columns + rows))
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), angle, fits)
    reach_x, reach_y = (
        min(0.45 * width, 0.5 * columns * fits),
        min(0.4 * height, 0.5 * columns * fits * abs(np.sin(np.radians(angle))) + rows),
    )
    centre = rng.uniform((reach_x, reach_y), (width - reach_x, height - reach_y))
    turn[:, 2] += centre - (columns / 2, rows / 2)
    inside = cv2.warpAffine(np.ones_like(patch.pixels), turn, SIZE)
    drawn = cv2.warpAffine(patch.pixels, turn, SIZE, flags=cv2.INTER_LINEAR)
    canvas += (drawn - canvas * inside) * (inside > 0.99)
    sides = (patch.left, patch.top), (patch.right, patch.top), (patch.right, patch.bottom), (patch.left, patch.bottom)
    return np.asarray(np.array(sides) @ turn[:, :2].T + turn[:, 2], np.float32)


def seen(rng: Rng, canvas: Floats) -> npt.NDArray[np.uint8]:
    """The scene through a lens, a moving vehicle and a sensor."""
    picture: npt.NDArray[Any] = canvas
    if rng.random() < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.6)))
    if rng.random() < 0.3:
        picture = cv2.blur(picture, (int(rng.integers(2, 7)), 1))
    picture = picture * float(rng.uniform(0.3, 1.1)) + rng.normal(0, rng.uniform(1, 8), canvas.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)
