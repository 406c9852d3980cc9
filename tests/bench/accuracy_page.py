"""The page of the accuracy program: what was asked, the figures by part of the split, how far confidence can be believed, the failures."""

from collections.abc import Iterator, Sequence
from html import escape

from tests.bench import diagram, failures
from tests.bench.calibration import Reliability
from tests.bench.clips import Shown
from tests.bench.findings import Findings, Group
from tests.bench.markup import document, table
from tests.bench.photos import SPLIT
from tests.bench.scores import COVERED, LEVEL, OFFERED, SAME, Figures, Spread, likely

FINDER = ("", "photographs", "found", "found, 19 in 20", "whole label", "in first 3", "chosen", "offered", "of them right", "tight",
          "tight p90", "level: n", "level: tight", "level: p90")  # fmt: skip
READER = ("", "photographs", "transcribed", "exact", "characters", "wrong accepted", "accepted", "for review", "for review, share")
NOTES = f"""Found: at least {100 * COVERED:.0f} % of the labelled text, tilted as the best candidate is, lies in the picture that is sent
for it; whole label: of the upright label, corners without text and all. Chosen: in the one that was decided on. Offered are candidates
with a score of {OFFERED} or more, right those whose upright hull overlaps the label by {SAME} or more (intersection over union). Tight is
the height of the finder's own box over that of the label where the line was found, once with the label's tilt taken out, once for text
within {LEVEL:.0f} degrees of level as labelled."""


def page(findings: Findings, most: int) -> str:
    """HTML that needs nothing beside it; of each kind at most so many failures are shown."""
    return document("Accuracy of the VIN capture agent", _parts(findings, most))


def _parts(findings: Findings, most: int) -> Iterator[str]:
    tables = findings.tables()
    yield "<h1>Accuracy of the VIN capture agent</h1>"
    counts = ", ".join(f"{len(scores)} {part}" for part, scores in findings.parts().items())
    yield f'<p class="soft">Split of the photographs: {escape(SPLIT)}. {counts}.</p>'
    yield "<h2>What is asked of it</h2>" + _asked(findings, tables["everything"]["all"]["all"])
    for part, groups in tables.items():
        yield f"<h2>Finder, {part}</h2>" + "".join(_finder(group) for group in groups.values())
    yield f'<p class="soft">{escape(NOTES)}</p>'
    for part, groups in tables.items():
        yield f"<h2>Finder and embedded reader, {part}</h2>" + _reader({**groups["all"], **groups["by_kind"]})
        yield _outcomes(groups["all"]["all"]) + _contradicted(groups["all"]["all"])
    yield "<h2>Without a VIN</h2>" + _nothing(findings)
    yield "<h2>Processor time, one thread</h2>" + _times(tables["everything"]["all"]["all"])
    yield "<h2>Whether confidence means what it says</h2>" + _reliability(findings.reliabilities())
    yield "<h2>Photographs that went wrong</h2>" + _legend()
    yield from failures.photographs(findings.failures(), most)
    yield "<h2>Pictures without a VIN in which a gate would have seen something</h2>" + failures.pictures(findings.alarms)
    yield "<h2>Variations of them that were told as a VIN</h2>" + failures.variations(findings.varied)
    yield "<h2>Vehicles that the clips without a VIN were told as</h2>" + failures.clips(findings.shown)


def _asked(findings: Findings, row: Figures) -> str:
    answers = findings.answers()
    asks = (
        ("wrong VINs accepted on transcribed photographs", row.wrong_accepted, 0),
        ("VINs accepted without one: pictures, variations, clips", answers.accepted, 0),
        ("paid calls for one playing of a clip without a VIN, the most", answers.most_paid, 1),
    )
    rows = "".join(_ask(*ask) for ask in asks)
    return f"<table><thead><tr><th></th><th>is</th><th>at most</th></tr></thead><tbody>{rows}</tbody></table>"


def _ask(what: str, is_: int, most: int) -> str:
    name = "met" if is_ <= most else "missed"
    return f'<tr><td>{escape(what)}</td><td class="{name}">{is_}</td><td>{most}</td></tr>'


def _percent(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %" if of else "-"


def _finder(group: Group) -> str:
    return table(FINDER, ([name, *_finder_cells(row)] for name, row in group.items()))


def _finder_cells(row: Figures) -> list[str]:
    low, high = likely(row.found, row.n)
    shares = [_percent(count, row.n) for count in (row.found_label, row.found_in_3, row.chosen)]
    tight = [f"{row.tight.median:.2f}", f"{row.tight.p90:.2f}", str(row.tight_level.n)]
    level = [f"{row.tight_level.median:.2f}", f"{row.tight_level.p90:.2f}"] if row.tight_level.n else ["-", "-"]
    found = [str(row.n), _percent(row.found, row.n), f"{100 * low:.1f}-{100 * high:.1f} %"]
    return [*found, *shares, str(row.offered), _percent(row.right, row.offered), *tight, *level]


def _reader(group: Group) -> str:
    return table(READER, ([name, *_reader_cells(row)] for name, row in group.items()))


def _reader_cells(row: Figures) -> list[str]:
    chars = f"{100 * row.char_accuracy:.2f} %" if row.transcribed else "-"
    counts = (row.n, row.transcribed, row.exact)
    return [*map(str, counts), chars, str(row.wrong_accepted), str(row.accepted), str(row.needs_review), _percent(row.needs_review, row.n)]


def _outcomes(row: Figures) -> str:
    return table(("decision: reason", "photographs"), ((outcome, str(count)) for outcome, count in row.outcomes.items()))


def _contradicted(row: Figures) -> str:
    return (
        f'<p class="soft">{row.sure} VINs with a binding check digit were read surely enough to be accepted without one; it proves '
        f"{row.contradicted} of them wrong. Those are for review; the same share is wrong, and accepted, where nothing is binding.</p>"
    )


def _nothing(findings: Findings) -> str:
    answers = findings.answers()
    rows = [
        [name, *(str(counts[key]) for key in ("n", "accepted", "needs_review", "unread"))]
        for name, counts in (("pictures", answers.pictures), ("the same with crop and noise", answers.variations))
    ]
    pictures = table(("", "looked at", "accepted", "for review", "unread"), rows)
    offered = f"<p>Candidates in the pictures that a gate would take for a plate: {answers.offered}.</p>"
    return pictures + offered + _clips(findings)


def _clips(findings: Findings) -> str:
    head = ("clip", "seed", "frames", "passes", "accepted", "for review", "unread", "paid calls")
    return table(
        head, ([each.file.name, str(each.seed), str(each.frames), *_decided(each), str(each.paid_calls)] for each in findings.shown)
    )


def _decided(shown: Shown) -> list[str]:
    outcomes = [told.outcome for told in shown.passes]
    starts = (sum(outcome.startswith(start) for outcome in outcomes) for start in ("accepted", "needs_review", "unread"))
    return [str(len(outcomes)), *map(str, starts)]


def _times(row: Figures) -> str:
    return table(("", "median ms", "95 % ms"), (_time("find in a photograph", row.find_ms), _time("read it", row.read_ms)))


def _time(name: str, spent: Spread) -> Sequence[str]:
    return name, f"{spent.median:.1f}", f"{spent.p95:.1f}"


def _reliability(told: dict[str, Reliability]) -> str:
    plots = "".join(diagram.reliability(name, each) for name, each in told.items() if each.n)
    return f'<div class="plots">{plots}</div>' + "".join(_bins(name, each) for name, each in told.items() if each.n)


def _bins(name: str, told: Reliability) -> str:
    rows = ([f"{each.low:.2f}-{each.high:.2f}", str(each.n), f"{each.confidence:.3f}", f"{each.right:.3f}"] for each in told.bins)
    return f"<h3>{escape(name)}</h3>" + table(("confidence", "n", "mean confidence", "share right"), rows)


def _legend() -> str:
    return '<p class="soft">Dashed: the labelled line. Red: the best candidate. Green: another one that was decided on.</p>'
