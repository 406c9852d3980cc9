"""What the yard is told: the event, its limits, and the state of the agent."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events, state
from agent.domain import Candidate, Decision, Reading, Vin
from agent.errors import BadConfig
from agent.events import Facts, delivered, encode, final, last
from agent.topics import Topics
from tests.payloads import valid
from tests.samples import ACCEPTED, CAPTURE, FACTS, HONDA, IMAGE, NOW, READ_ID, READINGS, TAKEN, UNREAD

TOPICS = Topics("vinagent/v1", "hamburg", "gate-3-pi")


def sent(decision: Decision = ACCEPTED) -> dict[str, Any]:
    return delivered(final(CAPTURE, decision, READINGS, facts=FACTS, now=NOW).payload, 48211, replay=False, attempt=1, queued_ms=1538)


def test_an_accepted_vehicle_becomes_the_event_of_the_contract() -> None:
    event = final(CAPTURE, ACCEPTED, READINGS, facts=FACTS, now=NOW)

    assert (event.id, event.topic) == (READ_ID, "gate/north-in/vin")
    assert valid(event.topic, sent()) == {
        "specversion": "1.0",
        "id": READ_ID,
        "source": "/site/hamburg/agent/gate-3-pi",
        "type": "io.vinagent.read.final.v1",
        "subject": "1HGCM82633A004352",
        "time": "2026-03-14T06:12:09.482Z",
        "datacontenttype": "application/json",
        "dataschema": "https://vin-agent.example/schema/vin-read-1.json",
        "sequence": "000000048211",
        "recordedtime": "2026-03-14T06:12:11.020Z",
        "data": {
            "read_id": READ_ID,
            "phase": "final",
            "vin": "1HGCM82633A004352",
            "decision": "accepted",
            "valid": {"length": True, "alphabet": True, "check_digit": "pass", "wmi_known": True},
            "decoded": {"region": "North America", "country": "United States", "manufacturer": "Honda", "model_years": [2003]},
            "confidence": 0.97,
            "char_confidence": [0.99] * 17,
            "raw": "1HGCM82633A004352",
            "candidates": [
                {"vin": "1HGCM82633A004352", "score": 0.97, "votes": 4},
                {"vin": "1HGCM82633A0043S2", "score": 0.41, "votes": 1},
            ],
            "frames": {"seen": 14, "sent": 2, "agreeing": 4},
            "gate": "north-in",
            "lane": "1",
            "direction": "in",
            "camera": "cam1",
            "trigger": "motion",
            "quality": {"sharpness": 212.444, "plate_px": [612, 58], "glare": 0.03, "exposure_ms": 2.0},
            "ocr": {"provider": "tencent", "attempts": 2, "latency_ms": 640, "request_id": "req-77", "fallback": False},
            "image": {
                "ref": f"vin/2026/03/14/{READ_ID}.jpg",
                "sha256": hashlib.sha256(IMAGE.jpeg).hexdigest(),
                "bytes": len(IMAGE.jpeg),
            },
            "clock": {"trust": "synced", "boot_id": TAKEN.boot_id, "monotonic_ms": 88123441},
            "agent": {"version": "1.4.0", "config": "9f3ab2"},
            "delivery": {"replay": False, "attempt": 1, "queued_ms": 1538, "durable": True},
        },
    }


def test_a_vehicle_nobody_could_read_is_told_with_its_reason_and_without_a_vin() -> None:
    event = final(CAPTURE, UNREAD, READINGS, facts=FACTS, now=NOW)
    payload = valid(event.topic, sent(UNREAD))

    assert event.topic == "gate/north-in/unread"
    assert payload["type"] == "io.vinagent.read.unread.v1"
    assert (payload["data"]["decision"], payload["data"]["reason"]) == ("unread", "glare")
    assert "subject" not in payload
    assert not {"vin", "valid", "confidence"} & payload["data"].keys()


def test_a_doubtful_vin_goes_to_the_same_topic_and_says_so() -> None:
    doubtful = replace(ACCEPTED, outcome="needs_review", vin=replace(HONDA, check_digit="fail"))
    event = final(CAPTURE, doubtful, READINGS, facts=FACTS, now=NOW)

    data = valid(event.topic, sent(doubtful))["data"]
    assert (event.topic, data["decision"], data["valid"]["check_digit"]) == ("gate/north-in/vin", "needs_review", "fail")


def test_what_is_not_known_is_left_out() -> None:
    bare = replace(CAPTURE, lane=None, direction=None, images=())
    event = final(bare, UNREAD, (), facts=FACTS, now=NOW)

    data = valid(event.topic, delivered(event.payload, 1, replay=False, attempt=1, queued_ms=0))["data"]
    assert not {"lane", "direction", "ocr", "image", "quality"} & data.keys()


def test_a_figure_json_has_no_number_for_is_left_out() -> None:
    image = replace(IMAGE, quality=replace(IMAGE.quality, glare=float("nan"), sharpness=float("inf")))
    event = final(replace(CAPTURE, images=(image,)), replace(ACCEPTED, confidence=float("nan")), READINGS, facts=FACTS, now=NOW)

    data = valid(event.topic, delivered(event.payload, 1, replay=False, attempt=1, queued_ms=0))["data"]
    assert data["quality"] == {"plate_px": [612, 58], "exposure_ms": 2.0}
    assert data["confidence"] == 0.0


def test_what_the_camera_told_of_the_picture_is_part_of_its_quality() -> None:
    image = replace(IMAGE, quality=replace(IMAGE.quality, gain=2.5, lens_position=0.0))
    event = final(replace(CAPTURE, images=(image,)), ACCEPTED, READINGS, facts=FACTS, now=NOW)

    data = valid(event.topic, delivered(event.payload, 1, replay=False, attempt=1, queued_ms=0))["data"]
    assert (data["quality"]["gain"], data["quality"]["lens_position"]) == (2.5, 0.0)


def test_the_stored_event_stays_as_it_was_when_it_is_sent_twice() -> None:
    stored = final(CAPTURE, ACCEPTED, READINGS, facts=FACTS, now=NOW).payload
    before = encode(stored)

    first, second = (delivered(stored, 7, replay=again, attempt=1 + again, queued_ms=9) for again in (False, True))

    assert encode(stored) == before
    assert first["id"] == second["id"]
    assert (first["data"]["delivery"]["replay"], second["data"]["delivery"]["replay"]) == (False, True)


def test_the_retained_copy_differs_only_in_saying_so() -> None:
    copy = valid("gate/north-in/last", last(sent()))

    assert copy.pop("retained") is True
    assert copy == sent()


def test_a_final_event_without_the_mark_is_no_retained_copy() -> None:
    with pytest.raises(AssertionError, match="retained"):
        valid("gate/north-in/last", sent())


def longest(text: str) -> tuple[Facts, Decision, tuple[Reading, ...]]:
    """Everything as long as it can be, made of one text."""
    name = "n" * 63
    vin = Vin("1HGCM82633A004352", "not_applicable", "3", False, text, text, text, (2003,) * 40)
    candidates = tuple(Candidate("1HGCM82633A004352", 0.123456, 10**6 + count) for count in range(40))
    decision = Decision("needs_review", vin, None, 0.123456, (0.123456,) * 90, text, candidates, 10**6)
    return Facts(site=name, agent=name, version=text, config=text), decision, (Reading(text, None, text, 1, text, 10**9),)


@pytest.mark.parametrize("text", ["x" * 5000, "é" * 5000, "車" * 5000, "\U0001f697" * 5000, "\x00" * 5000, '"\\' * 3000, "\ud800" * 5000])
def test_an_event_stays_within_4_kb_whatever_it_has_to_say(text: str) -> None:
    facts, decision, readings = longest(text)
    widest = replace(CAPTURE, gate="g" * 63, camera="c" * 63, lane=text, trigger=text, direction="out")
    event = final(widest, decision, readings, facts=facts, now=NOW)

    copy = last(delivered(event.payload, 10**12 - 1, replay=False, attempt=10**6, queued_ms=10**12))
    payload = valid("gate/g/last", encode(copy))
    assert payload["data"]["candidates"][0] == {"vin": "1HGCM82633A004352", "score": 0.123, "votes": 10**6}


@given(text=st.text(max_size=400), candidates=st.integers(0, 30))
def test_no_reading_makes_an_event_too_long(text: str, candidates: int) -> None:
    voted = tuple(Candidate("1HGCM82633A004352", 1 / (1 + count), 1) for count in range(candidates))
    decision = replace(ACCEPTED, raw=text, candidates=voted)
    codes = [Reading(f"I1HGCM82633A00435{count}I", None, "barcode", 1, None, 0) for count in range(9)]
    readings = (Reading(text, None, "tencent", 1, text, 1), Reading(text, None, "barcode", 1, None, 0), *codes)
    event = final(replace(CAPTURE, lane=text), decision, readings, facts=FACTS, now=NOW)

    valid(event.topic, encode(delivered(event.payload, 1, replay=True, attempt=3, queued_ms=10**9)))


def test_an_ordinary_event_loses_nothing_to_the_limit() -> None:
    data = sent()["data"]

    assert data["raw"] == ACCEPTED.raw
    assert len(data["candidates"]) == len(ACCEPTED.candidates)
    assert len(encode(sent())) < 2048


def test_the_wire_carries_compact_utf8() -> None:
    assert encode({"raw": "車", "a": 1.5}) == '{"raw":"車","a":1.5}'.encode()


def test_an_event_names_itself_in_the_properties_of_the_message() -> None:
    message = events.event_message("t", sent())

    assert (message.qos, message.retain, message.content_type) == (1, False, "application/cloudevents+json")
    assert dict(message.properties) == {
        "id": READ_ID,
        "type": "io.vinagent.read.final.v1",
        "source": FACTS.source,
        "schema": "https://vin-agent.example/schema/vin-read-1.json",
    }


def test_every_topic_lies_below_the_agents_own() -> None:
    event = final(CAPTURE, ACCEPTED, READINGS, facts=FACTS, now=NOW)

    assert TOPICS.root == "vinagent/v1/hamburg/gate-3-pi"
    assert (TOPICS.status, TOPICS.info, TOPICS.health) == tuple(f"{TOPICS.root}/{name}" for name in ("status", "info", "health"))
    assert TOPICS.camera_status("cam1") == f"{TOPICS.root}/camera/cam1/status"
    assert TOPICS.event(event) == f"{TOPICS.root}/gate/north-in/vin"
    assert TOPICS.last(event) == f"{TOPICS.root}/gate/north-in/last"


@pytest.mark.parametrize("name", ["", "+", "#", "a/b", "North", "a b", "é", "x" * 64, "a\n"])
def test_a_name_that_is_no_topic_level_is_refused(name: str) -> None:
    for refused in (
        lambda: Topics("vinagent/v1", name, "pi"),
        lambda: Topics("vinagent/v1", "yard", name),
        lambda: TOPICS.camera_status(name),
        lambda: final(replace(CAPTURE, gate=name), ACCEPTED, READINGS, facts=FACTS, now=NOW),
    ):
        check: Callable[[], object] = refused
        with pytest.raises(BadConfig, match="cannot be a topic level"):
            check()


@pytest.mark.parametrize("prefix", ["", "/", "a//b", "a/#", "+/b", "a/", "/a"])
def test_a_prefix_with_wildcards_or_empty_levels_is_refused(prefix: str) -> None:
    with pytest.raises(BadConfig, match=r"mqtt\.prefix"):
        Topics(prefix, "yard", "pi")


def test_a_namespace_of_the_plant_may_stand_before_the_prefix() -> None:
    assert Topics("Acme/Hamburg/Yard 1/vinagent/v1", "yard", "pi").root == "Acme/Hamburg/Yard 1/vinagent/v1/yard/pi"


@pytest.mark.parametrize("name", ["online", "stopping", "offline"])
def test_the_status_follows_its_schema(name: state.Running) -> None:
    payload = state.status(name, boot_id="b", session="s", version="1", since=NOW, last_exit="power")

    assert valid("status", payload)["state"] == name
    assert payload["since"] == "2026-03-14T06:12:11.020Z"


def test_the_info_names_cameras_providers_and_schemas() -> None:
    camera = state.CameraInfo(name="cam1", gate="north-in", driver="picamera2", direction="in")
    payload = valid("info", state.info(FACTS, [camera], ["tencent", "embedded"], ["replay"]))

    assert payload["cameras"] == [{"name": "cam1", "gate": "north-in", "driver": "picamera2", "direction": "in"}]
    assert payload["providers"] == ["tencent", "embedded"]
    assert payload["schemas"]["vin"] == sent()["dataschema"]


def test_a_camera_says_how_it_is_and_since_when_it_sees_nothing() -> None:
    payload = valid("x/camera/cam1/status", state.camera_status("offline", NOW, reason="no frame for 10 s", frame_age_ms=10_400))

    assert payload == {"state": "offline", "time": "2026-03-14T06:12:11.020Z", "reason": "no frame for 10 s", "frame_age_ms": 10_400}
    assert "reason" not in valid("x/camera/cam1/status", state.camera_status("online", NOW))


HEALTH = state.Health(
    state="degraded",
    reasons=("camera_offline",),
    uptime_s=61,
    boot_id="b",
    last_exit="clean",
    cameras=(state.CameraHealth(name="cam1", state="offline", fps=7.98765, frame_age_ms=10_400, restarts=2),),
    queue=state.QueueHealth(events_unsent=3, bytes=40_960, cap_bytes=268_435_456, evicted=0, oldest_age_s=12.3456),
    spool=state.SpoolHealth(waiting=0),
    mqtt=state.MqttHealth(connected=True, reconnects=1, in_flight=2, published=10, acknowledged=8),
    providers={"tencent": state.ProviderHealth(state="ok", calls_today=4, calls_month=90)},
    clock=state.ClockHealth(trust="synced"),
    power=state.PowerHealth(under_voltage=False, under_voltage_since_boot=True, throttled=False),
    disk=state.DiskHealth(free_bytes=10**9, agent_written_today_bytes=10**8, bytes_per_event=52_000, flushes_per_event=3.0),
    process=state.ProcessHealth(rss_bytes=10**7, fds=20, threads=5),
    reads=state.ReadsHealth(accepted=7, needs_review=1, unread={"glare": 2}),
)


def test_health_tells_every_part_that_is_known() -> None:
    payload = valid("health", state.health(HEALTH, NOW))

    assert payload["queue"] == {"events_unsent": 3, "bytes": 40_960, "cap_bytes": 268_435_456, "evicted": 0, "oldest_age_s": 12.346}
    assert payload["cameras"][0] == {"name": "cam1", "state": "offline", "fps": 7.988, "frame_age_ms": 10_400, "restarts": 2}
    assert payload["spool"] == {"waiting": 0}
    assert payload["reads"]["unread"] == {"glare": 2}
    assert payload["providers"]["tencent"]["calls_month"] == 90


def test_health_leaves_out_what_is_not_known() -> None:
    payload = valid("health", state.health(state.Health(state="ok", uptime_s=0, boot_id="b", last_exit="crash"), NOW))

    assert set(payload) == {"time", "state", "reasons", "uptime_s", "boot_id", "last_exit", "cameras"}


def test_state_stays_on_the_broker() -> None:
    message = state.retained(TOPICS.health, state.health(HEALTH, NOW))

    assert (message.retain, message.qos, json.loads(message.payload)["state"]) == (True, 1, "degraded")


@pytest.mark.parametrize(
    ("field", "value"),
    [("sequence", 7), ("time", "2026-03-14 06:12:09"), ("subject", "1HGCM82633A00435"), ("specversion", "0.3"), ("dataschema", "other")],
)
def test_the_schema_refuses_what_a_consumer_could_not_use(field: str, value: object) -> None:
    with pytest.raises(AssertionError, match=field):
        valid("gate/north-in/vin", {**sent(), field: value})
