"""Tencent's older image service: one signature for many calls, and every shape its contradicting pages show."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bounds import Bounds
from agent.document import FIELDS, DrivingLicence, VehicleLicence
from agent.errors import BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ocr.cloud import Refusal, Seen
from agent.ocr.legacy_answer import document_of, items, share, vin_of
from agent.ocr.tencent_legacy import LIFE_S, Account, VinDetection, as_form, as_json
from agent.ocr.tencent_legacy import DrivingLicence as LicenceApi
from agent.settings import Secret
from tests.clouds import VIN, answer, at, fixture, image, jpeg, kind, settings, stubbed
from tests.vendors import signatures
from tests.vendors.legacy import SHAPES
from tests.vendors.server import VendorServer
from tests.vendors.wire import multipart

READERS = ("tencent-legacy-vin", "tencent-legacy-licence")


@pytest.fixture(scope="module")
def running() -> Iterator[VendorServer]:
    with VendorServer(reader=lambda _: VIN) as running:
        yield running


@pytest.fixture
def server(running: VendorServer) -> Iterator[VendorServer]:
    yield running
    running.shape("tencent-legacy")
    running.world.reader = lambda _: VIN
    running.heal()


def seen(name: str) -> Seen:
    found = vin_of(answer(fixture("legacy", name)))
    assert isinstance(found, Seen), found
    return found


@pytest.mark.parametrize(
    ("name", "text", "confidence", "session"),
    [
        ("vin_as_table", VIN, (0.985,) * 17, "s-1"),
        ("vin_as_example", VIN, (0.97,) * 17, "s-2"),
        ("vin_top_level_items", VIN, None, "s-3"),
        ("vin_errorcode_in_data", VIN, None, None),
        ("vin_spaced", "LBV2B 25G2E-5069977*", (0.96,) * 20, None),
        ("vin_in_words", VIN, (0.91,) * 17, None),
        ("vin_two_shaped", VIN, None, None),
        ("vin_named_wins", "1M8GDM9AXKP04278", None, None),
        ("vin_none", "", None, "s-9"),
        ("empty_items", "", None, "s-10"),
        ("null_items", "", None, None),
        ("no_data", "", None, None),
    ],
)
def test_the_vin_is_found_in_every_shape_the_pages_show(
    name: str, text: str, confidence: tuple[float, ...] | None, session: str | None
) -> None:
    found = seen(name)
    assert (found.text, found.request_id) == (text, session)
    assert found.confidence == (None if confidence is None else pytest.approx(confidence))


@pytest.mark.parametrize("name", ["error_code", "error_errorcode", "error_text"])
def test_an_error_is_understood_by_either_name_as_number_or_text(name: str) -> None:
    assert vin_of(answer(fixture("legacy", name))) == Refusal("-9003", "OCR failed")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"message": "hello"}', b'{"code":', fixture("legacy", "trailing_comma")])
def test_an_answer_of_another_shape_is_no_reading(content: bytes) -> None:
    assert isinstance(items(answer(content)), Refusal)


def test_a_body_with_a_code_counts_more_than_the_status_it_came_with() -> None:
    assert vin_of(answer(fixture("legacy", "error_code"), 400)) == Refusal("-9003", "OCR failed")
    assert isinstance(vin_of(answer(fixture("legacy", "vin_as_table"), 206)), Seen)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(98.99, 0.9899), (100, 1.0), (1.0, 1.0), (0.5, 0.5), (0, 0.0), ("97.5", 0.975), (None, None), ("high", None), (-1, None), (101, None)],
)
def test_a_confidence_is_a_share_of_one_however_it_is_written(value: object, expected: float | None) -> None:
    assert share(value) == (None if expected is None else pytest.approx(expected))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["code", "errorcode", "data", "items", "item", "itemstring", "words", "character", "confidence", "itemconf"]
                ),
                inner,
            )
        ),
    )
)
def test_no_json_at_all_breaks_the_parser(said: Any) -> None:
    content = answer(json.dumps(said).encode())
    for parsed in (vin_of(content), document_of(content, 0), document_of(content, 1)):
        assert isinstance(parsed, Seen | Refusal)


def document(name: str, kind_of: int = 0) -> VehicleLicence | DrivingLicence:
    found = document_of(answer(fixture("legacy", name)), kind_of)
    assert isinstance(found, Seen)
    assert found.document is not None
    return found.document


def test_a_vehicle_licence_is_read_field_by_field() -> None:
    assert document("licence") == VehicleLicence(
        plate_number="沪A2K481", vehicle_type="小型轿车", owner="王小明", address="上海市徐汇区漕溪路10号", use="非营运",
        model="宝马牌BMW7201AL", vin=VIN, engine_number="A6320174", registered="2015-03-09", issued="2015-03-11",
        confidence=tuple((name, {"address": 0.502, "vin": 0.9721}.get(name, 0.9876)) for name in FIELDS[:10]),
    )  # fmt: skip
    found = document_of(answer(fixture("legacy", "licence")), 0)
    assert isinstance(found, Seen)
    assert (found.text, found.confidence, found.request_id) == (VIN, (0.9721,) * 17, "10000018324840")


def test_a_percentage_and_a_share_mean_the_same() -> None:
    found = document_of(answer(fixture("legacy", "licence_percent")), 0)
    assert isinstance(found, Seen)
    assert found.confidence == pytest.approx((0.9721,) * 17)


def test_a_driving_licence_has_no_vin_and_every_field_of_the_page() -> None:
    found = document_of(answer(fixture("legacy", "driving_licence")), 1)
    assert isinstance(found, Seen)
    assert found.text == ""
    licence = document("driving_licence", 1)
    assert isinstance(licence, DrivingLicence)
    assert (licence.licence_number, licence.name, licence.birth_date) == ("310104199001011234", "王小明", "1990-01-01")
    assert (licence.classes, licence.valid_until, licence.seal) == ("C1", "2028-06-01", "上海市公安局交通警察总队")
    assert licence.other == ()


def test_a_second_page_is_read_by_the_names_it_has_and_unknown_ones_are_kept() -> None:
    assert document("second_page", 2) == VehicleLicence(
        plate_number="沪A2K481", file_number="310000771234", seats="5人", other=(("签注", "无"),),
        confidence=(("plate_number", 0.9876), ("file_number", 0.9876), ("seats", 0.9876)),
    )  # fmt: skip


def sent(name: str, **changed: dict[str, Any]) -> httpx.Request:
    requests: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, content=fixture("legacy", "licence"))

    with stubbed(name, reply, **changed) as provider:
        provider.read(image())
    return requests[0]


def test_vin_detection_takes_json_with_appid_and_image_alone() -> None:
    request = sent("tencent-legacy-vin", tencent_legacy_vin={"bucket": "yard"})
    assert str(request.url) == "https://recognition.image.myqcloud.com/ocr/vin_detection"
    assert request.headers["Host"] == "recognition.image.myqcloud.com"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Content-Length"] == str(len(request.content))
    body = json.loads(request.content)
    assert list(body) == ["appid", "image"]
    assert base64.b64decode(body["image"], validate=True) == jpeg()
    assert signatures.legacy_fields(request.headers["Authorization"])["b"] == "yard"


@pytest.mark.parametrize("bucket", ["", "yard"])
@pytest.mark.parametrize("type_", [0, 2])
def test_the_licence_goes_as_a_form_with_a_bucket_only_where_one_is_set(bucket: str, type_: int) -> None:
    request = sent("tencent-legacy-licence", tencent_legacy_licence={"bucket": bucket, "type": type_})
    assert str(request.url) == "https://recognition.image.myqcloud.com/ocr/drivinglicence"
    parts = multipart(request.content, request.headers["Content-Type"])
    expected = {"appid": b"1250000001", **({"bucket": b"yard"} if bucket else {}), "type": str(type_).encode(), "image": jpeg()}
    assert parts == expected
    assert list(parts) == list(expected)
    assert signatures.legacy_fields(request.headers["Authorization"])["b"] == bucket


def test_without_a_bucket_the_licence_may_go_as_json_too() -> None:
    body = json.loads(sent("tencent-legacy-licence", tencent_legacy_licence={"form": "json"}).content)
    assert (body["appid"], body["type"]) == ("1250000001", 0)
    assert base64.b64decode(body["image"], validate=True) == jpeg()


def test_a_form_is_what_httpx_would_have_made_of_it() -> None:
    ours = as_form(jpeg(), appid="1", bucket="b", type=0)
    boundary = ours.content_type.partition("boundary=")[2]
    theirs = httpx.Request(
        "POST", "https://x", headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        data={"appid": "1", "bucket": "b", "type": "0"}, files={"image": ("vin.jpg", jpeg(), "image/jpeg")},
    )  # fmt: skip
    theirs.read()
    assert ours.content == theirs.content


@given(st.binary(min_size=1, max_size=3000))
def test_no_body_has_more_around_the_picture_than_the_bounds_say(picture: bytes) -> None:
    longest: dict[str, Any] = {"appid": "9" * 12, "bucket": "b" * 50, "type": 2}
    encoded = len(base64.b64encode(picture))
    assert len(as_json(picture, **longest).content) - encoded <= VinDetection.bounds.around
    assert len(as_form(picture, **longest).content) - len(picture) <= LicenceApi.bounds.around


def test_the_largest_picture_the_bounds_allow_makes_a_body_of_six_megabytes_at_most() -> None:
    longest: dict[str, Any] = {"appid": "9" * 12, "bucket": "b" * 50, "type": 2}
    form = kind("tencent-legacy-licence")(settings()).bounds
    assert form == Bounds(max_bytes=6_000_000, counted="multipart", around=1_000)
    assert 5_990_000 < len(as_form(bytes(form.raw_bytes), **longest).content) <= 6_000_000
    text = kind("tencent-legacy-licence")(settings(tencent_legacy_licence={"form": "json"})).bounds
    assert 5_990_000 < len(as_json(bytes(text.raw_bytes), **longest).content) <= 6_000_000


class At:
    """A line whose vendor's clock the test moves."""

    def __init__(self, now: int) -> None:
        self.time = now
        self.clock = self

    def now(self) -> int:
        return self.time


def test_one_signature_serves_until_half_its_life_is_over() -> None:
    account, line = Account(settings().provider.tencent_legacy_vin), At(1_700_000_000)
    body = as_json(b"x")

    def signature() -> str:
        return account.request("/ocr/vin_detection", body, line).headers["Authorization"]  # type: ignore[arg-type]  # only its clock is asked

    first = signature()
    said = signatures.legacy_fields(first)
    assert (int(said["t"]), int(said["e"])) == (1_700_000_000, 1_700_000_000 + LIFE_S)
    line.time += LIFE_S // 2 - 1
    assert signature() == first
    line.time += 1
    second = signature()
    assert second != first
    line.time -= 86_400
    third = signatures.legacy_fields(signature())
    assert int(third["t"]) == line.time, "a clock that was set back does not keep a signature of the future"


@pytest.mark.parametrize("shape", [each for each in SHAPES if not each.startswith("no-vin") and each != "old page"])
@pytest.mark.parametrize("name", READERS)
def test_every_shape_of_the_service_is_read(server: VendorServer, name: str, shape: str) -> None:
    server.shape("tencent-legacy", shape)
    with at(server, name) as provider:
        text = provider.read(image()).text
    assert "".join(char for char in text.upper() if char.isalnum()) == VIN


@pytest.mark.parametrize("shape", [each for each in SHAPES if each.startswith("no-vin")])
@pytest.mark.parametrize("name", READERS)
def test_every_way_to_say_that_there_is_no_vin_rejects_the_picture(server: VendorServer, name: str, shape: str) -> None:
    server.shape("tencent-legacy", shape)
    server.world.reader = lambda _: None
    with at(server, name) as provider, pytest.raises(Rejected):
        provider.read(image())


def test_the_older_page_is_served_with_a_bucket_and_multipart(server: VendorServer) -> None:
    server.shape("tencent-legacy", "old page")
    has = server.accounts
    with at(server, "tencent-legacy-licence", tencent_legacy_licence={"bucket": has.legacy_bucket}) as provider:
        assert provider.read(image()).text == VIN
    with at(server, "tencent-legacy-licence") as provider, pytest.raises(NeedsOperator, match="-1301"):
        provider.read(image())


@pytest.mark.parametrize("form", ["multipart", "json"])
@pytest.mark.parametrize(("type_", "field"), [(0, "owner"), (1, "name"), (2, "file_number")])
def test_every_type_of_document_is_read_whole_and_told_as_far_as_named(server: VendorServer, form: str, type_: int, field: str) -> None:
    changed = {"form": form, "type": type_, "fields": ("plate_number",)}
    with at(server, "tencent-legacy-licence", tencent_legacy_licence=changed) as provider:
        reading, read = provider.read_document(image())
    assert getattr(read, field)
    assert isinstance(read, DrivingLicence) == (type_ == 1)
    assert dict(reading.fields) == ({} if type_ == 1 else {"plate_number": "粤B12345"})
    assert reading.text == (VIN if type_ == 0 else "")


def test_a_device_in_1970_learns_the_time_and_signs_again_once(server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with at(server, "tencent-legacy-vin") as provider:
        monkeypatch.setattr(provider._line.clock, "_wall", lambda: 1000.0)
        before = server.calls["tencent-legacy"].requests
        assert provider.read(image()).text == VIN
        assert server.calls["tencent-legacy"].requests == before + 2


def test_a_repeated_signature_is_made_anew_once_and_then_a_person_is_asked(server: VendorServer) -> None:
    with at(server, "tencent-legacy-vin") as provider:
        server.fail("tencent-legacy", "13")
        assert provider.read(image()).text == VIN
        server.fail("tencent-legacy", "13", times=2)
        before = server.calls["tencent-legacy"].requests
        with pytest.raises(NeedsOperator, match="13"):
            provider.read(image())
        assert server.calls["tencent-legacy"].requests == before + 2


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"secret_key": Secret("another-key")}, "answered 14"),
        ({"secret_id": Secret("AKIDsomebodyelse")}, "answered 11"),
        ({"appid": "1250000009"}, "answered 10"),
        ({"bucket": "nowhere"}, "answered 16"),
    ],
)
def test_a_mistake_of_the_operator_is_answered_in_one_sentence(server: VendorServer, changed: dict[str, Any], words: str) -> None:
    for name in READERS:
        section = name.replace("-", "_")
        with at(server, name, **{section: changed}) as provider, pytest.raises(NeedsOperator, match=words) as told:
            provider.read(image())
        assert "\n" not in str(told.value)


def test_an_account_in_arrears_is_told_as_such_however_it_is_spelt() -> None:
    reply = httpx.Response(200, content=fixture("legacy", "arrears"))
    with stubbed("tencent-legacy-vin", lambda _: reply) as provider, pytest.raises(NeedsOperator, match="out of money"):
        provider.read(image())


def test_a_crowded_service_is_given_time(server: VendorServer) -> None:
    server.fail("tencent-legacy", "15")
    with at(server, "tencent-legacy-vin") as provider, pytest.raises(RetryLater):
        provider.read(image())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"appid": ""}, "appid must be the digits"),
        ({"bucket": "yard", "form": "json"}, 'form must be "multipart" where bucket is set'),
        ({"fields": ("owners",)}, "fields must be a list of fields of a licence, not 'owners'"),
    ],
)
def test_what_cannot_be_right_stops_the_start(changed: dict[str, Any], words: str) -> None:
    base = {"appid": changed.pop("appid")} if "appid" in changed else {}
    with pytest.raises(BadConfig, match=words):
        kind("tencent-legacy-licence")(settings(tencent_legacy_vin=base, tencent_legacy_licence=changed))
