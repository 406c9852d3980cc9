"""How well the agent finds and reads VINs in photographs: `make accuracy PHOTOS=DIR`.

    python -m tests.bench.accuracy PHOTOS [--quick | --limit N --seeds N] [--passes FILE]

PHOTOS holds labels.csv, the photographs it names, negative/ (pictures without a VIN) and video/ (clips without one). Writes
build/accuracy.json and build/accuracy.html, which shows every kind of failure. Pictures are the same for the same seed, so are figures.
"""

import argparse
import json
import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from multiprocessing.pool import Pool
from pathlib import Path
from typing import TypeVar

from tests.bench import accuracy_page
from tests.bench.calibration import Read, passes_in
from tests.bench.clips import Showing, played
from tests.bench.findings import Answers, Findings
from tests.bench.looking import Nothing, alarmed, open_reader, scored
from tests.bench.photos import SPLIT, Photo, clips_in, negatives_in, photos_in
from tests.bench.scores import Figures
from tests.bench.variations import Variation

JSON, PAGE = Path("build/accuracy.json"), Path("build/accuracy.html")
PROCESSES = 2
SEEDS = 10
QUICK_LIMIT, QUICK_SEEDS, QUICK_FRAMES = 30, 1, 120
COLUMNS = "photos  found  label   in 3 chosen  right    tight  level p90  transcr. exact   chars  wrong review"

Item = TypeVar("Item")
Result = TypeVar("Result")


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    limit, seeds = (QUICK_LIMIT, QUICK_SEEDS) if options.quick else (options.limit, options.seeds)
    passes = passes_in(options.passes) if options.passes else []
    photos = spread(photos_in(options.photos), limit)
    with multiprocessing.get_context("spawn").Pool(options.processes, open_reader) as pool:
        findings = looked_at(pool, options.photos, photos, seeds, QUICK_FRAMES if options.quick else 0, passes)
    report(findings)
    JSON.parent.mkdir(parents=True, exist_ok=True)
    JSON.write_text(json.dumps(findings.as_json(), indent=2) + "\n", "utf-8")
    PAGE.write_text(accuracy_page.page(findings, options.shown), "utf-8")
    print(f"{PAGE} shows the failures, {JSON} holds the figures")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="the folder with the photographs and their labels.csv")
    parser.add_argument("--limit", type=int, metavar="N", help="only about N photographs of each kind and part, spread evenly")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="crops and noises of each picture and clip without a VIN")
    parser.add_argument("--quick", action="store_true", help=f"as --limit {QUICK_LIMIT} --seeds {QUICK_SEEDS}, and only the start of clips")
    parser.add_argument("--passes", type=Path, metavar="FILE", help="JSON with decisions on rendered passes, for the reliability diagram")
    parser.add_argument("--shown", type=int, default=60, metavar="N", help="the most failures of a kind that the page shows")
    parser.add_argument("--processes", type=int, default=PROCESSES, metavar="N")
    return parser


def spread(photos: list[Photo], limit: int | None) -> list[Photo]:
    if not limit:
        return photos
    kinds: dict[tuple[str, str], list[Photo]] = defaultdict(list)
    for photo in photos:
        kinds[photo.kind, photo.part].append(photo)
    return [photo for kind in kinds.values() for photo in kind[:: max(1, len(kind) // limit)]]


def looked_at(pool: Pool, folder: Path, photos: list[Photo], seeds: int, most: int, passes: list[Read]) -> Findings:
    """Everything there is to see; results come in the order of their pictures, whichever process was quicker."""
    variations, files = [Variation.of(seed) for seed in range(seeds)], negatives_in(folder)
    showings = [Showing(clip, variation, most) for clip in clips_in(folder) for variation in variations]
    varied = [Nothing(file, variation) for file in files for variation in variations]
    return Findings(
        shown=_each(pool, played, showings, "clips without a VIN"),
        scores=_each(pool, scored, photos, "photographs"),
        alarms=_each(pool, alarmed, [Nothing(file) for file in files], "pictures without a VIN"),
        varied=_each(pool, alarmed, varied, "variations of them"),
        passes=tuple(passes),
    )


def _each(pool: Pool, work: Callable[[Item], Result], items: Sequence[Item], what: str) -> tuple[Result, ...]:
    done: list[Result] = []
    for count, result in enumerate(pool.imap(work, items, 4 if len(items) > 200 else 1), 1):
        done.append(result)
        if count % 25 == 0 or count == len(items):
            print(f"\r{count} of {len(items)} {what}", end="\n" if count == len(items) else "", file=sys.stderr, flush=True)
    return tuple(done)


def report(findings: Findings) -> None:
    print(f"split: {SPLIT}")
    for part, groups in findings.tables().items():
        print(f"\n{part:12} {COLUMNS}")
        for name, row in {**groups["all"], **groups["by_kind"], **groups["by_height"]}.items():
            print(f"{name:12} {_row(row)}")
    everything = findings.tables()["everything"]["all"]["all"]
    print(f"\ndecisions: {', '.join(f'{count} {outcome}' for outcome, count in everything.outcomes.items())}")
    print(f"VINs sure without their check digit: {everything.sure}, of which it proves wrong: {everything.contradicted}")
    find, read = everything.find_ms, everything.read_ms
    print(
        f"one thread: find {find.median:.1f} ms of processor a photograph (95 %: {find.p95:.1f}), read {read.median:.0f} ({read.p95:.0f})"
    )
    for name, each in findings.reliabilities().items():
        print(f"{name}: {each.right} of {each.n} right, calibration error {each.error:.3f}")
    _report_nothing(findings.answers())


def _report_nothing(answers: Answers) -> None:
    for what, counts in (("pictures", answers.pictures), ("variations of them", answers.variations)):
        print(f"{counts['n']} {what} without a VIN: {counts['accepted']} accepted (asked: 0), {counts['needs_review']} for review")
    print(f"candidates in the pictures that a gate would take for a plate: {answers.offered}")
    print(f"clips without a VIN: {answers.passes} passes, {answers.accepted_passes} accepted (asked: 0), ", end="")
    print(f"at most {answers.most_paid} paid calls for one playing (asked: 1)")


def _row(row: Figures) -> str:
    shares = "".join(f"{100 * count / row.n:7.1f}" for count in (row.found, row.found_label, row.found_in_3, row.chosen))
    right = f"{100 * row.right / row.offered:7.1f}" if row.offered else f"{'-':>7}"
    level = f"{row.tight_level.median:7.2f}{row.tight_level.p90:5.2f}" if row.tight_level.n else f"{'-':>7}{'-':>5}"
    tight = f"{row.tight.median:9.2f}{level}"
    chars = f"{row.char_accuracy:8.4f}" if row.transcribed else f"{'-':>8}"
    return (
        f"{row.n:7}{shares}{right}{tight}{row.transcribed:9}{row.exact:6}{chars}{row.wrong_accepted:7}{100 * row.needs_review / row.n:7.1f}"
    )


if __name__ == "__main__":
    main()
