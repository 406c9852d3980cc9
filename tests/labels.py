"""Barcodes and door labels as they are printed, and as a camera sees them: turned, tilted, blurred, in noise."""

import cv2
import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from agent.domain import Pixels

MATRIX = ("DataMatrix", "QRCode", "PDF417", "Aztec")
LINEAR = ("Code39", "Code128")


def code(text: str, kind: str, module: float = 3.0, *, height: int = 60) -> Pixels:
    """One barcode, black on white in grey with its quiet zone; `module` is the width of its narrowest bar in pixels."""
    made = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    dots = np.array(made.to_image(scale=1, add_quiet_zones=False), np.uint8)
    if kind not in MATRIX:
        dots = np.repeat(dots[len(dots) // 2 :][:1], max(1, round(height / module)), axis=0)
    fine = np.pad(np.kron(dots, np.ones((8, 8), np.uint8)), 80, constant_values=255)
    size = round(fine.shape[1] * module / 8), round(fine.shape[0] * module / 8)
    return np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.uint8)


def label(printed: str, coded: str | None = None, kind: str = "Code39", module: float = 2.0, *, letters: int = 30) -> Pixels:
    """A door label, BGR: the printed VIN, `letters` pixels high, and below it the barcode, on a white card in a dark frame."""
    picture = Image.new("L", (960, 540), 90)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((150, 150, 810, 400), fill=235)
    font = ImageFont.load_default(letters)
    wide = draw.textlength(printed, font)
    draw.text((480 - wide / 2, 200), printed, fill=20, font=font)
    pixels = np.array(picture)
    if coded is not None:
        bars = (code(coded, kind, module, height=50) * (215 / 255) + 20).astype(np.uint8)
        top, left = 205 + letters, 480 - bars.shape[1] // 2
        pixels[top : top + bars.shape[0], left : left + bars.shape[1]] = bars
    return seen(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR).astype(np.uint8), noise=2.0)


def seen(picture: Pixels, *, blur: float = 0.0, noise: float = 0.0, tilt: float = 0.0, slant: float = 0.0) -> Pixels:
    """The picture as a camera at the gate sees it: `tilt` in degrees, `slant` as the share by which its right side is smaller."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1.0)
    turned = cv2.warpAffine(picture, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    narrow = corners + np.array([(0, 0), (0, slant * height / 2), (0, -slant * height / 2), (0, 0)], np.float32)
    turned = cv2.warpPerspective(turned, cv2.getPerspectiveTransform(corners, narrow), (width, height), borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(turned, (0, 0), blur) if blur else turned
    noisy = soft + np.random.default_rng(1).normal(0, noise, soft.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)
