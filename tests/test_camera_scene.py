"""The rendered gate: the same for the same seed, its truth known, its plates readable."""

import itertools
import sys
from typing import Any

import cv2
import numpy as np
import pytest
from rapidocr import RapidOCR

from agent.camera import lettering
from agent.camera.scene import Scene, View, vin_of
from agent.domain import Pixels
from agent.errors import NeedsOperator
from agent.vin import check_digit, verdict
from agent.vin_text import ALPHABET


def standing(scene: Scene) -> list[View]:
    """One view of each vehicle, in the middle of its stop."""
    groups = itertools.groupby((view for view in scene if view.stands), lambda view: view.vehicle)
    stops = [list(views) for _, views in groups]
    return [views[len(views) // 2] for views in stops]


def test_the_same_seed_draws_the_same_pixels_and_another_one_others() -> None:
    once, again, other = (list(Scene(seed, 2, 320, 180)) for seed in (7, 7, 8))
    assert all((a.pixels == b.pixels).all() for a, b in zip(once, again, strict=True))
    assert not (once[12].pixels == other[12].pixels).all()


def test_a_vehicle_follows_from_seed_and_number_alone() -> None:
    assert Scene(3, 20).truth[:5] == Scene(3, 5).truth
    assert Scene(3, 5, first=10).truth == Scene(3, 20).truth[10:15]
    both = list(Scene(3, 2, 320, 180))
    second = list(Scene(3, 1, 320, 180, first=1))
    assert all((a.pixels == b.pixels).all() for a, b in zip(both[len(second) :], second, strict=True))


def test_every_vin_is_one_and_no_two_are_alike() -> None:
    truth = Scene(5, 500).truth
    assert len(set(truth)) == 500
    assert all(len(vin) == 17 and set(vin) <= set(ALPHABET) and vin[-4:].isdigit() for vin in truth)
    assert "fail" not in {verdict(vin) for vin in truth}
    assert sum(vin[8] == check_digit(vin) for vin in truth) > 450
    assert {vin[0] for vin in truth} >= set("12345LWVZSTY")


def test_at_the_stop_the_plate_is_inside_the_frame_upright_and_large_enough() -> None:
    for width, height in ((1280, 720), (640, 480)):
        for view in standing(Scene(11, 12, width, height)):
            assert view.plate is not None
            left_top, right_top, right_bottom, left_bottom = view.plate
            assert (view.plate > 0).all()
            assert (view.plate < (width, height)).all()
            assert 12 * height / 1080 < np.linalg.norm(left_bottom - left_top) < 46 * height / 1080
            across = right_top - left_top
            assert abs(np.degrees(np.arctan2(across[1], across[0]))) < 8
            assert np.linalg.norm(right_bottom - left_bottom) > 10 * np.linalg.norm(left_bottom - left_top)


def test_a_vehicle_comes_stands_for_a_second_goes_and_leaves_the_road_empty() -> None:
    views = list(Scene(2, 2, 320, 180, fps=10.0))
    one = [view for view in views if view.vehicle == 0]
    assert sum(view.stands for view in one) == 10
    assert all(view.plate is None for view in one[:2] + one[-9:])
    heights = [float(np.linalg.norm(view.plate[3] - view.plate[0])) for view in one if view.plate is not None and not view.stands]
    assert heights[0] < heights[3] < heights[6]


def test_a_road_without_vehicles_is_empty() -> None:
    views = list(Scene(2, 0, 320, 180))
    assert views
    assert all(view.plate is None for view in views)
    assert Scene(2, 0).truth == ()


@pytest.fixture(scope="module")
def reader() -> Any:
    return RapidOCR(params={"Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": 1})


def test_the_packaged_recogniser_reads_the_plates_at_the_stop(reader: Any) -> None:
    scene = Scene(21, 10)
    for vin, view in zip(scene.truth, standing(scene), strict=True):
        assert view.plate is not None
        line = reader(cut(view.pixels, view.plate), use_det=False, use_cls=False, use_rec=True)
        assert line.txts[0].replace(" ", "") == vin


def cut(pixels: Pixels, corners: lettering.Points) -> Pixels:
    """The text line upright, 48 pixels high with a margin."""
    height, width = (float(np.linalg.norm(corners[to] - corners[0])) for to in (3, 1))
    zoom, margin = 36 / height, 6
    square = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) * np.float32(zoom) + margin
    size = (round(width * zoom) + 2 * margin, 48)
    return np.asarray(cv2.warpPerspective(pixels, cv2.getPerspectiveTransform(corners, square), size, flags=cv2.INTER_CUBIC), np.uint8)


def test_without_pillow_the_operator_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(NeedsOperator, match=r"pip install 'vin-capture-agent\[demo\]'"):
        next(iter(Scene(1, 1, 320, 180)))


def test_the_text_of_a_vehicle_is_its_vin() -> None:
    assert Scene(9, 3).truth == tuple(vin_of(9, index) for index in range(3))
