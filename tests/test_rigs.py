"""The programs for a bench with real hardware, tried without: what they hear, how they count, and a cut by hand instead of a relay."""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import config
from tests.broker import Broker
from tests.chaos.bench import relay, supply, update, usb
from tests.chaos.bench.opening import MB, Held, rounds
from tests.chaos.bench.opening import Outcome as Opened
from tests.chaos.bench.yard import Record, Yard, run
from tests.chaos.traffic import gateway, pictures, vin_in
from tests.gateway import COMMAND
from tests.vendors import VendorServer

ROOT = "vinagent/v1/demo/gateway"


def tell(record: Record, levels: str, at: float = 0.0, **content: Any) -> None:
    record.message(f"{ROOT}/{levels}", json.dumps(content).encode(), at)


def test_a_vehicle_is_missing_from_its_line_in_the_log_until_its_event() -> None:
    record = Record()
    record.line("12:00:01 INFO    cam1: vehicle seen at gate north-in, 3 pictures, read_id 01ABC\n")
    record.line("12:00:01 INFO    01ABC: accepted 1HGCM82633A004352\n")
    assert record.missing == {"01ABC"}
    tell(record, "gate/north-in/last", id="01ABC")
    assert record.missing == {"01ABC"}, "what is retained for screens is no event"
    tell(record, "gate/north-in/unread", id="01ABC")
    tell(record, "gate/north-in/unread", id="01ABC")
    assert (record.missing, record.copies) == (set(), 1)


def test_a_pass_that_belongs_to_another_event_is_not_missing() -> None:
    record = Record()
    for read_id, words in (("01A", "1HGCM82633A004352 is still there, told as 01Z 5 s before"), ("01B", "no vehicle: a sign, 'TAXI'")):
        record.line(f"12:00:01 INFO    cam1: vehicle seen at gate north-in, 3 pictures, read_id {read_id}\n")
        record.line(f"12:00:01 INFO    {read_id}: {words}\n")
    assert record.missing == set()


def test_each_start_of_the_agent_counts_once_and_strangers_do_not() -> None:
    record = Record()
    for session, state in (("a", "online"), ("a", "offline"), ("b", "online"), ("b", "online")):
        tell(record, "status", session=session, state=state)
    record.message(f"{ROOT}/status", b"not JSON", 0.0)
    record.message(f"{ROOT}/status", b'"a text"', 0.0)
    assert (record.sessions, record.state) == (["a", "b"], "online")


def test_a_run_with_a_boot_that_failed_or_a_lost_vehicle_has_not_passed() -> None:
    assert relay.Outcome(2, [20.0, 30.5], 9, 0, 1).good
    assert not relay.Outcome(2, [20.0], 9, 0, 1).good
    assert not relay.Outcome(2, [20.0, 30.5], 9, 1, 1).good
    assert not relay.Outcome(2, [20.0, 30.5], 1, 0, 0).good, "a log that tells of no vehicles shows nothing"
    assert str(relay.Outcome(2, [20.0, 30.5], 9, 0, 1)) == (
        "relay: 2 cuts, 2 boots, 9 vehicles, 0 lost, 1 told twice; well again within 30.5 s: passed"
    )


@pytest.mark.parametrize("command", ["false", "no-such-program", "sh -c 'echo the relay is not there >&2; exit 3'"])
def test_a_command_of_the_bench_that_fails_ends_the_run_with_one_sentence(command: str) -> None:
    with pytest.raises(SystemExit, match=r"^`.*` (ended with|could not be run)"):
        run(command)


def test_the_relays_program_finds_nothing_lost_where_a_hand_kills_the_agent(tmp_path: Path) -> None:
    with (
        VendorServer(reader=vin_in) as vendors,
        Broker(tmp_path / "broker") as broker,
        Yard("127.0.0.1", broker.port, f"{ROOT}/#") as ears,
    ):
        agent = gateway(tmp_path, broker, vendors, [pictures(tmp_path / "pictures", 8, 1)])
        off, on = tmp_path / "off", tmp_path / "on"
        config_, pid, log = (shlex.quote(str(tmp_path / name)) for name in ("agent.toml", "pid", "agent.log"))
        on.write_text(f"{shlex.quote(COMMAND)} run --config {config_} >> {log} 2>&1 & echo $! > {pid}\n")
        off.write_text(f"kill -9 $(cat {pid}); sleep 0.2\n")
        rig = relay.Rig(off=f"sh {off}", on=f"sh {on}", log=f"tail -n +1 -F {log}", runs_s=(2.5, 3.5), dark_s=0.1, boot_s=20, drain_s=30)
        run(rig.on)
        assert ears.wait_for(lambda record: record.state == "online", 20) is not None
        try:
            outcome = relay.cycles(ears, rig, 2, seed=1)
            agent.wait_for(lambda: agent.log().count("crash") == 2)  # said a moment after the broker knows that it is back
        finally:
            run(rig.off)
    assert outcome.good, outcome


def test_a_device_that_does_not_come_back_ends_the_run(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker") as broker, Yard("127.0.0.1", broker.port, f"{ROOT}/#") as ears:
        rig = relay.Rig(off="true", on="true", log="true", runs_s=(0.0, 0.0), dark_s=0.0, boot_s=0.1, drain_s=0.1)
        outcome = relay.cycles(ears, rig, 5, seed=1)
        broken_off = update.broken_off(ears, rig, "sleep 5", "true", [0.0, 0.1])
    assert (outcome.cuts, outcome.boots, outcome.good) == (1, [], False)
    assert (broken_off.delays, broken_off.versions, broken_off.good) == ([0.0], [], False)


def test_an_update_is_cut_at_every_part_of_it_and_a_little_beyond() -> None:
    assert update.moments(60.0, 4) == pytest.approx([0.0, 22.0, 44.0, 66.0])
    outcome = update.Outcome(committed=9)
    for delay_s, took_s, version in ((0.0, 40.0, "1.4.0"), (30.0, 119.0, "1.4.0"), (60.0, 45.0, "1.5.0")):
        outcome.add(delay_s, took_s, version)
    assert outcome.good
    assert not replace(outcome, committed=0).good, "no vehicle was there to be lost"
    assert not replace(outcome, versions=["1.4.0", "", "1.5.0"]).good
    assert "2 times 1.4.0, 1 times 1.5.0, well again within 119.0 s" in str(outcome)
    outcome.add(61.0, 121.0, "1.5.0")
    assert (outcome.late, outcome.good) == (1, False)


def test_only_what_is_told_of_a_camera_after_it_was_unplugged_counts() -> None:
    record = Record()
    tell(record, "camera/cam1/status", 1.0, state="offline")
    tell(record, "camera/cam2/status", 9.0, state="offline")
    assert not usb.is_in(record, "cam1", 5.0, ("offline",))
    tell(record, "camera/cam1/status", 6.0, state="offline")
    assert usb.is_in(record, "cam1", 5.0, ("offline",))
    tell(record, "camera/cam1/status", 7.0, state="online")
    assert not usb.is_in(record, "cam1", 5.0, ("offline",))


def test_a_camera_that_stays_away_or_an_agent_that_starts_anew_has_not_passed() -> None:
    assert usb.Outcome([1.0], [29.0]).good
    assert not usb.Outcome([1.0], [31.0]).good
    assert not usb.Outcome([None], [3.0]).good
    assert not usb.Outcome([1.0], [3.0], starts=1).good
    assert "sees again within 3.0 s (1 times never)" in str(usb.Outcome([1.0, 1.0], [3.0, None]))


def test_the_program_for_cameras_finds_no_leak_in_a_folder_of_pictures() -> None:
    outcome = rounds(config.Camera(driver="replay", source="scene", width=160, height=90), 3)
    assert outcome.good, outcome


def test_what_a_camera_keeps_after_it_was_closed_shows() -> None:
    before = Held(50 * MB, 20, 5, 200 * MB)
    assert Opened(500, before, Held(59 * MB, 20, 5, 195 * MB)).good
    for after in (
        Held(61 * MB, 20, 5, 200 * MB),
        Held(50 * MB, 21, 5, 200 * MB),
        Held(50 * MB, 20, 6, 200 * MB),
        Held(50 * MB, 20, 5, 180 * MB),
    ):
        assert not Opened(500, before, after).good


def test_this_machine_tells_what_a_process_holds(tmp_path: Path) -> None:
    assert Held.now().files > 0
    (tmp_path / "self/fd").mkdir(parents=True)
    (tmp_path / "self/statm").write_text("100 50 1 1 0 1 0\n")
    (tmp_path / "meminfo").write_text("MemTotal: 8000 kB\nCmaTotal: 524288 kB\nCmaFree:   262144 kB\n")
    assert Held.now(tmp_path).cma_free == 262_144 * 1024


@pytest.mark.parametrize(
    ("answer", "flags"),
    [
        ("throttled=0x0\n", set[str]()),
        ("throttled=0x50005\n", {"under_voltage", "throttled"}),
        ("throttled=0x50000", set[str]()),
        ("throttled=0x8", {"throttled"}),
    ],
)
def test_the_firmwares_answer_is_taken_bit_by_bit(answer: str, flags: set[str]) -> None:
    assert supply.flags_of(answer) == flags


@pytest.mark.parametrize("answer", ["", "error=1", "throttled=", "throttled=-1", "VCHI initialization failed"])
def test_an_answer_that_is_none_ends_the_run_with_one_sentence(answer: str) -> None:
    with pytest.raises(SystemExit, match="is no answer of vcgencmd"):
        supply.flags_of(answer)


def test_every_rise_of_a_flag_is_looked_for_in_health() -> None:
    low: set[str] = {"under_voltage"}
    said = [(0.0, set[str]()), (10.0, low), (50.0, set[str]()), (60.0, low), (62.0, set[str]()), (70.0, low), (110.0, low)]
    healths = [(5.0, {"power": {"under_voltage": False}}), (18.0, {"power": {"under_voltage": True}}), (55.0, {})]
    assert supply.waits(said, healths, "under_voltage") == [8.0, None]
    assert supply.waits(said, healths, "throttled") == []


def test_heat_that_slows_no_camera_and_a_restart_have_not_passed() -> None:
    good = supply.Outcome({"under_voltage": [12.0], "throttled": [9.0]})
    good.look({"power": {"temperature_c": 84.0, "frame_rate": 0.25}})
    assert good.good
    assert "at most 84 °C, cameras down to 0.25" in str(good)
    assert not supply.Outcome({"under_voltage": [], "throttled": [9.0]}).good, "no camera was slowed down"
    assert not supply.Outcome({"under_voltage": [31.0], "throttled": []}).good
    assert not supply.Outcome({"under_voltage": [None], "throttled": []}).good
    assert not supply.Outcome({"under_voltage": [], "throttled": []}).good, "nothing was tried"
    assert not supply.Outcome({"under_voltage": [2.0], "throttled": []}, starts=1).good


def test_the_supplys_program_watches_a_firmware_and_an_agent(tmp_path: Path) -> None:
    flags = tmp_path / "flags"
    flags.write_text("throttled=0x1\n")
    with Broker(tmp_path / "broker") as broker, Yard("127.0.0.1", broker.port, f"{ROOT}/#") as ears:
        ears.record.healths.append((float("inf"), {"power": {"under_voltage": True}}))
        outcome = supply.watched(ears, f"cat {flags}", 0.3, every_s=0.05)
    assert outcome.told == {"under_voltage": [float("inf")], "throttled": []}


@pytest.mark.parametrize("program", [relay, update, usb, supply])
def test_a_program_of_the_bench_says_what_it_needs(
    program: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit):
        program.main()
    assert "the following arguments are required: --broker" in capsys.readouterr().err
