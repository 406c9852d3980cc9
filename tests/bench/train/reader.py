"""The recogniser of VIN lines: its shape, its training, and its export to agent/ocr/letters.onnx.

    python -m tests.bench.train.known PHOTOS build/train/known.pickle
    python -m tests.bench.train.reader build/train/known.pickle --fonts DIR [--steps N]

Needs torch, onnx and Pillow. A third of the lines are those of photographs whose text `known` is sure of, the others are drawn.
"""

import argparse
import pickle
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bench.train import drawn, letters
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


Batch = tuple[Tensor, Tensor]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("known", type=Path, help="what `known` has written")
    parser.add_argument("--fonts", type=Path, action="append", required=True)
    parser.add_argument("--cache", type=Path, default=Path("build/train"))
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--lines", type=int, default=30000)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.manual_seed(1)
    rng = np.random.default_rng(3 if options.start else 2)
    faces = drawn.faces_in(options.fonts)
    store = options.cache / "lines.pickle"
    if not store.exists():
        store.write_bytes(pickle.dumps([letters.cutting(rng, faces) for _ in range(options.lines)]))
    lines = pickle.loads(store.read_bytes())  # noqa: S301 - its own file
    photos = pickle.loads(options.known.read_bytes())  # noqa: S301 - its own file
    train, kept = ([cut for cut, is_kept in photos if is_kept is wanted] for wanted in (False, True))
    net = Reader().to(memory_format=torch.channels_last)
    if options.start:
        net.load_state_dict(torch.load(options.start))
    print(
        f"{len(lines)} lines, {len(train)} + {len(kept)} photographs, {sum(each.numel() for each in net.parameters())} weights", flush=True
    )
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True)
    descent = torch.optim.AdamW(net.parameters(), options.rate, weight_decay=0.03)
    plan = torch.optim.lr_scheduler.OneCycleLR(descent, options.rate, total_steps=options.steps, pct_start=0.06)
    fixed = np.random.default_rng(11)
    judged = {
        "drawn": batch(fixed, [letters.cutting(fixed, faces) for _ in range(200)], [], 200, 0.0),
        "photos": batch(fixed, lines[:1], kept, 200, 1.0),
    }
    started, running = time.monotonic(), 0.0
    source = ahead(lambda: batch(rng, lines, train, options.batch, 0.34))
    for step in range(1, options.steps + 1):
        x, wanted = next(source)
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            out = net(x.to(memory_format=torch.channels_last))
        shares = functional.log_softmax(out.float(), -1).transpose(0, 1)
        count = len(wanted)
        value = functional.ctc_loss(shares, wanted, torch.full((count,), COLUMNS // 4), torch.full((count,), 17), zero_infinity=True)
        descent.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 3.0)
        descent.step()
        plan.step()
        average.update_parameters(net)
        running += float(value.detach())
        if step % 50 == 0:
            print(f"{step} {running / 50:.4f} {time.monotonic() - started:.0f} s", flush=True)
            running = 0.0
        if step % 500 == 0 or step == options.steps:
            average.eval()
            for name, (x, wanted) in judged.items():
                with torch.no_grad():
                    texts = read(average(x))
                right = sum(text == "".join(CHARACTERS[each - 1] for each in row) for text, row in zip(texts, wanted.tolist(), strict=True))
                print(f"  {name}: {right} of {len(texts)} exact", flush=True)
            torch.save(average.module.state_dict(), options.cache / "reader.pt")
            shipped(average.module, options.cache / "letters.onnx")


def shipped(net: Reader, file: Path) -> None:
    whole = Shipped(net).eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(
        whole,
        (torch.zeros(1, 1, ROWS, COLUMNS),),
        str(file),
        input_names=["line"],
        output_names=["shares"],
        dynamic_axes={"line": {0: "n"}, "shares": {0: "n"}},
        opset_version=13,
        dynamo=False,
    )


if __name__ == "__main__":
    main()
