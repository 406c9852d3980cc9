"""One vehicle, one pass: where it begins, where it ends, and which pictures of it are kept."""

from dataclasses import replace

import numpy as np
import pytest

from agent.config import Vision
from agent.domain import Box, Frame, Plate, Stamp
from agent.vision.best import FinishedPass, Passes, worth

PIXELS = np.random.default_rng(0).integers(0, 200, (540, 960, 3), dtype=np.uint8)
SETTINGS = Vision()
PATIENT = replace(SETTINGS, settle_s=600.0)
FPS = 8


def frame(at_s: float) -> Frame:
    return Frame(
        PIXELS, Stamp(1_000_000 + round(at_s * 1000), round(at_s * 1000), "boot", "synced"), exposure_ms=2.0, gain=4.0, lens_position=0.5
    )


def plate(x: float = 300, y: float = 200, *, score: float = 0.9, sharpness: float = 1.0) -> Plate:
    return Plate(Box(x, y, 240, 20), 0.0, score, sharpness)


def play(passes: Passes, seen: list[list[Plate]], start_s: float = 0.0) -> list[FinishedPass]:
    """Offer so many frames at the camera's pace and give what was finished on the way."""
    return [done for number, plates in enumerate(seen) for done in passes.offer(frame(start_s + number / FPS), plates)]


def test_a_vehicle_that_drives_by_is_one_pass_that_began_with_its_first_plate() -> None:
    seen = [[], [], *([plate(100 + 40 * step)] for step in range(10)), *([[]] * 10)]

    (done,) = play(Passes(PATIENT), seen)

    assert done.began_at == frame(2 / FPS).taken_at
    assert done.frames_seen == 10
    assert len(done.pictures) == SETTINGS.pictures


def test_an_empty_yard_is_no_pass() -> None:
    passes = Passes(SETTINGS)

    assert play(passes, [[]] * 20) == []
    assert passes.flush() == []
    assert not passes.busy


def test_a_pass_ends_only_after_the_gap_and_not_with_a_frame_that_missed_the_plate() -> None:
    passes = Passes(PATIENT)
    gap: list[list[Plate]] = [[]] * (int(SETTINGS.gap_s * FPS) - 1)

    assert play(passes, [[plate()], *gap, [plate()], *gap, [plate()]]) == []
    assert passes.busy


def test_a_machine_slower_than_the_gap_does_not_split_a_pass() -> None:
    passes = Passes(PATIENT)
    moments = [(0.0, [plate()]), (1.2, []), (2.4, [plate(360)]), (3.6, []), (4.8, [plate(420)]), (6.0, []), (7.2, [])]

    done = [each for at_s, plates in moments for each in passes.offer(frame(at_s), plates)]

    assert [each.frames_seen for each in done] == [3]


def test_two_vehicles_one_after_the_other_are_two_passes() -> None:
    vehicle = [[plate(100 + 60 * step)] for step in range(6)]

    done = play(Passes(SETTINGS), [*vehicle, *([[]] * 9), *vehicle, *([[]] * 9)])

    assert [each.frames_seen for each in done] == [6, 6]


def test_a_vehicle_that_halts_is_told_once_no_picture_was_better_for_a_while() -> None:
    passes = Passes(SETTINGS)
    nearer = [[plate(100 + 40 * step, sharpness=0.4 + 0.1 * step)] for step in range(6)]

    assert play(passes, nearer) == []
    (done,) = play(passes, [[plate(300)]] * (5 * FPS), start_s=6 / FPS)

    assert done.seen_at.seconds - 6 / FPS == pytest.approx(SETTINGS.settle_s, abs=1 / FPS)
    assert passes.flush() == []


@pytest.mark.parametrize("small", [replace(plate(), box=Box(300, 200, 150, 12)), plate(score=0.5)])
def test_a_vehicle_whose_picture_is_hardly_readable_may_still_come_nearer(small: Plate) -> None:
    passes = Passes(SETTINGS)

    assert play(passes, [[small]] * int((SETTINGS.longest_s - 0.5) * FPS)) == []
    assert passes.busy


def test_a_standing_vehicle_is_committed_once_however_long_it_stands() -> None:
    passes = Passes(SETTINGS)

    done = play(passes, [[plate()]] * (30 * FPS))

    assert len(done) == 1
    assert not passes.busy
    assert passes.flush() == []


def test_a_standing_vehicle_that_drives_off_is_still_the_same_pass() -> None:
    seen = [[plate()]] * (8 * FPS) + [[plate(300 + 20 * step)] for step in range(20)] + [[]] * 10

    assert len(play(Passes(SETTINGS), seen)) == 1


def test_the_vehicle_after_a_standing_one_is_a_pass_of_its_own() -> None:
    vehicle = [[plate()]] * (8 * FPS) + [[]] * 10

    assert len(play(Passes(SETTINGS), vehicle + vehicle)) == 2


def test_a_sign_in_view_does_not_hide_the_vehicles_that_come_after() -> None:
    sign = plate(20, 20)
    passes = Passes(replace(SETTINGS, longest_s=1.0))
    play(passes, [[sign]] * (2 * FPS))

    done = play(passes, [[sign, plate(700, 450 - 10 * step)] for step in range(6)] + [[sign]] * 10, start_s=2.0)

    assert [each.frames_seen for each in done] == [6]


def test_a_vehicle_that_stops_beside_a_sign_is_not_taken_for_the_sign() -> None:
    sign, beside = plate(300, 200), plate(480, 300)
    passes = Passes(replace(SETTINGS, longest_s=1.0))
    play(passes, [[sign]] * (3 * FPS))

    done = play(passes, [[sign, beside] if step % 3 else [beside] for step in range(6)] + [[sign]] * 10, start_s=3.0)

    assert [each.frames_seen for each in done] == [6]


def test_two_lines_of_one_vehicle_are_one_pass() -> None:
    seen = [[plate(100 + 20 * step, 100), plate(600, 450, score=0.7)] for step in range(8)]

    assert len(play(Passes(SETTINGS), [*seen, *([[]] * 10)])) == 1


@pytest.mark.parametrize("score", [0.2, 0.5, 0.8])
def test_a_weak_plate_in_a_single_frame_is_noise(score: float) -> None:
    assert play(Passes(SETTINGS), [[], [plate(score=score)], *([[]] * 10)]) == []


def test_a_vehicle_too_fast_for_a_second_frame_counts_where_its_plate_is_beyond_doubt() -> None:
    assert len(play(Passes(SETTINGS), [[plate(score=0.95)], *([[]] * 10)])) == 1


def test_text_that_never_looks_like_a_vin_is_no_pass_however_long_it_is_seen() -> None:
    assert play(Passes(SETTINGS), [[plate(score=0.25)]] * (20 * FPS)) == []


def test_a_plate_that_is_doubtful_in_every_frame_is_a_pass_once_it_has_been_seen_often_enough() -> None:
    seen = [[plate(100 + 30 * step, score=0.35)] for step in range(6)]

    assert play(Passes(SETTINGS), [*seen[:2], *([[]] * 10)]) == []
    assert len(play(Passes(SETTINGS), [*seen, *([[]] * 10)])) == 1


def test_the_sharpest_picture_comes_first_and_the_number_is_bounded() -> None:
    sharp = [0.2, 0.9, 0.3, 0.1, 0.5, 0.2, 0.8, 0.1]
    seen = [[plate(100 + 30 * step, sharpness=each)] for step, each in enumerate(sharp)]

    (done,) = play(Passes(SETTINGS), [*seen, *([[]] * 10)])

    assert [each.quality.sharpness for each in done.pictures] == [0.9, 0.8, 0.5]


def test_pictures_of_the_same_moment_give_way_to_nearly_as_good_ones_of_another() -> None:
    sharp = [1.0, 0.98, 0.2, 0.2, 0.2, 0.9]

    (done,) = play(Passes(replace(SETTINGS, pictures=2)), [[plate(sharpness=each)] for each in sharp] + [[]] * 10)

    assert [each.quality.sharpness for each in done.pictures] == [1.0, 0.9]


def test_a_plate_cut_off_by_the_edge_of_the_frame_ranks_below_a_whole_one() -> None:
    seen = [[plate(-20, sharpness=1.0)], [plate(100, sharpness=0.6)], *([[]] * 10)]

    (done,) = play(Passes(SETTINGS), seen)

    assert done.pictures[0].quality.sharpness == 0.6
    assert worth(plate(-20), (960, 540)) < worth(plate(100), (960, 540))


@pytest.mark.parametrize("x", [8, 960 - 240 - 8])
def test_a_plate_that_ends_less_than_a_letter_before_the_edge_may_have_lost_one(x: float) -> None:
    assert worth(plate(x), (960, 540)) < worth(plate(100), (960, 540))


def test_a_picture_is_a_crop_with_margins_and_says_what_is_known_of_it() -> None:
    passes = Passes(replace(SETTINGS, margin_x=2.0, margin_y=1.0))

    (done,) = play(passes, [[plate()], [plate()], *([[]] * 10)])

    picture = done.pictures[0]
    assert picture.pixels.shape == (60, 320, 3)
    assert (picture.line.x, picture.line.y) == (40, 20)
    assert picture.quality.plate_px == (240, 20)
    assert (picture.quality.exposure_ms, picture.quality.gain, picture.quality.lens_position) == (2.0, 4.0, 0.5)
    assert np.array_equal(picture.pixels[20:40, 40:280], PIXELS[200:220, 300:540])


def test_whole_frames_are_never_kept() -> None:
    (done,) = play(Passes(SETTINGS), [[plate()], [plate()], *([[]] * 10)])

    assert all(each.pixels.base is None or each.pixels.base.size < PIXELS.size / 4 for each in done.pictures)


def test_a_stop_gives_out_the_pass_under_way() -> None:
    passes = Passes(SETTINGS)
    play(passes, [[plate()]] * 3)

    (done,) = passes.flush()

    assert done.frames_seen == 3
    assert passes.flush() == []


SIGN = Plate(Box(20, 60, 200, 20), 0.0, 0.95, 2.0)  # likelier and sharper than any VIN here, now and then
FAINT = replace(SIGN, score=0.05)


def drive_up(step: int, *, score: float = 0.6) -> Plate:
    """A plate that grows while its vehicle comes nearer, towards the middle of the view."""
    width = 90 + 24 * step
    return Plate(Box(520 - width / 2, 200 + 12 * step, width, width / 12), 0.0, score, 1.0)


def test_pictures_of_a_vehicle_show_its_own_line_also_where_a_sign_is_sharper() -> None:
    passes = Passes(PATIENT)
    coming = [[drive_up(step), SIGN if step in (2, 6) else FAINT] for step in range(10)]

    (done,) = play(passes, [[FAINT], [FAINT], *coming, *([[FAINT]] * 10)])

    assert {each.quality.sharpness for each in done.pictures} == {1.0}


def test_a_sign_that_looks_like_a_vin_after_a_vehicle_has_passed_is_no_vehicle() -> None:
    passes = Passes(SETTINGS)
    coming = [[drive_up(step), FAINT] for step in range(10)]

    done = play(passes, [[FAINT], [FAINT], *coming, *([[FAINT], [SIGN], [SIGN]] * 10)])

    assert len(done) == 1
    assert done[0].frames_seen == 10


def test_a_sign_is_not_told_early_just_because_the_camera_woke_with_it_in_view() -> None:
    steady = replace(SIGN, box=Box(20, 60, 240, 20))

    assert play(Passes(SETTINGS), [[steady]] * int((SETTINGS.longest_s - 1) * FPS)) == []


def test_a_likely_looking_scrap_in_one_frame_is_no_fast_vehicle() -> None:
    scraps = plate(score=0.95, sharpness=0.01), replace(plate(score=0.95), box=Box(300, 200, 100, 20))

    assert [play(Passes(SETTINGS), [[], [scrap], *([[]] * 10)]) for scrap in scraps] == [[], []]


def test_other_lines_of_a_label_are_no_second_vehicle_once_the_first_is_told() -> None:
    passes = Passes(SETTINGS)
    caption = Plate(Box(430, 270, 120, 14), 0.0, 0.4, 1.0)
    coming = [[drive_up(step)] for step in range(10)]

    done = play(passes, [*coming, *([[drive_up(9)]] * 8), *([[drive_up(9), caption]] * 20), *([[]] * 10)])

    assert len(done) == 1


def test_the_vehicle_close_behind_one_that_drives_off_is_a_pass_of_its_own() -> None:
    passes = Passes(SETTINGS)
    coming = [[drive_up(step)] for step in range(10)]
    leaving = [[replace(drive_up(9), box=replace(drive_up(9).box, x=drive_up(9).box.x + 140 * step))] for step in range(1, 3)]

    done = play(passes, [*coming, *([[drive_up(9)]] * 10), *leaving, [], *coming, *([[drive_up(9)]] * 10), *([[]] * 10)])

    assert len(done) == 2


def test_a_vehicle_whose_plate_is_lost_in_glare_for_a_while_is_still_the_same_pass() -> None:
    coming, stands = [[drive_up(step)] for step in range(10)], drive_up(9)
    left = replace(stands, score=0.1, box=replace(stands.box, width=120))

    done = play(Passes(SETTINGS), [*coming, *([[stands]] * 8), *([[left]] * 20), *([[stands]] * 8), *([[]] * 10)])

    assert len(done) == 1


def test_a_vehicle_is_not_told_early_while_it_still_comes_nearer() -> None:
    far = [[replace(drive_up(step + 8, score=0.9 - 0.05 * step), sharpness=1 - 0.1 * step)] for step in range(8)]

    assert play(Passes(SETTINGS), far) == []
