"""What two recognisers make of one line together: each may doubt the other, neither is believed against all evidence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.ocr.beam import Floats, guesses, weighed
from agent.ocr.textline import Line
from agent.vin import describe
from agent.vin_text import Spelling, candidates_in

# Set by tests/bench/train/opinions.py.
_OWN = 0.5  # what the logarithms of the recogniser of VINs count beside those of the general one: it is wrong three times as often
_FURTHEST = 7.0  # how far one of them may put a spelling behind its best: it may be blind to what the other sees
_SUREST = 0.97  # the most a character of the general recogniser is believed beside a doubt of the other
_DOUBTED = 8.0  # the characters among which the general recogniser's doubt about one is spread
_UNLIKE = 4.0  # logarithms by which the likeliest VIN may be less likely than whatever else the columns spell: no VIN may stand there
_ILLEGIBLE = 6.0  # logarithms below certainty from which its best guess is none: no more than noise that looks a little like letters
_FAINT = 0.3  # chance of a character below which a VIN that only the recogniser of VINs sees is not worth anybody's time
_UNHEARD = 0.9  # what a spelling is worth that only one of them could read
_KNOWN, _CHECKED = 0.5, 1.0  # how much likelier a known maker and a right check digit are: they order what is equal, and are worth nothing


@dataclass(frozen=True, slots=True)
class _Ballot:
    """A spelling, and the logarithm of its chance by all evidence, without what orders equals."""

    text: str
    log: float

    @property
    def rank(self) -> float:
        vin = describe(self.text)
        return self.log + _KNOWN * vin.wmi_known + _CHECKED * (vin.check_digit == "pass")


def together(general: Line, views: Sequence[Floats]) -> Line:
    """The VIN that fits both best, with the chance of each of its characters; the general recogniser's line where there is none.

    Views in which hardly a VIN can stand say nothing, or any text would be made into one.
    """
    views = [view for view in views if _shows_vin(view)]
    spelled = candidates_in(general.text, general.confidence)
    first = spelled[0] if spelled else None
    if not views:
        return general if first is None else Line(general.text, tuple(_UNHEARD * worth for worth in general.confidence))
    texts = {guess.text for view in views for guess in guesses(view)} | ({first.value} if first else set())
    own = weighed(views, texts)
    ballots = [_Ballot(guess.text, _OWN * _behind(guess.log, own[0].log) + _told(first, guess.text)) for guess in own]
    most = max(ballot.log for ballot in ballots)
    shares = {ballot.text: math.exp(ballot.log - most) for ballot in ballots}
    best = max(ballots, key=lambda ballot: ballot.rank).text
    if first is None:
        # Nobody else to compare with: what counts is the chance among all texts there are, not among the few that were guessed.
        alone = {guess.text: math.exp(guess.log) for guess in own}
        chances = tuple(_UNHEARD * min(1.0, _agreeing(alone, best, at)) for at in range(len(best)))
        return Line(best, chances) if min(chances) >= _FAINT else general
    chances = tuple(_share(shares, best, at) for at in range(len(best)))
    return _as_read(general, first, chances) if best == first.value else Line(best, chances)


def _as_read(general: Line, first: Spelling, chances: tuple[float, ...]) -> Line:
    """The general recogniser's line with these chances for the characters of its VIN; the VIN alone where it is in pieces."""
    start = general.text.find(first.raw)
    places = [at for at in range(start, start + len(first.raw)) if general.text[at].isalnum()]
    if start < 0 or len(places) != len(chances):
        return Line(first.value, chances)
    confidence = list(general.confidence)
    for at, chance in zip(places, chances, strict=True):
        confidence[at] = chance
    return Line(general.text, tuple(confidence))


def _shows_vin(view: Floats) -> bool:
    best = guesses(view, 1)
    return bool(best) and best[0].log >= max(float(np.log(view.max(1)).sum()) - _UNLIKE, -_ILLEGIBLE)


def _behind(log: float, best: float) -> float:
    return max(log - best, -_FURTHEST)


def _told(first: Spelling | None, text: str) -> float:
    """What the general recogniser says of a spelling: nothing where it could read no VIN."""
    if first is None or first.confidence is None:
        return 0.0
    said = 0.0
    for read, char, worth in zip(first.value, text, first.confidence, strict=True):
        worth = min(max(worth, 1 - _SUREST), _SUREST)
        said += math.log(worth if read == char else (1 - worth) / _DOUBTED)
    return max(said, -2 * _FURTHEST)


def _share(shares: dict[str, float], text: str, at: int) -> float:
    return _agreeing(shares, text, at) / sum(shares.values())


def _agreeing(shares: dict[str, float], text: str, at: int) -> float:
    return sum(share for other, share in shares.items() if other[at] == text[at])
