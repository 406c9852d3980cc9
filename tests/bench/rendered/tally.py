"""What became of every rendered vehicle, counted by condition: right, for review, unread, wrong, missing, told twice, and what it cost."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.bench.rendered.frames import Shot
from tests.bench.rendered.legible import sides
from tests.bench.rendered.plan import CONDITIONS, Plan
from tests.bench.rendered.told import Told, seconds_of

Outcome = Literal["right", "review", "wrong_review", "wrong_accepted", "unread", "missing"]
RIGHT, CALLS = 0.97, 1.2  # what is asked: the least share of vehicles that are right, the most calls for each


@dataclass(frozen=True, slots=True)
class Row:
    """One vehicle; `text_px` is the height its letters really have in the frame of its best picture, or at most, where it has none."""

    condition: str
    kind: str
    number: int
    vehicle: int
    outcome: Outcome
    hopeless: bool
    vin: str
    truth: str
    confidence: float
    char_confidence: tuple[float, ...]
    reason: str
    text_px: float
    calls: int
    events: int
    frames_legible: int
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One pass: its vehicles, the events that belong to none of them, their calls, and how long it all took."""

    number: int
    condition: str
    rows: tuple[Row, ...]
    stray: int
    stray_wrong: int
    stray_calls: int
    seconds: float
    pictures: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Figures:
    """The line of one condition."""

    vehicles: int = 0
    passes: int = 0
    hopeless: int = 0
    extra: int = 0
    calls: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def right(self) -> float:
        return self.outcomes["right"] / max(1, self.vehicles)

    @property
    def calls_each(self) -> float:
        return self.calls / max(1, self.vehicles)

    def add(self, result: Result) -> None:
        self.passes, self.seconds = self.passes + 1, self.seconds + result.seconds
        self.extra += result.stray + sum(max(0, row.events - 1) for row in result.rows)
        self.calls += result.stray_calls + sum(row.calls for row in result.rows)
        self.outcomes["wrong_accepted"] += result.stray_wrong
        for row in result.rows:
            self.vehicles += 1
            self.hopeless += row.hopeless
            self.outcomes[row.outcome] += 1
            self.reasons[row.reason] += row.outcome == "unread"

    def as_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("passes", "vehicles", "hopeless", "extra", "calls", "seconds")}
        return {**plain, "calls_each": round(self.calls_each, 3), "outcomes": dict(self.outcomes), "unread": dict(+self.reasons)}

    def good(self) -> bool:
        return self.right >= RIGHT and not self.outcomes["wrong_accepted"] and self.calls_each <= CALLS


def result(plan: Plan, shots: Sequence[Shot], told: Sequence[Told], seconds: float) -> Result:
    """Events are given to the vehicles they are about; what is left over speaks of no vehicle."""
    mine: list[list[Told]] = [[] for _ in plan.vehicles]
    stray: list[Told] = []
    for each in told:
        at = owner(plan, each)
        (stray if at is None else mine[at]).append(each)
    rows = tuple(_row(plan, index, shots, events) for index, events in enumerate(mine))
    wrong = sum(each.data["decision"] == "accepted" for each in stray)
    return Result(plan.number, plan.condition, rows, len(stray), wrong, sum(each.calls for each in stray), seconds)


def owner(plan: Plan, told: Told) -> int | None:
    """The vehicle whose VIN it tells, else the nearest one that was in view when its best picture was taken."""
    if told.data.get("vin") in plan.truth:
        return plan.truth.index(told.data["vin"])
    at_s = seconds_of(told.capture.taken_at)
    there = [index for index, vehicle in enumerate(plan.vehicles) if vehicle.ride.begins_s <= at_s < vehicle.ride.gone_s]
    return min(there, default=None)


def outcome(data: dict[str, object], truth: str) -> Outcome:
    if data["decision"] == "unread":
        return "unread"
    if data["decision"] == "accepted":
        return "right" if data["vin"] == truth else "wrong_accepted"
    return "review" if data["vin"] == truth else "wrong_review"


_WORST_FIRST: tuple[Outcome, ...] = ("wrong_accepted", "right", "review", "wrong_review", "unread")


def _row(plan: Plan, index: int, shots: Sequence[Shot], events: Sequence[Told]) -> Row:
    """A wrong event is never made good by a right one; otherwise the best of several is the vehicle's own."""
    truth, legible = plan.truth[index], sum(shot.legible[index] for shot in shots)
    heights = {shot.seconds: sides(text)[1] for shot in shots if (text := shot.plates[index]) is not None}
    fixed = (plan.condition, plan.kind, plan.number, index)
    calls = sum(each.calls for each in events)
    if not events:
        height = round(max(heights.values(), default=0.0), 1)
        return Row(*fixed, "missing", not legible, "", truth, 0.0, (), "", height, calls, 0, legible)
    chosen = min(events, key=lambda each: _WORST_FIRST.index(outcome(each.data, truth)))
    data, at_s = chosen.data, seconds_of(chosen.capture.taken_at)
    return Row(
        *fixed,
        outcome(data, truth),
        not legible,
        data.get("vin", ""),
        truth,
        data.get("confidence", 0.0),
        tuple(data.get("char_confidence", ())),
        data.get("reason", ""),
        round(heights.get(at_s, 0.0), 1),
        calls,
        len(events),
        legible,
        data.get("raw", ""),
    )


def figures(results: Iterable[Result]) -> dict[str, Figures]:
    """By condition, in the order of the plan, and over all."""
    table = {name: Figures() for name in ("all", *CONDITIONS)}
    for each in results:
        table["all"].add(each)
        table[each.condition].add(each)
    return {name: line for name, line in table.items() if line.vehicles}


_HEAD = (
    "condition",
    "passes",
    "vehicles",
    "right",
    "review",
    "unread",
    "wr.acc.",
    "wr.rev.",
    "missing",
    "extra",
    "hopeless",
    "calls",
    "s/pass",
)


def table(lines: dict[str, Figures]) -> str:
    rows = ["".join(f"{word:>10}" for word in _HEAD) + "  unread because"]
    for name, line in lines.items():
        counts = [line.outcomes[key] for key in ("right", "review", "unread", "wrong_accepted", "wrong_review", "missing")]
        figures = [
            name,
            line.passes,
            line.vehicles,
            *counts,
            line.extra,
            line.hopeless,
            f"{line.calls_each:.2f}",
            f"{line.seconds / line.passes:.1f}",
        ]
        reasons = ", ".join(f"{reason} {count}" for reason, count in line.reasons.most_common() if count)
        rows.append("".join(f"{each:>10}" for each in figures) + f"  {reasons}".rstrip())
    return "\n".join(rows)


def asks(line: Figures) -> str:
    """What was asked for, what there is, and whether that is enough."""
    wrong = line.outcomes["wrong_accepted"]
    return (
        f"asked: right ≥ {RIGHT:.0%}, wrong accepted 0, calls ≤ {CALLS} a vehicle; "
        f"got: right {line.right:.1%}, wrong accepted {wrong}, calls {line.calls_each:.2f}: {'good' if line.good() else 'not yet'}"
    )
