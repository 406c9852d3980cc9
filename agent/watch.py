"""The process of one camera: frame, gate, plate, pass, picture, and over the pipe to the spool."""

import contextlib
import logging
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import cv2
from ulid import ULID

from agent import config, failpoint, logs
from agent.bounds import Bounds
from agent.camera import Camera, open_camera
from agent.clock import Clock
from agent.domain import Capture, EncodedImage, Frame, Plate, Reading
from agent.errors import AgentError, NeedsOperator, Rejected
from agent.outgoing import Outgoing
from agent.vision import barcode, encode, keeping, plate
from agent.vision.alarm import Alarms
from agent.vision.best import FinishedPass, Passes
from agent.vision.gate import Gate, View
from agent.vision.standing import Standing
from agent.wire import COMMAND, Captured, Ended, FromChild, FromParent, Job, Kept, Looked, Progress, Stands

log = logging.getLogger(__name__)

PROGRESS_S, LAST_ACKS_S, NAP_S = 1.0, 3.0, 0.5


def main(job: Job, pipe: "Connection[FromChild, FromParent]", kept: Kept = ()) -> None:
    """The child's whole life: one opening of the camera. Reopening is the parent's business, in a fresh process."""
    notes: list[int] = []
    # The terminal's Ctrl-C reaches the whole group, but only the parent decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A handler takes a note, the loop acts.
    signal.signal(signal.SIGTERM, lambda number, _frame: notes.append(number))
    logs.to_stderr(job.log_level, job.camera.name)
    failpoint.arm(camera=job.camera.name)
    cv2.setNumThreads(1)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, EOFError):
        _live(job, Outgoing(pipe), notes, kept)


def _live(job: Job, outgoing: Outgoing, notes: list[int], kept: Kept) -> None:
    trouble: AgentError | None = None
    watch = Watch(job, outgoing, kept)
    try:
        with open_camera(job.camera, Clock()) as camera:
            watch.run(camera, lambda: bool(notes))
    except AgentError as exc:
        trouble = exc
    watch.finish()
    outgoing.drain(LAST_ACKS_S)
    outgoing.say(Ended(str(trouble) if trouble else None, isinstance(trouble, NeedsOperator)))


class Watch:
    """Steps 1 to 5 as a loop: takes frames from an open camera until told to stop or until there are no more."""

    def __init__(self, job: Job, outgoing: Outgoing, kept: Kept = ()) -> None:
        """`kept` is what stood there, as the process before has told it."""
        self._job, self._outgoing = job, outgoing
        self._gate, self._passes, self._standing = Gate(job.vision), Passes(job.vision), Standing(job.vision.hidden_s)
        self._standing.remember(keeping.spots(kept), time.monotonic())
        self._read_ids: dict[str, str] = {}  # by the names of the passes, until the parent has them
        # A replay has no sensor: it has to show noise before a picture without any counts as frozen.
        self._alarms = Alarms(job.alarm, job.vision, live=job.camera.driver != "replay")
        self._good_at: float | None = None
        self._fps = job.camera.fps
        self._frames = self._looked = self._repeats = 0
        self._sharpness: float | None = None
        self._began_at = time.monotonic()
        self._told_at = self._read_at = float("-inf")
        self._shown = "", 0.0

    def run(self, camera: Camera, stopped: Callable[[], bool]) -> None:
        while not stopped():
            self._outgoing.settle()
            if self._outgoing.full():
                # The parent cannot write: what is already seen comes first, new vehicles must wait.
                self._outgoing.settle(0.5)
                self._tell("spool_blocked", time.monotonic())
                continue
            if self._outgoing.fps not in (None, self._fps):
                self._fps = self._outgoing.fps
                camera.pace(self._fps)
            if self._naps():
                continue
            self._read_at = time.monotonic()
            failpoint.passed("camera.frame")
            frame = camera.read()
            if frame is None:
                return
            self.look(frame)

    def _naps(self) -> bool:
        """Between pictures seconds or minutes apart the parent must hear of us, and a stop must not wait for the next one."""
        left = self._read_at + 1 / self._fps - time.monotonic()
        if left < 2 * NAP_S:
            return False
        self._outgoing.settle(NAP_S)
        self._tell(*self._shown)
        return True

    def look(self, frame: Frame) -> None:
        """Take one frame through gate, finder and pass; commit the vehicles it completes."""
        self._frames += 1
        view = self._gate.look(frame, busy=self._passes.busy)
        self._alarms.look(view, frame.taken_at)
        if self._is_good(view):
            self._good_at = frame.taken_at.seconds
        self._standing.look(frame, asleep=not view.open)
        plates: list[Plate] = []
        if (view.open or self._outgoing.looks) and not self._alarms.stuck:
            if not self._passes.busy:
                self._standing.glance(frame)
            # A frame that was not searched is no frame without a plate: a parked vehicle would pass anew.
            plates = self._search(frame)
        self._look_now(frame, plates, view)
        self._tell_standing()
        self._shown = view.why, frame.taken_at.seconds
        self._tell(*self._shown)

    def _is_good(self, view: View) -> bool:
        """Whether a plate could have been read in it; an open gate looks on, but sees no more for that."""
        return view.why not in ("dark", "bright") and not self._alarms.stuck

    def _look_now(self, frame: Frame, plates: list[Plate], view: View) -> None:
        """Have what is in view committed for those who asked, and tell them; all who asked within one frame mean the same vehicle."""
        if not self._outgoing.looks:
            return
        looks, self._outgoing.looks = self._outgoing.looks, []
        found = self._passes.now(frame, plates) if self._is_good(view) else None
        capture = self._handed_over(found[0], COMMAND) if found else None
        if found and found[1] and capture:
            self._standing.told(found[0], frame)
        why = "nothing that looks like a VIN is in view" if self._is_good(view) else f"the picture is {self._spoilt_by(view)}"
        for look in looks:
            self._outgoing.say(Looked(look.token, capture.read_id if capture else None, "" if capture else why))

    def _spoilt_by(self, view: View) -> str:
        return "frozen" if self._alarms.stuck else view.why

    def _search(self, frame: Frame) -> list[Plate]:
        self._looked += 1
        plates = plate.find(frame.pixels, self._job.vision.min_text_px)
        if plates:
            self._sharpness = plates[0].sharpness
        fresh, standing = self._standing.sift(frame, plates)
        for finished in self._passes.offer(frame, fresh, standing):
            if self._commit(finished):
                self._standing.told(finished, frame)
        self._standing.rest(frame, self._passes.claimed)
        return plates

    def _tell_standing(self) -> None:
        """What stands is told once its vehicle is on the disk: before that the next process would pass over a vehicle nobody knows."""
        waiting = self._outgoing.waiting
        self._read_ids = {name: read_id for name, read_id in self._read_ids.items() if read_id in waiting}
        for name in [each for each in self._standing.news if each.rpartition("#")[0] not in self._read_ids]:
            spot = self._standing.news.pop(name)
            self._outgoing.say(Stands(name, keeping.to_json(spot) if spot else None))

    def finish(self) -> None:
        """At the end, a vehicle still in view counts with what was seen of it."""
        for finished in self._passes.flush():
            self._commit(finished)

    def _commit(self, finished: FinishedPass) -> bool:
        """Hand it over unless it is told already; False where it could not be told."""
        if self._standing.is_repeat(finished):
            self._repeats += 1
            log.info("a plate that stands there and was told of is not told again (seen until %d ms UTC)", finished.seen_at.utc_ms)
            return True
        return self._handed_over(finished) is not None

    def _handed_over(self, finished: FinishedPass, trigger: str = "motion") -> Capture | None:
        capture = assemble(self._standing.sorted_out(finished), self._job.camera, self._job.bounds, trigger)
        if capture is None:
            log.warning("a plate was seen but no picture of it fits the providers' bounds")
            return None
        log.debug(
            "%s: plate seen until %d, handed over at %d (ms UTC)", capture.read_id, finished.seen_at.utc_ms, time.time_ns() // 1_000_000
        )
        self._read_ids[finished.name] = capture.read_id
        word = Captured(capture, barcodes(finished, capture))
        failpoint.passed("camera.captured")
        self._outgoing.put(word)
        failpoint.passed("camera.sent")
        return capture

    def _tell(self, view: str, frame_at: float) -> None:
        now = time.monotonic()
        if now - self._told_at < PROGRESS_S:
            return
        self._told_at = now
        fps = self._frames / max(now - self._began_at, 0.001)
        good_age_s = None if self._good_at is None else now - self._good_at
        alarms, waiting = self._alarms.all, len(self._outgoing.waiting)
        self._outgoing.say(
            Progress(
                self._frames, self._looked, round(fps, 2), now - frame_at, self._sharpness, view, waiting, good_age_s, alarms, self._repeats
            )
        )


def assemble(finished: FinishedPass, camera: config.Camera, bounds: Bounds, trigger: str = "motion") -> Capture | None:
    """A pass as the spool holds it: its id, and its pictures fitted to the bounds; None where none of them fits."""
    read_id = str(ULID())
    images: list[EncodedImage] = []
    for picture in finished.pictures:
        with contextlib.suppress(Rejected):
            fitted = encode.fit(picture.pixels, picture.line, bounds)
            images.append(
                EncodedImage(
                    read_id,
                    len(images),
                    picture.taken_at,
                    fitted.jpeg,
                    fitted.width,
                    fitted.height,
                    fitted.line,
                    picture.quality,
                    picture.still,
                )
            )
    if not images:
        return None
    return Capture(
        read_id,
        camera.name,
        camera.gate,
        camera.lane or None,
        camera.direction or None,
        trigger,
        images[0].taken_at,
        finished.frames_seen,
        tuple(images),
    )


def barcodes(finished: FinishedPass, capture: Capture) -> tuple[Reading, ...]:
    """What the barcodes around the plate say, of the pictures that the capture holds."""
    numbers = {image.taken_at: image.number for image in capture.images}
    views = ((numbers[each.taken_at], each.around) for each in finished.pictures if each.taken_at in numbers)
    return barcode.near((number, view) for number, view in views if view is not None)
