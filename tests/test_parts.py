"""The cheap first look: which parts of a picture get the second one."""

import cv2
import numpy as np
import pytest

from agent.domain import Pixels
from agent.vision.lines import Level, Line
from agent.vision.parts import Part, parts, stroked

VIN = "WVWZZZ1JZ3W386752"


def ground(width: int = 960, height: int = 540) -> Pixels:
    rng = np.random.default_rng(0)
    return np.clip(120 + rng.normal(0, 4, (height, width)), 0, 255).astype(np.uint8)


def with_line(x: int, y: int, ink: int = 200) -> Pixels:
    pixels = ground()
    cv2.putText(pixels, VIN, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, 1, cv2.LINE_AA)
    return pixels


def area(found: list[Part]) -> int:
    return sum(part.grey.size for part in found)


def test_a_picture_without_strokes_is_not_looked_at_twice() -> None:
    assert parts(Level(ground(), 1.0)) == []


@pytest.mark.parametrize("ink", [200, 60, 150], ids=["light", "dark", "faint"])
def test_a_line_and_its_surroundings_are_looked_at_and_little_else(ink: int) -> None:
    pixels = with_line(300, 300, ink)

    found = parts(Level(pixels, 1.0))

    assert any(part.left <= 260 and part.right >= 490 and part.top <= 260 and part.bottom >= 330 for part in found)
    assert area(found) < 0.3 * pixels.size


def test_a_line_that_runs_down_the_picture_is_looked_at_as_well() -> None:
    upright = np.ascontiguousarray(with_line(200, 300).T)

    found = parts(Level(upright, 1.0))

    assert any(part.top <= 180 and part.bottom >= 390 and part.left <= 270 and part.right >= 320 for part in found)


def test_a_lone_edge_is_no_line() -> None:
    pixels = ground()
    pixels[:, 480:] = np.clip(pixels[:, 480:].astype(int) + 80, 0, 255).astype(np.uint8)

    assert stroked(pixels).sum() == 0


def test_a_picture_full_of_strokes_is_looked_at_as_a_whole() -> None:
    pixels = ground()
    for y in range(20, 540, 40):
        cv2.putText(pixels, VIN * 4, (0, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 220, 1, cv2.LINE_AA)

    assert [(part.left, part.top, part.right, part.bottom) for part in parts(Level(pixels, 1.0))] == [(0, 0, 960, 540)]


def test_what_is_found_in_a_part_of_a_smaller_picture_lies_there_in_the_frame() -> None:
    part = Part(Level(ground(), 0.5), 64, 32, 320, 160)

    line = part.back(Line(10.0, 20.0, 100.0, 12.0, 5.0))

    assert line.x == pytest.approx(148.5)
    assert line.y == pytest.approx(104.5)
    assert (line.width, line.height, line.angle) == (200.0, 24.0, 5.0)
