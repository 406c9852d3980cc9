"""The recogniser of VIN lines: its shape, its training, and its export to agent/ocr/letters.onnx.

    python -m tests.bench.train.known PHOTOS build/train/known.pickle
    python -m tests.bench.train.reader build/train/known.pickle --fonts DIR [--steps N]

Needs torch, onnx and Pillow. Nearly half of the lines are those of photographs whose text `known` is sure of, the others are drawn.
"""

import argparse
import pickle
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bench.train import course, drawn, letters
from tests.bench.train.course import Batch, Course
from tests.bench.train.letters import COLUMNS, ROWS, Cutting
from tests.bench.train.net import Block, conv

CLASSES = 1 + len(drawn.ALPHABET)
CHARACTERS = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"  # the order of outputs 1 to 33; output 0 is the pause between them


class Reader(nn.Module):  # type: ignore[misc]  # torch is not there where types are checked
    """(n, 1, 32, 320) grey 0…255 → (n, 80, 34) logits: for each of 80 columns the pause and the 33 characters."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Sequential(
            conv(1, 48, 5, 2), Block(48),
            conv(48, 96, 3, 2), Block(96), Block(96),
            Down(96, 144), Block(144), Block(144),
            Down(144, 192), Block(192), nn.Conv2d(192, 224, (2, 1), bias=False), nn.BatchNorm2d(224, momentum=0.03), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.along = nn.Sequential(*(Along(224) for _ in range(3)))
        self.drop = nn.Dropout(0.1)
        self.name = nn.Conv2d(224, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((1, 2, 3), keepdim=True)
        spread = (x - mean).square().mean((1, 2, 3), keepdim=True).sqrt() + 4.0
        found = self.along(self.look((x - mean) / spread))
        return self.name(self.drop(found))[:, :, 0].transpose(1, 2)


class Down(nn.Module):  # type: ignore[misc]  # torch is not there where types are checked
    """Half as high, as wide as before."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, (2, 1), 1, bias=False), nn.BatchNorm2d(after, momentum=0.03), nn.ReLU(inplace=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Along(nn.Module):  # type: ignore[misc]  # torch is not there where types are checked
    """What stands to the left and to the right."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, (1, 9), 1, (0, 4), groups=width, bias=False), nn.BatchNorm2d(width, momentum=0.03),
            nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width, momentum=0.03), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Shipped(nn.Module):  # type: ignore[misc]  # torch is not there where types are checked
    """As it is run: shares instead of logits."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.reader(x), -1)


def batch(rng: np.random.Generator, lines: Sequence[Cutting], photos: Sequence[Cutting], size: int, share: float) -> Batch:
    pictures, texts = [], []
    for _ in range(size):
        real = bool(photos) and rng.random() < share
        cut = photos[int(rng.integers(len(photos)))] if real else lines[int(rng.integers(len(lines)))]
        pictures.append(letters.worn(rng, cut, drawn_=not real))
        texts.append([1 + CHARACTERS.index(each) for each in cut.vin])
    return torch.from_numpy(np.stack(pictures)[:, None]).float(), torch.tensor(texts)


def ahead(make: Callable[[], Batch]) -> Iterator[Batch]:
    """The next batches are made while this one is learned."""
    made: queue.Queue[Batch] = queue.Queue(4)

    def work() -> None:
        while True:
            made.put(make())

    threading.Thread(target=work, daemon=True).start()
    while True:
        yield made.get()


def read(logits: Tensor) -> list[str]:
    return [
        "".join(CHARACTERS[this - 1] for before, this in pairwise([0, *row]) if this and this != before)
        for row in logits.argmax(-1).tolist()
    ]


def loss(out: Tensor, wanted: Tensor) -> Tensor:
    """Connectionist temporal classification (Graves 2006)."""
    shares, count = functional.log_softmax(out.float(), -1).transpose(0, 1), len(wanted)
    return functional.ctc_loss(shares, wanted, torch.full((count,), COLUMNS // 4), torch.full((count,), 17), zero_infinity=True)


def right(net: nn.Module, kind: str, judged: Batch) -> str:
    pictures, wanted = judged
    meant = ["".join(CHARACTERS[each - 1] for each in row) for row in wanted.tolist()]
    return f"{kind}: {sum(map(str.__eq__, read(net(pictures)), meant))} of {len(meant)} exact"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("known", type=Path, help="what `known` has written")
    parser.add_argument("--lines", type=int, default=30000, help="how many are drawn")
    asked = course.options(parser, steps=12000, batch=64, rate=2e-3)
    cv2.setNumThreads(1)
    torch.manual_seed(1)
    rng, fixed = np.random.default_rng(3 if asked.start else 2), np.random.default_rng(11)
    faces = drawn.faces_in(asked.fonts)
    store = asked.cache / "lines.pickle"
    if not store.exists():
        store.write_bytes(pickle.dumps([letters.cutting(rng, faces) for _ in range(asked.lines)]))
    lines = pickle.loads(store.read_bytes())  # noqa: S301 - its own file
    photos = pickle.loads(asked.known.read_bytes())  # noqa: S301 - its own file
    train, kept = ([cut for cut, is_kept in photos if is_kept is wanted] for wanted in (False, True))
    print(f"{len(lines)} lines, {len(train)} + {len(kept)} photographs", flush=True)
    judged = {
        "drawn": batch(fixed, [letters.cutting(fixed, faces) for _ in range(200)], [], 200, 0.0),
        "photographs": batch(fixed, lines[:1], kept, 200, 1.0),
    }
    plan = Course("letters", asked.cache, asked.steps, asked.rate, asked.start, warm=0.06, decay=0.03, clip=3.0, memory=0.998, every=500)
    source = ahead(lambda: batch(rng, lines, train, asked.batch, 0.45))
    net = plan.teach(
        Reader().to(memory_format=torch.channels_last), source, loss, lambda net: ", ".join(right(net, *each) for each in judged.items())
    )
    course.exported(Shipped(net), asked.cache / "letters.onnx", torch.zeros(1, 1, ROWS, COLUMNS), ("line", "shares"), {0: "n"})


if __name__ == "__main__":
    main()
