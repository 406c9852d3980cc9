"""What is wrong with a camera's picture: black, white, dark, frozen, covered, blurred or moved, each on or off, and since when."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.domain import ALARMS, Alarm, AlarmName, Pixels, Stamp
from agent.vision.gate import View
from agent.vision.outlook import Look, Outlook, cell_sums

if TYPE_CHECKING:
    from agent import config

Verdicts = dict[AlarmName, bool | None]

_LONGEST_S = 15.0  # a longer gap between two frames counts as so much: nobody has seen what was in it
_SHAPELESS = 6  # grey levels between the darkest and the brightest part of a picture without anything in it
_SAME = 0.02  # share of pixels that may change in a frozen picture: a clock that the camera writes into it goes on
_NOISY = 0.2  # share of pixels noise changes, from which that is told from a quiet picture
_NOISE_RUN = 30  # samples in a row whose noise was everywhere: no vehicle is, so it is a sensor's, also in a replay
_LOST, _KNOWN, _THERE = 0.2, 0.4, 0.75  # share of the background in its place: quite another view; one to learn from; the same
_SEEK_S = 5.0  # how often a view that is not in its place is looked for elsewhere, which takes 4 ms


@dataclass(slots=True)
class _Held:
    """One alarm: on once it was wrong for long enough, off once it was right for long enough; None tells nothing."""

    alarm: Alarm
    wrong_s: float = 0.0
    right_s: float = 0.0
    began_ms: int | None = None

    def hear(self, wrong: bool | None, seconds: float, utc_ms: int, settings: "config.Alarm") -> None:
        if wrong is None:
            return
        if wrong:
            self.wrong_s += seconds if self.began_ms is not None else 0.0
            self.began_ms = utc_ms if self.began_ms is None else self.began_ms
            self.right_s = 0.0
        else:
            self.right_s += seconds
            if not self.alarm.on or self.right_s >= settings.clear_s:
                self.wrong_s, self.began_ms = 0.0, None
        if self.alarm.on != (on := self._is_on(settings)):
            self.alarm = replace(self.alarm, on=on, since_ms=self.began_ms if on else utc_ms)

    def _is_on(self, settings: "config.Alarm") -> bool:
        return self.began_ms is not None and (self.alarm.on or self.wrong_s >= settings.after_s)


class Alarms:
    """Looks at the gate's small picture every `every_s` and learns what is normal for this camera; a new process learns anew.

    `live` cameras have a sensor, so a picture without any change is a frozen one; a replay has to show noise first.
    """

    def __init__(self, settings: "config.Alarm", vision: "config.Vision", *, live: bool) -> None:
        self._settings, self._vision = settings, vision
        self._held = {name: _Held(Alarm(name, on=False)) for name in ALARMS}
        self._outlook = Outlook()
        self._before: Pixels | None = None
        self._sampled_s = float("-inf")
        self._noise, self._noise_run = 0.0, _NOISE_RUN if live else 0
        self._is_known, self._lost_s, self._moved_s = True, 0.0, 0.0
        self._sought_s, self._sought = float("-inf"), False
        self.stuck = False

    @property
    def all(self) -> tuple[Alarm, ...]:
        """Every alarm, also those that are off, in a fixed order."""
        return tuple(held.alarm for held in self._held.values())

    def look(self, view: View, taken_at: Stamp) -> None:
        """Take in what the gate made of a frame; afterwards `stuck` says whether it shows the picture that froze, and no other."""
        self.stuck = self._on("frozen") and self._before is not None and self._is_same(self._changed(view.small))
        now_s = taken_at.seconds
        if now_s - self._sampled_s < self._settings.every_s:
            return
        seconds, self._sampled_s = min(now_s - self._sampled_s, _LONGEST_S), now_s
        for name, wrong in self._judged(view, seconds, now_s).items():
            if name not in self._settings.off:
                self._held[name].hear(wrong, seconds, taken_at.utc_ms, self._settings)
        self._relearn(seconds, taken_at.utc_ms)

    def _on(self, name: AlarmName) -> bool:
        return self._held[name].alarm.on

    def _judged(self, view: View, seconds: float, now_s: float) -> Verdicts:
        """What this sample says about each alarm; None: nothing."""
        dark, white = view.brightness < self._vision.dark, view.brightness > self._vision.bright
        black = dark and _is_shapeless(view.small)
        frozen = self._is_frozen(view.small, clipped=black or white)
        verdicts: Verdicts = {"black": black, "white": white, "dark": dark and not black, "frozen": frozen}
        if dark or white or frozen:
            return verdicts
        suspect = any(held.began_ms is not None for name, held in self._held.items() if name in ("covered", "blurred", "moved"))
        young = self._outlook.known_s < self._settings.learn_s
        look = self._outlook.look(view.small, seconds, learn=young or (self._is_known and not suspect))
        self._is_known = look.still is None or look.still >= _KNOWN
        return verdicts | self._compared(look, seconds, now_s)

    def _is_frozen(self, small: Pixels, *, clipped: bool) -> bool | None:
        """Whether nothing has changed where noise should have; a clipped picture tells nothing, it has no noise to show."""
        before = self._before
        if before is None or before.shape != small.shape:
            self._before = small
            return False
        changed = self._changed(small)
        self._before = small
        if clipped:
            return None
        if self._is_same(changed):
            return True
        share = cv2.countNonZero(changed) / changed.size
        self._noise += 0.05 * (share - self._noise)
        if self._noise_run < _NOISE_RUN:
            self._noise_run = self._noise_run + 1 if bool((cell_sums(changed.astype(np.float32)) > 0).all()) else 0
        return False

    def _changed(self, small: Pixels) -> Pixels:
        if self._before is None or self._before.shape != small.shape:
            return np.ones_like(small)
        return np.asarray(cv2.absdiff(small, self._before), np.uint8)

    def _is_same(self, changed: Pixels) -> bool:
        if self._noise_run < _NOISE_RUN:
            return False
        share = cv2.countNonZero(changed) / changed.size
        return share == 0 or (share <= _SAME and self._noise >= _NOISY)

    def _compared(self, look: Look, seconds: float, now_s: float) -> Verdicts:
        if look.bare or self._outlook.known_s < self._settings.learn_s:
            return {"covered": look.bare}
        return {
            "covered": _beyond(look.plain, self._settings.covered, 0.7 * self._settings.covered),
            "blurred": _beyond(look.edges and -look.edges, -self._settings.blurred, -(1 + self._settings.blurred) / 2),
            "moved": self._is_moved(look, seconds, now_s),
        }

    def _is_moved(self, look: Look, seconds: float, now_s: float) -> bool | None:
        """The background is not in its place, but elsewhere in the picture; or it is nowhere for longer than a vehicle may hide it."""
        if look.still is None or look.plain is None or look.plain > 0.5:
            return None
        if look.still >= _THERE:
            self._lost_s, self._sought = 0.0, False
            return False
        self._lost_s = self._lost_s + seconds if look.still <= _LOST else 0.0
        if now_s - self._sought_s >= _SEEK_S:
            self._sought_s, self._sought = now_s, self._outlook.elsewhere()
        if self._lost_s > self._outlook.known_s and not self._sought:
            # Lost for longer than it was ever seen: what stood before the camera at the start has left.
            self._lost_s = 0.0
            self._outlook.forget()
            return None
        return True if self._sought or self._lost_s >= self._settings.lost_s else None

    def _relearn(self, seconds: float, utc_ms: int) -> None:
        """A new view that stands for longer than the one before is the normal one: a camera was aimed anew, or a lorry has left."""
        self._moved_s = self._moved_s + seconds if self._on("moved") else 0.0
        longest_s = self._settings.relearn_h * 3600
        if self._moved_s and longest_s and self._moved_s > min(longest_s, self._outlook.known_s):
            self._outlook.forget()
            self._held["moved"].hear(False, self._settings.clear_s, utc_ms, self._settings)


def _beyond(value: float | None, wrong: float, right: float) -> bool | None:
    """True from `wrong` on, False up to `right`, nothing between the two."""
    if value is None:
        return None
    return True if value >= wrong else False if value <= right else None


def _is_shapeless(small: Pixels) -> bool:
    """Whether all parts of a picture are equally dark: noise is averaged away before they are compared."""
    parts = cv2.resize(small, (32, 18), interpolation=cv2.INTER_AREA)
    return int(parts.max()) - int(parts.min()) < _SHAPELESS
