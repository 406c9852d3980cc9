"""What stands in a licence, and which of it may leave the device."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from agent import page
from agent.document import FIELDS, IMPERSONAL, DrivingLicence, VehicleLicence, is_personal, told, values, vehicle_licence
from agent.events import MOST_BYTES, delivered, encode, final
from agent.records import reading_from_json, reading_to_json
from tests.payloads import valid
from tests.samples import ACCEPTED, CAPTURE, FACTS, NOW, READINGS

CAR = VehicleLicence(
    plate_number="沪A2K481", owner="王小明", address="上海市徐汇区漕溪路10号", model="宝马牌BMW7201AL", vin="LBV2B25G2E5069977",
    engine_number="A6320174", confidence=(("owner", 0.98),), other=(("签注", "无"),),
)  # fmt: skip
DRIVER = DrivingLicence(name="王小明", licence_number="310104199001011234")


def test_by_default_nothing_of_a_licence_is_told() -> None:
    assert told(CAR, ()) == ()
    assert told(DRIVER, ()) == ()


def test_what_the_operator_named_is_told_and_nothing_else() -> None:
    assert told(CAR, ("engine_number", "plate_number", "seats")) == (("plate_number", "沪A2K481"), ("engine_number", "A6320174"))
    assert told(CAR, ("vin",)) == (), "the VIN travels on its own"
    assert told(CAR, ("签注",)) == (), "what has no documented name is never told"
    assert told(DRIVER, ("plate_number",)) == ()


def test_everything_but_the_vehicle_itself_is_personal() -> None:
    assert [name for name in values(CAR) if not is_personal(CAR, name)] == ["plate_number", "model", "vin", "engine_number"]
    assert all(is_personal(DRIVER, name) for name in FIELDS)
    assert set(IMPERSONAL) <= {each.name for each in fields(VehicleLicence)}


def test_every_documented_field_of_both_licences_has_a_place() -> None:
    assert {"plate_number", "vehicle_type", "owner", "address", "use", "model", "vin", "engine_number", "registered", "issued"} <= set(
        FIELDS
    )
    assert {
        "licence_number",
        "name",
        "sex",
        "nationality",
        "birth_date",
        "first_issued",
        "classes",
        "valid_from",
        "valid_until",
        "seal",
    } <= set(FIELDS)


def test_the_first_text_under_a_name_counts_and_blank_ones_do_not() -> None:
    read = [("a", " ", 0.1), ("a", "1", 0.9), ("a", "2", 0.8), ("b", "x", None), ("c", "", None)]
    assert vehicle_licence(read, {"a": "vin"}) == VehicleLicence(vin="1", confidence=(("vin", 0.9),), other=(("b", "x"),))


def test_a_reading_keeps_its_fields_on_the_disk() -> None:
    reading = replace(READINGS[0], fields=(("plate_number", "沪A2K481"),))
    assert reading_from_json(json.loads(json.dumps(reading_to_json(reading)))) == reading


def test_a_reading_of_an_older_version_has_no_fields() -> None:
    data = reading_to_json(READINGS[0])
    del data["fields"]
    assert reading_from_json(data) == READINGS[0]


def test_an_event_carries_the_fields_of_its_readings_and_follows_its_schema() -> None:
    readings = (replace(READINGS[0], fields=(("model", "old"),)), replace(READINGS[1], fields=(("model", "BMW"), ("plate_number", "沪A"))))
    event = final(CAPTURE, ACCEPTED, readings, facts=FACTS, now=NOW)
    assert event.payload["data"]["document"] == {"model": "old", "plate_number": "沪A"}
    valid(event.topic, delivered(event.payload, 1, replay=False, attempt=1, queued_ms=1))
    assert "document" not in final(CAPTURE, ACCEPTED, READINGS, facts=FACTS, now=NOW).payload["data"]


def test_however_much_is_named_an_event_stays_within_its_size() -> None:
    everything = tuple((name, "车" * 500) for name in FIELDS)
    event = final(CAPTURE, ACCEPTED, (replace(READINGS[0], fields=everything),), facts=FACTS, now=NOW)
    assert len(encode(delivered(event.payload, 10**9, replay=True, attempt=9, queued_ms=10**9))) <= MOST_BYTES


@pytest.mark.parametrize("licence", [CAR, DRIVER])
def test_a_person_sees_every_field_and_which_are_personal(licence: VehicleLicence | DrivingLicence) -> None:
    rows = page.as_rows(Path("car.jpg"), licence)
    for name, text in values(licence).items():
        line = next(row for row in rows.splitlines() if row.split()[0] == name)
        assert line.endswith(text)
        assert ("personal" in line) == is_personal(licence, name)
    data = json.loads(page.as_json(Path("car.jpg"), READINGS[0], licence))
    assert data["document"] == values(licence)
