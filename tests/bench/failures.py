"""What went wrong, shown: the picture with the labelled and the found line, the crop that was read, the text and the decision."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

import cv2
import numpy as np

from agent.domain import Pixels, Plate
from tests.bench.clips import Shown, Told
from tests.bench.looking import Alarm
from tests.bench.markup import data_uri, differing, small
from tests.bench.photos import picture
from tests.bench.scores import OFFERED, Score, covered, outcome_of

CLIP_PASSES = 40  # passes of clips shown, of all playings


def photographs(failures: Sequence[Score], most: int) -> Iterator[str]:
    """A heading and the cards for each kind; of many the first, which are the worst."""
    for kind, group in groupby(failures, lambda score: score.photo.kind):
        scores = list(group)
        left_out = f", {most} of them shown" if len(scores) > most else ""
        yield f"<h3>{escape(kind)}: {len(scores)}{left_out}</h3>" + _cards(map(_photograph, scores[:most]))


def _photograph(score: Score) -> str:
    line, photo = score.photo.line, score.photo
    label = f'<rect class="label" x="{line.x}" y="{line.y}" width="{line.width}" height="{line.height}"/>'
    best = score.plates[0] if score.plates else None
    found = [_outline("found", best)] if best else []
    chosen = [_outline("chosen", score.chosen)] if score.chosen and score.chosen != best else []
    held = f"best candidate holds {100 * covered(line, best):.0f} % of the line, score {best.score:.2f}" if best else "no candidate"
    read = (
        f"<br>truth <code>{escape(photo.vin)}</code><br>read&nbsp; <code>{differing(score.text[:40], photo.vin)}</code>"
        if photo.vin
        else ""
    )
    words = f"<b>{escape(score.failure)}</b> · {escape(photo.name)} · {photo.part}<br>{held}{read}<br>{_decision(score)}"
    return _card(_drawn(photo.pixels(), [label, *found, *chosen]), score.crop, words)


def pictures(alarms: Sequence[Alarm]) -> str:
    """Pictures without a VIN in which a gate would have taken something for a plate, or of which an event would have told a VIN."""
    return _cards(map(_alarm, [alarm for alarm in alarms if alarm.offered or alarm.decision.outcome != "unread"]))


def variations(alarms: Sequence[Alarm]) -> str:
    return _cards(map(_alarm, [alarm for alarm in alarms if alarm.decision.outcome != "unread"]))


def _alarm(alarm: Alarm) -> str:
    offered = [plate for plate in alarm.plates if plate.score >= OFFERED]
    scores = ", ".join(f"{plate.score:.2f}" for plate in offered) or "none"
    seen = "" if alarm.seed is None else f" · seed {alarm.seed}"
    # A variation is cut closer: its outlines would not fit the picture on the disk.
    drawn = _drawn(picture(alarm.file), [_outline("found", plate) for plate in offered] if alarm.seed is None else [])
    words = f"<b>{escape(outcome_of(alarm.decision))}</b> · {escape(alarm.file.name)}{seen}<br>candidates of {OFFERED} or more: {scores}"
    text = escape(alarm.decision.vin.value if alarm.decision.vin else alarm.decision.raw[:40])
    return _card(drawn, alarm.crop, f"{words}<br>read <code>{text}</code>")


def clips(shown: Sequence[Shown]) -> str:
    """The passes of clips without a VIN: each is a vehicle of which the yard is told."""
    passes = [(each, told) for each in shown for told in each.passes]
    passes.sort(key=lambda pair: pair[1].outcome)
    return _cards(_pass(each, told) for each, told in passes[:CLIP_PASSES])


def _pass(shown: Shown, told: Told) -> str:
    words = f"<b>{escape(told.outcome)}</b> · {escape(shown.file.name)} · seed {shown.seed}<br>read <code>{escape(told.text[:40])}</code>"
    return _card("", told.crop, words)


def _decision(score: Score) -> str:
    return f"{escape(outcome_of(score.decision))}, confidence {score.decision.confidence:.2f}"


def _outline(name: str, plate: Plate) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in plate.corners())
    return f'<polygon class="{name}" points="{points}"/>'


def _drawn(pixels: Pixels, outlines: Sequence[str]) -> str:
    """The picture with outlines over it, which stay sharp however large it is shown."""
    height, width = pixels.shape[:2]
    image = f'<image width="{width}" height="{height}" href="{data_uri(small(pixels))}"/>'
    return f'<svg viewBox="0 0 {width} {height}" width="{width}">{image}{"".join(outlines)}</svg>'


def _card(drawing: str, crop: bytes, words: str) -> str:
    read = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR) if crop else None
    image = "" if read is None else f'<img alt="the crop that was read" src="{data_uri(small(np.asarray(read, np.uint8)))}">'
    return f"<figure>{drawing}{image}<figcaption>{words}</figcaption></figure>"


def _cards(cards: Iterator[str]) -> str:
    made = "".join(cards)
    return f'<div class="cards">{made}</div>' if made else '<p class="soft">none</p>'
