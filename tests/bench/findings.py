"""Everything one run of the accuracy program has seen, and its figures as they are written down."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agent import config
from tests.bench.calibration import Read, Reliability, characters, whole
from tests.bench.clips import Shown
from tests.bench.looking import Alarm
from tests.bench.photos import PARTS, SPLIT
from tests.bench.scores import COVERED, OFFERED, SAME, Figures, Score, figures, grouped, height_bin, outcome_of, spread

Group = dict[str, Figures]


@dataclass(frozen=True, slots=True)
class Findings:
    """`alarms` are the pictures without a VIN, `varied` the same with crops and noise, `shown` the clips, `passes` other decisions."""

    scores: tuple[Score, ...]
    alarms: tuple[Alarm, ...]
    varied: tuple[Alarm, ...]
    shown: tuple[Shown, ...]
    passes: tuple[Read, ...] = ()

    def parts(self) -> dict[str, list[Score]]:
        """The photographs of each part of the split that has any, and all of them."""
        parts = {part: [score for score in self.scores if score.photo.part == part] for part in PARTS}
        return {**{name: scores for name, scores in parts.items() if scores}, "everything": list(self.scores)}

    def tables(self) -> dict[str, dict[str, Group]]:
        """Figures by part of the split, then all in one, by kind and by height of the text."""
        return {part: _tables(scores) for part, scores in self.parts().items()}

    def reads(self) -> list[Read]:
        """Decisions on transcribed photographs that name a VIN; without one there is no confidence to be held to."""
        told = [score for score in self.scores if score.photo.vin and score.vin]
        return [Read(score.photo.vin, score.vin, score.decision.confidence, score.decision.char_confidence) for score in told]

    def reliabilities(self) -> dict[str, Reliability]:
        """By what was sure of itself: whole decisions and single characters, on photographs and, where given, on passes."""
        reads, passes = self.reads(), self.passes
        both = {"decisions on photographs": whole(reads), "characters on photographs": characters(reads)}
        return both | ({"decisions on passes": whole(passes), "characters on passes": characters(passes)} if passes else {})

    def failures(self) -> list[Score]:
        """The photographs that went wrong, by kind, what is judged first, the worst first."""
        order = ("wrong VIN accepted", "misread", "misread, line not found", "line not found")
        failed = [score for score in self.scores if score.failure]
        return sorted(failed, key=lambda each: (each.photo.kind, order.index(each.failure), each.photo.part, each.photo.name))

    def answers(self) -> "Answers":
        """What the pictures and clips without a VIN came to, beside what is asked of them."""
        events = [told.outcome for shown in self.shown for told in shown.passes]
        return Answers(
            pictures=_decided(self.alarms),
            variations=_decided(self.varied),
            offered=sum(alarm.offered for alarm in self.alarms),
            passes=len(events),
            accepted_passes=sum(outcome.startswith("accepted") for outcome in events),
            most_paid=max((shown.paid_calls for shown in self.shown), default=0),
        )

    def as_json(self) -> dict[str, Any]:
        vision = config.Vision()
        return {
            "split": {"rule": SPLIT, **{part: len(scores) for part, scores in self.parts().items()}},
            "measured_with": {
                "covered": COVERED,
                "same": SAME,
                "offered": OFFERED,
                "margin_x": vision.margin_x,
                "margin_y": vision.margin_y,
            },
            "figures": _plain(self.tables()),
            "negatives": {**asdict(self.answers()), "find_ms": asdict(spread(alarm.find_ms for alarm in self.alarms))},
            "clips": [_clip(shown) for shown in self.shown],
            "reliability": {name: asdict(each) for name, each in self.reliabilities().items()},
            "failures": [_failure(score) for score in self.failures()],
        }


@dataclass(frozen=True, slots=True)
class Answers:
    """Outcomes of pictures without a VIN, candidates a gate would take for a plate in them, passes of clips, and the most paid calls."""

    pictures: dict[str, int]
    variations: dict[str, int]
    offered: int
    passes: int
    accepted_passes: int
    most_paid: int

    @property
    def accepted(self) -> int:
        return self.pictures.get("accepted", 0) + self.variations.get("accepted", 0) + self.accepted_passes


def _tables(scores: Sequence[Score]) -> dict[str, Group]:
    by_kind = grouped(scores, lambda score: score.photo.kind)
    return {"all": {"all": figures(scores)}, "by_kind": by_kind, "by_height": grouped(scores, height_bin)}


def _plain(tables: dict[str, dict[str, Group]]) -> dict[str, Any]:
    """The same as JSON takes it: what all photographs came to stands by itself."""
    plain: dict[str, Any] = {}
    for part, groups in tables.items():
        rows = {name: {key: asdict(row) for key, row in group.items()} for name, group in groups.items()}
        plain[part] = {**rows, "all": rows["all"]["all"]}
    return plain


def _decided(alarms: Sequence[Alarm]) -> dict[str, int]:
    """Outcomes without their reasons, in the order a person cares about them."""
    counts = Counter(alarm.decision.outcome for alarm in alarms)
    return {"n": len(alarms), **{outcome: counts[outcome] for outcome in ("accepted", "needs_review", "unread")}}


def _clip(shown: Shown) -> dict[str, Any]:
    outcomes = dict(Counter(told.outcome for told in shown.passes))
    return {
        "file": shown.file.name,
        "seed": shown.seed,
        "frames": shown.frames,
        "passes": len(shown.passes),
        "outcomes": outcomes,
        "paid_calls": shown.paid_calls,
    }


def _failure(score: Score) -> dict[str, Any]:
    photo = score.photo
    return {
        "file": photo.name,
        "part": photo.part,
        "kind": photo.kind,
        "failure": score.failure,
        "truth": photo.vin,
        "read": score.text[:64],
        "decision": outcome_of(score.decision),
        "confidence": score.decision.confidence,
    }
