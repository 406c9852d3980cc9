"""A USB camera for real: its driver, udev's names and the agent's driver in a machine of its own, plugged in and out."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from tests.device.usb_machine import facts

LINK = "/dev/v4l/by-id/usb-Gate_Works_Pole_Camera_VIN0042-video-index0"
ENDS_S = 10.0  # twice what an opening or a reading may take: the machine is emulated
BACK_S = 30.0


def one(name: str) -> dict[str, Any]:
    """What was found out under a name; printed when it is missing, which is all there is to see then."""
    assert name in facts(), sorted(facts())
    return facts()[name][0]


def test_the_machine_has_a_camera_under_the_name_of_its_maker_and_number() -> None:
    print(f"\nkernel {one('machine')['kernel']} up in {one('machine')['up_s']:.0f} s, all done in {one('outside')['took_s']:.0f} s")
    assert one("plugged")["links"] == [LINK]


def test_pixel_format_exposure_and_gain_reach_the_camera() -> None:
    fixed = one("fixed")
    assert fixed["size"] == [640, 480]
    assert "'MJPG'" in fixed["form"]
    assert fixed["camera"] == {"mode": 1, "exposure": 20, "gain": 40}, "manual; 2 ms are 20 of its units"
    assert fixed["said"] == [f"INFO {LINK} delivers 640 × 480 px as MJPG"], "nothing to complain of"


def test_without_a_fixed_exposure_the_camera_is_put_back_to_automatic() -> None:
    automatic = one("automatic")
    assert automatic["camera"]["mode"] == 8
    assert "'YUYV'" in automatic["form"]
    assert automatic["shape"] == [480, 640, 3]


def test_what_a_camera_cannot_do_is_told_and_it_is_read_all_the_same() -> None:
    assert f"WARNING {LINK} has no 640 × 480 px as NV12: see v4l2-ctl --list-formats-ext" in one("another format")["said"]
    words = f"WARNING {LINK} has 1000 instead of 5000 for camera.v4l2.exposure_ms: see v4l2-ctl --list-ctrls"
    assert words in one("beyond its limits")["said"]


def test_a_number_is_a_source_and_the_name_to_use_instead_is_told() -> None:
    assert f"WARNING /dev/video0 may be another camera after a reboot; set camera.source to {LINK}" in one("by number")["said"]


def test_frames_are_new_whatever_the_rate_they_are_read_at() -> None:
    fast, slow = one("ages")["fast"], one("ages")["slow"]
    told = ", ".join(
        f"{name} a second: median {statistics.median(ages):.3f} s, most {max(ages):.3f} s" for name, ages in (("25", fast), ("1", slow))
    )
    print(f"\nage of a frame of a USB camera read {told}")
    assert max(fast) < 1.0
    assert max(slow) < 1.0


def test_a_camera_that_is_unplugged_is_given_up_at_once_and_named_while_it_is_away() -> None:
    gone, away = one("unplugged"), one("not there")
    print(f"\nunplugged: told after {gone['read_s']:.3f} s; opening it while it is away took {away['open_s']:.3f} s")
    assert gone["said"].startswith(f"{LINK} has stopped sending")
    assert gone["read_s"] < ENDS_S
    assert away["said"].startswith(f"{LINK} is not there; plug the camera in")
    assert away["open_s"] < ENDS_S


def test_a_camera_that_comes_back_under_another_number_is_the_same_camera() -> None:
    rounds = facts()["back"]
    took = ", ".join(f"{each['recovered_s']:.1f}" for each in rounds)
    print(f"\nplugged in again, {rounds[0]['before']} now {rounds[0]['after']}: frames after {took} s")
    assert len(rounds) == 3
    assert all(each["before"] != each["after"] for each in rounds)
    assert all(each["recovered_s"] < BACK_S for each in rounds)


def test_plugging_in_and_out_leaves_no_thread_and_no_file_behind() -> None:
    rounds = one("rounds")
    assert rounds["threads"][1] <= rounds["threads"][0]
    assert rounds["files"][1] <= rounds["files"][0]


@pytest.mark.parametrize("form", ["YUYV", "GREY", "NV12"])
def test_every_pixel_format_arrives_in_colour_order(form: str) -> None:
    opened = one(f"test driver {form}")
    assert f"'{form}'" in opened["form"]
    assert opened["shape"] == [480, 640, 3]


def test_a_control_a_camera_has_not_or_sets_by_itself_is_told() -> None:
    said = one("test driver YUYV")["said"]
    assert any("offers no control for camera.v4l2.exposure_ms, which has no effect" in words for words in said)
    wanted = one("automatic gain")["wanted"]
    assert any(f"instead of {wanted} for camera.v4l2.gain" in words for words in said), "its automatic has the last word"
    manual = one("test driver GREY")
    assert manual["gain"] == "gain: 77\n"
    assert not any("gain" in words for words in manual["said"])


@pytest.mark.parametrize("fault", ["inject_vidioc_dqbuf_error", "inject_vidioc_qbuf_error", "every buffer lost", "disconnected"])
def test_what_goes_wrong_below_the_camera_ends_in_time_and_passes(fault: str) -> None:
    found = one(fault)
    print(f"\n{fault}: {found['said'].partition(' ')[2]}; {found['read_s']:.1f} s, frames again {found['recovered_s']:.1f} s later")
    assert found["read_s"] <= ENDS_S
    assert found["recovered_s"] < BACK_S
