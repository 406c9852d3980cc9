"""What two recognisers make of one line together: each may doubt the other, neither is believed against all evidence."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from agent.ocr.beam import Floats, Guess, guesses, weighed
from agent.ocr.textline import Line
from agent.vin import describe
from agent.vin_text import Spelling, candidates_in

# Set by tests/bench/train/opinions.py.
_OWN = 0.5  # what the logarithms of the recogniser of VINs count beside those of the general one: it is wrong three times as often
_FURTHEST = 7.0  # how far one of them may put a spelling behind its best: it may be blind to what the other sees
_SUREST = 0.97  # the most a character of the general recogniser is believed beside a doubt of the other
_DOUBTED = 8.0  # the characters among which the general recogniser's doubt about one is spread
_SETTLED = math.log(0.9)  # from which a view that agrees with the general recogniser needs no other
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


def together(general: Line, views: Iterable[Floats]) -> Line:
    """The VIN that fits both best, with the chance of each of its characters; the general recogniser's line where there is none.

    Views in which hardly a VIN can stand say nothing, or any text would be made into one. No more of them are asked for than needed.
    """
    spelled = candidates_in(general.text, general.confidence)
    first = spelled[0] if spelled else None
    seen = _told_apart(views, first)
    if not seen:
        return general if first is None else Line(general.text, tuple(_UNHEARD * worth for worth in general.confidence))
    texts = {guess.text for _, found in seen for guess in found} | ({first.value} if first else set())
    own = weighed([view for view, _ in seen], texts)
    return _alone(general, own) if first is None else _of_both(general, first, own)


def agree(general: Line, view: Floats) -> bool:
    """Whether one view surely says what the general recogniser says."""
    spelled = candidates_in(general.text, general.confidence)
    return bool(spelled) and _is_settled(guesses(view, 1), spelled[0])


def _is_settled(found: Sequence[Guess], first: Spelling | None) -> bool:
    return first is not None and len(found) > 0 and found[0].text == first.value and found[0].log >= _SETTLED


def _told_apart(views: Iterable[Floats], first: Spelling | None) -> list[tuple[Floats, list[Guess]]]:
    """The views that show a VIN, with what they may spell; the first alone where it says surely what the other says."""
    seen = []
    for view in views:
        found = guesses(view)
        if not found or found[0].log < max(float(np.log(view.max(1)).sum()) - _UNLIKE, -_ILLEGIBLE):
            continue
        seen.append((view, found))
        if _is_settled(found, first):
            break
    return seen


def _alone(general: Line, own: Sequence[Guess]) -> Line:
    """Nobody else to compare with: what counts is the chance among all texts there are, not among the few that were guessed."""
    best = max((_Ballot(guess.text, guess.log) for guess in own), key=lambda ballot: ballot.rank).text
    shares = {guess.text: math.exp(guess.log) for guess in own}
    chances = tuple(_UNHEARD * min(1.0, _agreeing(shares, best, at)) for at in range(len(best)))
    return Line(best, chances) if min(chances) >= _FAINT else general


def _of_both(general: Line, first: Spelling, own: Sequence[Guess]) -> Line:
    ballots = [_Ballot(guess.text, _OWN * _behind(guess.log, own[0].log) + _told(first, guess.text)) for guess in own]
    most = max(ballot.log for ballot in ballots)
    shares = {ballot.text: math.exp(ballot.log - most) for ballot in ballots}
    best, total = max(ballots, key=lambda ballot: ballot.rank).text, sum(shares.values())
    chances = tuple(_agreeing(shares, best, at) / total for at in range(len(best)))
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


def _behind(log: float, best: float) -> float:
    return max(log - best, -_FURTHEST)


def _told(first: Spelling, text: str) -> float:
    """What the general recogniser says of a spelling."""
    said = 0.0
    for read, char, worth in zip(first.value, text, first.confidence or (_SUREST,) * len(text), strict=True):
        worth = min(max(worth, 1 - _SUREST), _SUREST)
        said += math.log(worth if read == char else (1 - worth) / _DOUBTED)
    return max(said, -2 * _FURTHEST)


def _agreeing(shares: dict[str, float], text: str, at: int) -> float:
    return sum(share for other, share in shares.items() if other[at] == text[at])
