"""The network of the plate finder's second look: its shape, its training, and its export to agent/vision/plates.onnx.

    python -m tests.bench.train.net PHOTOS --fonts DIR [--fonts DIR ...] [--steps N]

Needs torch, onnx and Pillow. PHOTOS is as for `plates`: of `kt_*`, endings 0 to 5 train and 6 tells how far it is; nothing else is
touched. Drawn sheets in every TrueType face under --fonts are mixed in half and half, on photographs whose VIN was painted over.
"""

import argparse
import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from agent.domain import Pixels
from tests.bench.train import course, drawn, windows
from tests.bench.train.course import Course
from tests.bench.train.windows import Example, Floats

WIDTHS = (16, 24, 48, 80, 112)
NECK = 48


def conv(before: int, after: int, side: int = 3, step: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, side, step, side // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after, momentum=0.03),
        nn.ReLU(inplace=True),
    )


class Block(nn.Module):  # type: ignore[misc]  # torch is not there where types are checked
    """One more look around each place, added to what was."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Net(nn.Module):  # type: ignore[misc]  # torch is not there where types are checked
    """(n, 1, h, w) grey 0…1, sides multiples of 32 → (n, 4, h / 4, w / 4): core and line, direction of reading as cosine and sine."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth, fifth = WIDTHS
        self.stem = conv(1, first, 3, 2)
        self.four = nn.Sequential(conv(first, second, 3, 2), Block(second))
        self.eight = nn.Sequential(conv(second, third, 3, 2), Block(third), Block(third))
        self.sixteen = nn.Sequential(conv(third, fourth, 3, 2), Block(fourth), Block(fourth), Block(fourth))
        self.thirty = nn.Sequential(conv(fourth, fifth, 3, 2), Block(fifth), Block(fifth), Block(fifth))
        self.sides = nn.ModuleList(nn.Conv2d(width, NECK, 1) for width in WIDTHS[1:])
        self.mixes = nn.ModuleList(nn.Sequential(conv(NECK, NECK)) for _ in range(3))
        self.head = nn.Sequential(conv(NECK, 24), nn.Conv2d(24, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.stem(x - 0.45)]
        for stage in (self.four, self.eight, self.sixteen, self.thirty):
            levels.append(stage(levels[-1]))
        up = self.sides[3](levels[4])
        for at in (2, 1, 0):
            up = functional.interpolate(up, scale_factor=2.0, mode="nearest")
            up = self.mixes[at](up + self.sides[at](levels[at + 1]))
        return self.head(up)


class Shipped(nn.Module):  # type: ignore[misc]  # torch is not there where types are checked
    """The network as it is run: chances instead of logits."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        out = self.net(x)
        return torch.cat([torch.sigmoid(out[:, :2]), out[:, 2:]], 1)


def loss(out: Tensor, wanted: Tensor) -> Tensor:
    total = torch.zeros(())
    for layer in (0, 1):
        logit, want = out[:, layer].float(), wanted[:, layer]
        cross = functional.binary_cross_entropy_with_logits(logit, want, reduction="none")
        # The few hard pixels beside lines matter, the many easy ones of the ground do not.
        weight = torch.where(want > 0.05, 1.0, (torch.sigmoid(logit.detach()) + 0.05).clamp(max=1.0))
        chance = torch.sigmoid(logit)
        overlap = 1 - (2 * (chance * want).sum((1, 2)) + 20) / (chance.sum((1, 2)) + want.sum((1, 2)) + 20)
        total = total + (cross * weight).sum() / weight.sum() + overlap.mean()
    unit = wanted[:, 2:]
    known = (unit.square().sum(1) > 0.5).float()
    off = (out[:, 2:].float() - unit).square().sum(1)
    return total + 0.3 * (off * known).sum() / (known.sum() + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Matter:
    """What there is to learn from: half of all windows show photographs, three in ten sheets, the others yards."""

    photos: Sequence[Example]
    sheets: Sequence[Example]
    yards: Sequence[Example]
    grounds: Sequence[Pixels]

    def window(self, rng: np.random.Generator, kind: int) -> tuple[Pixels, Floats]:
        """Every fifth is two of them, one above the other: several vehicles may be in view."""
        one = self._window(rng, kind)
        return windows.stacked(rng, one, self._window(rng, int(rng.integers(10)))) if rng.random() < 0.2 else one

    def _window(self, rng: np.random.Generator, kind: int) -> tuple[Pixels, Floats]:
        if kind < 5:
            return windows.window(rng, self.photos[int(rng.integers(len(self.photos)))])
        if kind < 8:
            ground = self.grounds[int(rng.integers(len(self.grounds)))] if rng.random() < 0.9 else None
            return windows.window(rng, self.sheets[int(rng.integers(len(self.sheets)))], ground)
        return windows.window(rng, self.yards[int(rng.integers(len(self.yards)))])


def batches(rng: np.random.Generator, matter: Matter, size: int, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    for _ in range(count):
        pairs = [matter.window(rng, at % 10) for at in rng.permutation(size)]
        x = torch.from_numpy(np.stack([pixels for pixels, _ in pairs])[:, None]).float() / 255
        yield x, torch.from_numpy(np.stack([maps for _, maps in pairs]))


def grounds_of(photos: Sequence[Example]) -> list[Pixels]:
    """Photographs whose VIN line was painted over."""
    found = []
    for photo in photos:
        mask = np.zeros_like(photo.grey)
        for quad in photo.vins:
            cv2.fillPoly(mask, [np.round(quad).astype(np.int32)], 255)
        mask = np.asarray(cv2.dilate(mask, np.ones((9, 9), np.uint8)), np.uint8)
        found.append(np.asarray(cv2.inpaint(photo.grey, mask, 5, cv2.INPAINT_TELEA), np.uint8))
    return found


def cached(file: Path, made: Iterator[Example]) -> list[Example]:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickle.dumps(list(made)))
    return list(pickle.loads(file.read_bytes()))  # noqa: S301 - its own file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    asked = course.options(parser, steps=9000, batch=20, rate=1e-3)
    cv2.setNumThreads(1)
    torch.manual_seed(1)
    rng = np.random.default_rng(int(time.time()) if asked.start else 1)
    photos = cached(asked.cache / "photos.pickle", windows.photographs(asked.photos, "012345"))
    kept = cached(asked.cache / "kept.pickle", windows.photographs(asked.photos, "6"))
    sheets = cached(asked.cache / "sheets.pickle", windows.sheets(2500, 5, drawn.faces_in(asked.fonts)))
    yards = cached(asked.cache / "yards.pickle", windows.yards(800, 6))
    print(f"{len(photos)} photographs, {len(sheets)} sheets", flush=True)
    matter = Matter(photos, sheets, yards, grounds_of(photos[::3]))
    judged = list(batches(np.random.default_rng(99), replace(matter, photos=kept), 20, 8))

    def tell(net: nn.Module) -> str:
        return f"kept {np.mean([float(loss(net(x), wanted)) for x, wanted in judged]):.4f}"

    plan = Course("plates", asked.cache, asked.steps, asked.rate, asked.start, warm=0.08, decay=0.02, clip=2.0, memory=0.995, every=250)
    net = plan.teach(Net().to(memory_format=torch.channels_last), batches(rng, matter, asked.batch, asked.steps), loss, tell)
    sizes = {0: "n", 2: "h", 3: "w"}
    course.exported(Shipped(net), asked.cache / "plates.onnx", torch.zeros(1, 1, 256, 256), ("grey", "maps"), sizes)


if __name__ == "__main__":
    main()
