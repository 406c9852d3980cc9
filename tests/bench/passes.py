"""What a yard gets, by condition: rendered vehicles pass the gate and every one is told: `make passes`, `python -m tests.bench.passes`.

    python -m tests.bench.passes [--passes N] [--seed S] [--processes P] [--condition NAME] [--save DIR]

Frames go through gate, finder, passes, pictures, store, embedded reader and judge as in the agent, each picture that is read counted as a
call that is paid; also writes build/passes.json with a row for each vehicle. A pass follows from the seed and its number alone.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from itertools import count, islice
from pathlib import Path

import cv2

from agent import config
from agent.ocr.embedded import Embedded
from tests.bench.rendered import tally
from tests.bench.rendered.frames import Shot, shots
from tests.bench.rendered.plan import CONDITIONS, condition_of, plan
from tests.bench.rendered.told import Agent, Told, agent, captured

RESULT = Path("build/passes.json")
SETTINGS = config.Settings()
_agents: list[Agent] = []  # one in each worker process
_open = ExitStack()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--condition", choices=CONDITIONS)
    parser.add_argument("--number", type=int, action="append", help="this pass alone; may be given again")
    parser.add_argument("--save", type=Path, help="a folder for the pictures and frames of the passes that were not right")
    options = parser.parse_args(arguments)
    chosen = options.number or numbers(options.passes, options.condition)
    results = list(_progress(measured(options.seed, chosen, options.processes, options.save), len(chosen)))
    report(options.seed, sorted(results, key=lambda each: each.number))


def numbers(passes: int, condition: str | None) -> list[int]:
    """The first passes, or those of one condition; the conditions take turns."""
    return list(islice((each for each in count() if condition in (None, condition_of(each))), passes))


def measured(seed: int, chosen: Sequence[int], processes: int, save: Path | None) -> Iterator[tally.Result]:
    work = [(seed, number, save) for number in chosen]
    with multiprocessing.get_context("spawn").Pool(processes, _start) as pool:
        yield from pool.imap_unordered(_passed, work)


def _start() -> None:
    cv2.setNumThreads(1)
    folder = _open.enter_context(tempfile.TemporaryDirectory())
    _agents.append(_open.enter_context(agent(Path(folder), Embedded(SETTINGS), SETTINGS)))


def _passed(work: tuple[int, int, Path | None]) -> tally.Result:
    return passed(_agents[0], *work)


def passed(by: Agent, seed: int, number: int, save: Path | None = None) -> tally.Result:
    """One pass from its first frame to its last event."""
    began = time.monotonic()
    planned, seen = plan(seed, number), list[Shot]()
    captures = captured(_noted(shots(planned), seen), by.settings.vision, by.bounds)
    told = by.told(captures)
    found = tally.result(planned, seen, told, time.monotonic() - began)
    if save and any(row.outcome != "right" or row.events > 1 for row in found.rows):
        _save(save, found, told)
        _save_frames(save, found, seed)
    return found


def _noted(frames: Iterator[Shot], seen: list[Shot]) -> Iterator[Shot]:
    """The frames, with all but their pixels noted: those of a whole pass would take 200 MB."""
    for shot in frames:
        seen.append(replace(shot, pixels=shot.pixels[:0]))
        yield shot


def _save(folder: Path, found: tally.Result, told: Sequence[Told]) -> None:
    """The pictures as they were read, named for the pass, the vehicle's outcome and what was read."""
    folder.mkdir(parents=True, exist_ok=True)
    row = next((row for row in found.rows if row.outcome != "right"), found.rows[0])
    stem = f"{found.number:04d}.{row.kind.replace(' ', '-')}.{row.outcome}"
    for at, each in enumerate(told):
        said = each.data.get("vin") or each.data.get("reason", "")
        for image in each.capture.images:
            (folder / f"{stem}.{row.truth}.event{at}-{said}.{image.number + 1}.jpg").write_bytes(image.jpeg)


def _save_frames(folder: Path, found: tally.Result, seed: int) -> None:
    """The legible frame in the middle, drawn once more."""
    drawn = list(shots(plan(seed, found.number)))
    there = [shot for shot in drawn if any(shot.legible)] or drawn
    cv2.imwrite(str(folder / f"{found.number:04d}.frame.jpg"), there[len(there) // 2].pixels)


def report(seed: int, results: Sequence[tally.Result]) -> None:
    lines = tally.figures(results)
    print(tally.table(lines))
    print(tally.asks(lines["all"]))
    summary = {name: line.as_dict() for name, line in lines.items()}
    rows = [asdict(row) for each in results for row in each.rows]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"seed": seed, "figures": summary, "rows": rows}, indent=1) + "\n")


def _progress(results: Iterator[tally.Result], total: int) -> Iterator[tally.Result]:
    for done, each in enumerate(results, 1):
        if done % 10 == 0 or done == total:
            print(f"\r{done} of {total} passes", end="\n" if done == total else "", file=sys.stderr, flush=True)
        yield each


if __name__ == "__main__":
    main()
