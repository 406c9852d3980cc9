"""What two recognisers make of one line together: each may doubt the other, neither is believed against all evidence."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from agent.ocr.beam import Floats, Guess, guesses, likelihood
from agent.ocr.textline import Line, Look
from agent.vin import describe
from agent.vin_text import Spelling, candidates_in, plausible

# What other weights of the two would give, tests/bench/train/opinions.py tells.
GENERAL, OWN = 0.65, 0.65  # what the logarithms of each recogniser count: columns are no independent witnesses, so less than 1
_BLIND = -8.0  # the least that the logarithm of a spelling's chance is taken for: any view may be blind to what another shows
_SETTLED = math.log(0.9)  # from which a view that agrees with the general recogniser needs no other
_UNLIKE = 4.0  # logarithms by which the likeliest VIN may be less likely than whatever else the columns spell: no VIN may stand there
_ILLEGIBLE = 6.0  # logarithms below certainty from which its best guess is none: no more than noise that looks a little like letters
_FAINT = 0.3  # chance of a character below which a VIN that only the recogniser of VINs sees is not worth anybody's time
_UNHEARD = 0.9  # what a spelling is worth that only one of them could read
# How much likelier a known maker and a right check digit are, in logarithms: they order what is equal, and are worth nothing.
KNOWN_MAKER, RIGHT_DIGIT = 1.0, 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Witness:
    """The views of one recogniser, and what its logarithms count."""

    views: Sequence[Floats]
    counts: float

    def logs(self, texts: Sequence[str]) -> Floats:
        """The mean logarithm of the chance of each text."""
        return np.array([sum(max(likelihood(view, text), _BLIND) for view in self.views) / len(self.views) for text in texts], np.float32)

    def free(self) -> float:
        """The same of whatever the columns spell, VIN or not."""
        return sum(float(np.log(view.max(1)).sum()) for view in self.views) / len(self.views)


def together(general: Line, looks: Sequence[Look], views: Iterable[Floats]) -> Line:
    """The VIN that fits both best, with the chance of each of its characters; the general recogniser's line where there is none.

    `looks` are those of the general recogniser, `general` the best of them, `views` the shares of the one that reads VINs. Those of either
    in which hardly a VIN can stand say nothing, or any text would be made into one. No more views are asked for than needed.
    """
    spelled = candidates_in(general.text, general.confidence)
    first = spelled[0] if spelled else None
    heard = [view for look in looks if (view := look.of_vin()) is not None and _shows_vin(view, guesses(view, 1))]
    seen = _told_apart(views, first)
    if not seen and first is None:
        return general
    texts = sorted({guess.text for view in heard + seen for guess in guesses(view)} | ({first.value} if first else set()))
    texts = [text for text in texts if plausible(text)]
    witnesses = [_Witness(each, counts) for each, counts in ((heard, GENERAL), (seen, OWN)) if each]
    return _weighed(general, first, witnesses, texts) if texts and witnesses else general


def agree(general: Line, view: Floats) -> bool:
    """Whether one view surely says what the general recogniser says."""
    spelled = candidates_in(general.text, general.confidence)
    return bool(spelled) and _is_settled(guesses(view, 1), spelled[0])


def _is_settled(found: Sequence[Guess], first: Spelling | None) -> bool:
    return first is not None and len(found) > 0 and found[0].text == first.value and found[0].log >= _SETTLED


def _told_apart(views: Iterable[Floats], first: Spelling | None) -> list[Floats]:
    """The views that show a VIN; the first alone where it says surely what the other recogniser says."""
    seen = []
    for view in views:
        found = guesses(view, 1)
        if not _shows_vin(view, found):
            continue
        seen.append(view)
        if _is_settled(found, first):
            break
    return seen


def _shows_vin(view: Floats, found: Sequence[Guess]) -> bool:
    return len(found) > 0 and found[0].log >= max(float(np.log(view.max(1)).sum()) - _UNLIKE, -_ILLEGIBLE)


def _weighed(general: Line, first: Spelling | None, witnesses: Sequence[_Witness], texts: Sequence[str]) -> Line:
    """The likeliest text, each character with the share of all there may be, also of what is no VIN, that agrees on it."""
    logs = [witness.logs(texts) for witness in witnesses]
    total = np.sum([witness.counts * log for witness, log in zip(witnesses, logs, strict=True)], 0)
    other = sum(witness.counts * (witness.free() - _UNLIKE) for witness in witnesses)
    most = float(total.max())
    shares = np.exp(total - most)
    best = texts[max(range(len(texts)), key=lambda at: float(total[at]) + _order(texts[at]))]
    believed = 1.0 if len(witnesses) > 1 else _UNHEARD * math.exp(min(0.0, float(logs[0].max())))
    every = float(shares.sum()) + math.exp(other - most)
    chances = tuple(believed * _agreeing(shares, texts, best, at) / every for at in range(len(best)))
    if first is not None and best == first.value:
        return _as_read(general, first, chances)
    return Line(best, chances) if first is not None or min(chances) >= _FAINT else general


def _order(text: str) -> float:
    vin = describe(text)
    return KNOWN_MAKER * vin.wmi_known + RIGHT_DIGIT * (vin.check_digit == "pass")


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


def _agreeing(shares: Floats, texts: Sequence[str], best: str, at: int) -> float:
    return float(sum(share for share, other in zip(shares, texts, strict=True) if other[at] == best[at]))
