"""A vehicle that stands is told once, however long, whoever walks past, and whatever is started anew meanwhile."""

import json
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, cast

import numpy as np
import pytest

from agent import config
from agent.bounds import Bounds
from agent.domain import Capture, Frame, Pixels, Plate, Stamp
from agent.outgoing import Outgoing
from agent.vision import keeping
from agent.vision.patch import again, cut, unchanged
from agent.vision.standing import MOST
from agent.watch import Watch
from agent.wire import Ack, Captured, FromChild, Job, Stands
from tests.bench.standing import LOOKALIKES, drawn, laid, pair, sensed

FPS = 8
VIN = "WVWZZZ1JZ3W386752"
Place = tuple[float, float]
HERE: Place = (0.0, 0.0)


class Parent:
    """The parent's end of the pipe: takes what it is told, and says so unless its disk is full."""

    def __init__(self) -> None:
        self.captures: list[Capture] = []
        self.stands: dict[str, dict[str, Any]] = {}
        self.acks: list[Ack] = []
        self.full = False

    def send(self, word: FromChild) -> None:
        if isinstance(word, Captured) and not self.full:
            self.captures.append(word.capture)
            self.acks.append(Ack(word.capture.read_id))
        elif isinstance(word, Stands):
            self.stands.pop(word.name, None)
            self.stands |= {word.name: word.kept} if word.kept else {}

    def poll(self, _wait_s: float = 0.0) -> bool:
        return bool(self.acks)

    def recv(self) -> Ack:
        return self.acks.pop(0)


class Yard:
    """A camera over one stopping place; `find` knows where the plates are, so that these tests are about nothing else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parent, self.now_s, self.boot, self.plates = Parent(), 100.0, "boot", list[Plate]()
        self.rng = np.random.default_rng(7)
        monkeypatch.setattr("agent.vision.plate.find", lambda _pixels, _least: self.plates)
        self.start()

    def start(self) -> None:
        """A new process of the camera; what stands is all it is told."""
        self.outgoing = Outgoing(cast("Connection[Any, Any]", self.parent))
        job = Job(config.Camera(driver="replay", source="yard"), config.Vision(), Bounds(), "info")
        self.watch = Watch(job, self.outgoing, tuple(self.parent.stands.items()))

    def show(self, pixels: Pixels, *plates: Plate) -> None:
        self.plates, self.now_s = list(plates), self.now_s + 1 / FPS
        ms = round(self.now_s * 1000)
        self.watch.look(Frame(pixels, Stamp(1_800_000_000_000 + ms, ms, self.boot, "synced")))
        self.outgoing.settle()

    def stand(self, seconds: float, vin: str = VIN, *, light: float = 1.0, place: Place = HERE) -> None:
        scene, line = laid(*drawn(vin, 16, stamped=False), 40.0, 120.0, 0.0, place)
        for _ in range(round(seconds * FPS)):
            self.show(sensed(scene, self.rng, 0.6, 2.0, light), line)

    def drive(self, seconds: float, vin: str = VIN) -> None:
        """Up to the place where it stops."""
        for place in np.linspace(-80, 0, round(seconds * FPS)):
            scene, line = laid(*drawn(vin, 16, stamped=False), 40.0, 120.0, 0.0, (0.0, float(place)))
            self.show(sensed(scene, self.rng, 0.6, 2.0), line)

    def hide(self, seconds: float) -> None:
        """A lorry drives past between camera and plate."""
        for number in range(round(seconds * FPS)):
            self.show(np.asarray(np.roll(sensed(TARPAULIN, self.rng, 0.6, 2.0), 9 * number, axis=1), np.uint8))

    def empty(self, seconds: float) -> None:
        for _ in range(round(seconds * FPS)):
            self.show(sensed(np.full((200, 560), 110, np.float32), self.rng, 0.6, 2.0))

    def pause(self, seconds: float) -> None:
        """Nobody looks meanwhile."""
        self.now_s += seconds

    @property
    def told(self) -> int:
        return len(self.parent.captures)


AWAKE_S = 8  # a vehicle that was there before the camera is watched for longer than one that comes
TARPAULIN = np.random.default_rng(1).uniform(20, 200, (200, 560)).astype(np.float32)


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Yard:
    return Yard(monkeypatch)


def test_a_vehicle_that_is_hidden_by_a_lorry_for_a_minute_is_told_once(yard: Yard) -> None:
    yard.drive(1)
    yard.stand(4)
    for _ in range(3):
        yard.hide(60)
        yard.stand(3)

    assert yard.told == 1


def test_a_vehicle_that_stands_for_hours_in_changing_light_is_told_once(yard: Yard) -> None:
    yard.stand(AWAKE_S)
    for light in (1.1, 1.2, 1.3, 1.1, 0.9, 0.7):
        yard.pause(1800)
        yard.stand(2, light=light)
        yard.hide(2)
        yard.stand(3, light=light)

    assert yard.told == 1


@pytest.mark.parametrize("boot", ["boot", "another boot"])
def test_a_vehicle_that_stands_while_its_camera_is_started_anew_is_told_once(yard: Yard, boot: str) -> None:
    yard.stand(AWAKE_S)
    yard.boot, yard.now_s = boot, yard.now_s if boot == "boot" else 10.0
    yard.start()
    yard.stand(AWAKE_S)

    assert yard.told == 1


def test_a_new_process_that_is_told_nothing_tells_of_it_again(yard: Yard) -> None:
    """So it is what the parent keeps, and not luck, that makes the difference."""
    yard.stand(AWAKE_S)
    yard.parent.stands.clear()
    yard.start()
    yard.stand(AWAKE_S)

    assert yard.told == 2


def test_what_stands_is_only_kept_once_its_vehicle_is_on_the_disk(yard: Yard) -> None:
    yard.parent.full = True
    yard.stand(AWAKE_S)
    assert yard.parent.stands == {}

    yard.parent.full = False
    yard.start()
    yard.stand(AWAKE_S)
    assert yard.told == 1
    assert yard.parent.stands


def test_a_vehicle_that_was_seen_to_be_gone_and_returns_to_the_same_place_is_told_again(yard: Yard) -> None:
    for _ in range(2):
        yard.drive(1)
        yard.stand(4)
        yard.empty(config.Vision().hidden_s + 10)

    assert yard.told == 2
    assert yard.parent.stands == {}


@pytest.mark.parametrize("alike", LOOKALIKES)
def test_another_vin_at_the_very_same_place_is_another_vehicle_though_one_letter_tells_them_apart(yard: Yard, alike: str) -> None:
    for letter in alike:
        yard.stand(4, VIN[:13] + letter + VIN[14:])
        yard.empty(1.5)

    assert yard.told == 2


def test_in_a_single_look_no_plate_is_taken_for_its_lookalike_in_any_of_many_lights() -> None:
    known, merged = zip(*(pair(seed) for seed in range(1000, 1120)), strict=True)
    assert not any(merged)
    assert sum(known) > 60, "and yet most are known again, by one look in light and noise of all kinds"


def test_a_sign_does_not_hide_the_vehicle_that_comes_beside_it(yard: Yard) -> None:
    sign, its_line = laid(*drawn("PARKEN 24H VERBOT", 14, stamped=False), 200.0, -150.0, 0.0, (0.0, -60.0))
    for _ in range(4 * FPS):
        yard.show(sensed(sign, yard.rng, 0.6, 2.0), its_line)
    yard.hide(5)
    ink, own = drawn(VIN, 16, stamped=False)
    for x in np.linspace(-120, 0, 2 * FPS):
        vehicle, line = laid(ink, own, 40.0, 120.0, 0.0, (float(x), 50.0))
        yard.show(sensed(np.where(np.arange(200)[:, None] < 75, sign, vehicle), yard.rng, 0.6, 2.0), its_line, line)
    yard.hide(5)
    for _ in range(4 * FPS):
        yard.show(sensed(sign, yard.rng, 0.6, 2.0), its_line)

    assert yard.told == 2
    assert all(abs(image.quality.plate_px[1] - 16) < 1 for image in yard.parent.captures[1].images), "and none of its pictures is the sign"


def test_a_clock_in_the_picture_is_known_though_its_digits_change(yard: Yard) -> None:
    for second in range(40):
        scene, line = laid(*drawn(f"202711050803{second:02d}UTC", 16, stamped=False), 10.0, 220.0, 0.0, HERE)
        # The finder loses it for longer than a pass lasts, again and again.
        for number in range(FPS):
            yard.show(sensed(scene, yard.rng, 0.6, 2.0), *([line] if second % 4 < 2 or number < 2 else []))

    assert yard.told == 1


def test_pictures_of_a_vehicle_that_stood_say_that_they_show_the_same(yard: Yard) -> None:
    yard.stand(AWAKE_S)
    (capture,) = yard.parent.captures
    assert len({image.still for image in capture.images}) == 1


def test_pictures_of_a_vehicle_that_drove_past_are_views_of_their_own(yard: Yard) -> None:
    yard.drive(1.5)
    yard.empty(2)
    (capture,) = yard.parent.captures
    assert len({image.still for image in capture.images}) == len(capture.images)


def test_no_more_is_remembered_than_fits(yard: Yard) -> None:
    standing = yard.watch._standing
    for number in range(MOST + 5):
        scene, line = laid(*drawn(f"{VIN[:14]}{number:03d}", 16, stamped=False), 40.0, 120.0, 0.0, HERE)
        frame = Frame(sensed(scene, yard.rng, 0.6, 2.0), Stamp(0, number * 2000, "boot", "synced"))
        standing._learn(f"pass {number}", cut(frame.pixels, line), frame)
    assert len(standing.spots) == MOST
    assert [name for name, spot in standing.news.items() if spot is None] == [
        f"pass {number}#{2 * number}.000-{number}" for number in range(5)
    ]


def test_a_patch_is_the_same_after_it_was_kept_and_damage_costs_no_more_than_the_patch(yard: Yard) -> None:
    yard.stand(AWAKE_S)
    (name, kept), *_ = json.loads(json.dumps(yard.parent.stands)).items()
    (spot,) = keeping.spots([("cut short", {**kept, "png": kept["png"][:50]}), ("odd", {"angle": None}), ("none", {}), (name, kept)])
    assert spot.name == name
    assert keeping.to_json(spot) == kept
    assert len(json.dumps(kept)) < 20_000


@pytest.mark.parametrize("change", [lambda p: p, lambda p: np.roll(p, (1, 2), (0, 1)), lambda p: np.clip(p * 0.8 + 10, 0, 255)])
def test_light_and_a_shaking_mast_change_nothing(change: Callable[[Pixels], Pixels]) -> None:
    rng = np.random.default_rng(3)
    scene, line = laid(*drawn(VIN, 16, stamped=False), 40.0, 120.0, 0.0, HERE)
    patch = cut(sensed(scene, rng, 0.6, 3.0), line)
    later = np.asarray(change(sensed(scene, rng, 0.6, 3.0)), np.uint8)
    assert unchanged(patch, again(patch, later), line)


def test_a_camera_that_was_set_to_another_size_knows_nothing_of_before() -> None:
    rng = np.random.default_rng(3)
    scene, line = laid(*drawn(VIN, 16, stamped=False), 40.0, 120.0, 0.0, HERE)
    pixels = sensed(scene, rng, 0.6, 3.0)
    patch = cut(pixels, line)
    assert not unchanged(patch, again(patch, pixels[:, :-8]), line)
    assert not unchanged(patch, again(patch, pixels), replace(line, box=replace(line.box, y=line.box.y - 40)))
