"""Drawn labels to train on beside the photographs: VIN lines in many faces and materials, alone or among other text and barcodes."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Rng = np.random.Generator
Floats = npt.NDArray[np.float32]
Quad = npt.NDArray[np.float32]

ALPHABET = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
SUFFIXES = (".ttf", ".otf")
# Pictures of these draw no letters, or letters nobody stamps.
UNFIT = ("math", "icon", "symbol", "emoji", "italic", "oblique", "thin", "extralight", "braille", "-it", "hairline")
WORDS = (
    *("MADE IN", "GERMANY", "TYPE", "MODEL", "ENGINE NO", "GVWR", "KG", "LB", "FRONT", "REAR", "AXLE", "DATE", "TYRE", "BAR", "PAINT"),
    *("TRIM", "COLOR", "MOTOR CO", "MFD BY", "THIS VEHICLE CONFORMS TO ALL", "SAFETY STANDARDS", "IN EFFECT ON THE DATE OF", "WB", "SPR"),
    *("ИЗГОТОВЛЕНО", "МОДЕЛЬ", "ДВИГАТЕЛЬ", "МАССА", "ООО", "РОССИЯ", "kPa", "mm", "Max.", "Cold", "passenger car", "certification"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Grey pixels 0…255, and the corners (4, 2) of each VIN's text in them, top left first, clockwise."""

    pixels: Floats
    vins: tuple[Quad, ...]


def faces_in(folders: Sequence[Path]) -> list[Path]:
    """The upright TrueType faces of some folders; those a machine has are as good as any."""
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    return [file for file in files if not any(word in file.stem.lower() for word in UNFIT)]


def vin(rng: Rng) -> str:
    """Seventeen characters as they are issued: letters in front, digits at the end."""
    letters, digits = list(ALPHABET), list(string.digits)
    tail = int(rng.integers(4, 8))
    front = "".join(rng.choice(letters, 17 - tail))
    maker = str(rng.choice(["WVW", "XTA", "JTM", "Z94", "X7L", "WBA", "KMH", "1FA", "SAL", "VF1", "LSV", "XW8", front[:3]]))
    return maker + front[3:] + "".join(rng.choice(digits, tail))


def lettering(rng: Rng, words: str, face: Path, cap: int, spacing: float) -> Floats:
    """A mask 0…1 as tight as its ink, capitals about `cap` pixels high."""
    font = ImageFont.truetype(str(face), round(cap / 0.71))
    steps = [font.getlength(each) + spacing * cap for each in words]
    canvas = Image.new("L", (int(sum(steps) + 2 * cap), 3 * cap))
    pen = ImageDraw.Draw(canvas)
    bold = int(rng.integers(1, 3)) if rng.random() < 0.15 and cap > 24 else 0
    for each, x in zip(words, np.cumsum([cap / 2, *steps]), strict=False):
        pen.text((float(x), 0.6 * cap), each, fill=255, font=font, stroke_width=bold)
    mask = np.asarray(canvas, np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    return np.asarray(mask[y : y + max(height, 2), x : x + max(width, 2)] / 255, np.float32)


def number(rng: Rng) -> str:
    """Text that is no VIN but made like one: part numbers, approvals, masses, dates, licence plates, engine numbers."""
    kind = int(rng.integers(8))
    letters, digits = list(string.ascii_uppercase), list(string.digits)

    def some(of: list[str], least: int, most: int) -> str:
        return "".join(rng.choice(of, int(rng.integers(least, most))))

    return (
        some(digits, 4, 13),
        f"e{rng.integers(1, 30)}*{rng.integers(1995, 2020)}/{rng.integers(10, 120)}*{some(digits, 4, 5)}*{some(digits, 2, 3)}",
        f"{some(digits, 3, 5)} KG",
        f"{some(letters, 1, 4)} {some(digits, 2, 5)} {some(letters, 1, 3)}",
        f"{some(digits, 2, 3)}/{some(digits, 2, 5)}",
        f"{some(letters, 1, 4)}{some(digits, 3, 9)}",
        f"{some(letters, 2, 4)}-{some(digits, 3, 6)}-{some(letters, 1, 3)}",
        f"{some(digits, 1, 2)}- {some(digits, 3, 5)}  {some(digits, 1, 2)}- {some(digits, 3, 5)} kg",
    )[kind]


def words(rng: Rng) -> str:
    if rng.random() < 0.5:
        return number(rng)
    return " ".join(str(each) for each in rng.choice(WORDS, int(rng.integers(1, 5))))


def bars(rng: Rng, width: int, height: int) -> Floats:
    """A barcode's ink, or stripes."""
    module = max(1.0, width / float(rng.integers(60, 260)))
    edges = np.cumsum(rng.choice([1, 1, 2, 3], int(width / module)) * module)
    columns = np.searchsorted(edges, np.arange(width)) % 2
    return np.repeat(columns[None].astype(np.float32), height, 0)


def matrix(rng: Rng, side: int) -> Floats:
    cells = (rng.random((int(rng.integers(12, 30)),) * 2) > 0.5).astype(np.float32)
    return np.asarray(cv2.resize(cells, (side, side), interpolation=cv2.INTER_NEAREST), np.float32)


@dataclass(slots=True, eq=False)
class _Paper:
    """Ink laid on a growing column of rows."""

    rng: Rng
    faces: Sequence[Path]
    cap: int
    ink: Floats
    at: float
    left: float
    vins: list[Quad]

    def put(self, mask: Floats, x: float, y: float) -> None:
        left, top = max(0, int(x)), max(0, int(y))
        room = self.ink[top : top + mask.shape[0], left : left + mask.shape[1]]
        np.maximum(room, mask[: room.shape[0], : room.shape[1]], out=room)

    def line(self, text: str, cap: float, x: float) -> tuple[float, float]:
        """Width and height that were used."""
        mask = lettering(self.rng, text, self.face(), max(6, int(cap)), float(self.rng.choice([0.0, 0.02, 0.1])))
        self.put(mask, x, self.at)
        return float(mask.shape[1]), float(mask.shape[0])

    def face(self) -> Path:
        return self.faces[int(self.rng.integers(len(self.faces)))]

    def vin(self, mask: Floats, x: float) -> None:
        self.put(mask, x, self.at)
        height, width = mask.shape
        x, y = float(int(x)), float(int(self.at))
        self.vins.append(np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float32))


def sheet(rng: Rng, faces: Sequence[Path]) -> Sheet:
    """A plate, a label or a page with one VIN on it, or in a fifth of all none; capitals of the VIN are some 40 pixels high."""
    cap = int(rng.integers(28, 52))
    kind = rng.choice(["plate", "label", "label", "stamped", "stamped", "page"])
    width = int(cap * rng.uniform(18, 30)) if kind == "page" else int(cap * rng.uniform(16, 22))
    height = {"plate": rng.uniform(2, 5), "stamped": rng.uniform(2, 6), "label": rng.uniform(6, 18), "page": rng.uniform(10, 24)}[str(kind)]
    paper = _Paper(rng, faces, cap, np.zeros((int(cap * height), width), np.float32), 0.5 * cap, cap * rng.uniform(0.3, 1.5), [])
    rows = [] if rng.random() < 0.2 else ["vin"]
    spare = {"plate": 2, "stamped": 2, "label": 9, "page": 14}[str(kind)]
    rows += ["text"] * int(rng.integers(0, spare))
    rows += ["bars"] * int(rng.random() < 0.5) if kind == "label" else []
    rows += ["matrix"] * int(rng.random() < 0.15) if kind == "label" else []
    rng.shuffle(rows)
    if kind in ("plate", "stamped") and "vin" in rows and rng.random() < 0.5:
        rows = ["vin"]
    for row in rows:
        if paper.at > paper.ink.shape[0] - 1.3 * cap:
            break
        _row(paper, row)
    return Sheet(painted(rng, paper.ink, str(kind)), tuple(paper.vins))


def _row(paper: _Paper, row: str) -> None:
    rng, cap = paper.rng, paper.cap
    gap = cap * rng.uniform(0.15, 1.2)
    if row == "vin":
        _vin_row(paper)
    elif row == "bars":
        height = int(cap * rng.uniform(0.8, 3))
        paper.put(bars(rng, int(cap * rng.uniform(8, 15)), height), paper.left, paper.at)
        paper.at += height
    elif row == "matrix":
        side = int(cap * rng.uniform(2, 4))
        paper.put(matrix(rng, side), paper.left + cap * rng.uniform(0, 8), paper.at)
        paper.at += side * float(rng.random() < 0.5)
    else:
        size = cap * float(rng.choice([0.4, 0.6, 0.8, 1.0, 1.2]))
        x, most = paper.left + cap * rng.uniform(0, 2), 0.0
        for _ in range(int(rng.integers(1, 4))):
            wide, high = paper.line(words(rng), size, x)
            x, most = x + wide + cap * rng.uniform(0.5, 4), max(most, high)
        paper.at += most
    if rng.random() < 0.15:
        y = int(paper.at + gap / 2)
        paper.ink[y : y + max(1, cap // 20)] = 1.0
    paper.at += gap


def _vin_row(paper: _Paper) -> None:
    rng, cap = paper.rng, paper.cap
    face, spacing = paper.face(), float(rng.choice([0.0, 0.05, 0.15, 0.3, 0.5], p=[0.35, 0.25, 0.2, 0.12, 0.08]))
    mask = lettering(rng, vin(rng), face, cap, spacing)
    squeeze = float(rng.uniform(0.7, 1.15))
    mask = np.asarray(cv2.resize(mask, None, fx=squeeze, fy=1.0, interpolation=cv2.INTER_AREA), np.float32)
    x = paper.left
    if rng.random() < 0.3:
        wide, _ = paper.line(str(rng.choice(["VIN", "VIN:", "VIN NO.", "V.I.N.", "No", "ID:"])), cap * float(rng.choice([0.5, 1.0])), x)
        x += wide + cap * rng.uniform(0.2, 1)
    ends = str(rng.choice(["", "", "", "*", "☆", "★", "-", "<"]))
    if ends:
        wide, _ = paper.line(ends, cap, x)
        x += wide + cap * rng.uniform(0.1, 0.6)
    paper.vin(mask, x)
    if ends:
        paper.line(ends, cap, x + mask.shape[1] + cap * rng.uniform(0.1, 0.6))
    paper.at += mask.shape[0]


def painted(rng: Rng, ink: Floats, kind: str) -> Floats:
    """Ink on its ground in either polarity; stamped in relief, or punched in dots."""
    if kind == "stamped":
        return _stamped(rng, _dotted(rng, ink) if rng.random() < 0.35 else ink)
    ground = float(rng.uniform(5, 250))
    step = float(rng.uniform(35, 200)) * (1 if ground < 125 else -1)
    return np.asarray(ground + 0.3 * _grain(rng, ink.shape) + step * ink, np.float32)


def _stamped(rng: Rng, ink: Floats) -> Floats:
    """Pressed into metal or paint: flanks light or dark by where the light comes from, the ground of a stroke worn or filled."""
    depth = np.asarray(cv2.GaussianBlur(ink, (0, 0), float(rng.uniform(0.8, 3.0))), np.float32)
    turn = float(rng.uniform(0, 2 * np.pi))
    slope = np.cos(turn) * cv2.Sobel(depth, cv2.CV_32F, 1, 0) + np.sin(turn) * cv2.Sobel(depth, cv2.CV_32F, 0, 1)
    ground = float(rng.uniform(30, 215)) + _grain(rng, ink.shape)
    glint = np.clip(slope, 0, None) ** 2 * float(rng.uniform(0, 40))
    return np.asarray(ground + slope * rng.uniform(12, 60) + glint + ink * rng.normal(0, 22), np.float32)


def _dotted(rng: Rng, ink: Floats) -> Floats:
    pitch = int(rng.integers(5, 9))
    dots = np.zeros_like(ink)
    dots[::pitch, ::pitch] = 1
    size = max(2, pitch - 2)
    return np.asarray(cv2.dilate(dots * (ink > 0.5), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))), np.float32)


def _grain(rng: Rng, shape: tuple[int, ...]) -> Floats:
    """Brushed metal, worn paint: noise of a few sizes."""
    height, width = shape
    noise = np.zeros(shape, np.float32)
    for cell in (2, 12, 60):
        coarse = rng.normal(0, 1, (height // cell + 2, width // (cell * int(rng.integers(1, 6))) + 2)).astype(np.float32)
        noise += np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(noise * float(rng.uniform(0, 7)), np.float32)
