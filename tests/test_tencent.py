"""Tencent Cloud API 3.0: what is sent, what is understood, and what is mended."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.ocr.v20181119 import models, ocr_client

from agent import config
from agent.bounds import Bounds
from agent.document import VehicleLicence
from agent.errors import BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ocr.cloud import Refusal, Seen
from agent.ocr.tencent import VehicleLicenseOcr, VinOcr
from agent.settings import Secret
from tests.clouds import VIN, answer, at, fixture, image, jpeg, kind, settings, stubbed
from tests.vendors.server import VendorServer

REQUEST_ID = "5f0c2b6e-1d7a-4a39-9f21-0b7c6d5e4f33"
SEEN = {"Response": {"Vin": VIN, "RequestId": REQUEST_ID}}


@pytest.fixture(scope="module")
def server() -> Iterator[VendorServer]:
    with VendorServer(reader=lambda _: VIN) as running:
        running.limit("tencent", 0)
        yield running


def sent(**changed: Any) -> httpx.Request:
    """The request as it would leave the device."""
    requests: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=SEEN)

    with stubbed("tencent", reply, tencent=changed) as provider:
        provider.read(image())
    return requests[0]


def test_a_picture_is_sent_alone_without_prefix_or_line_breaks_and_signed_as_it_is_sent() -> None:
    request = sent()
    assert (request.method, str(request.url)) == ("POST", "https://ocr.tencentcloudapi.com/")
    body = json.loads(request.content)
    assert list(body) == ["ImageBase64"]
    assert body["ImageBase64"].startswith("/9j/")
    assert not {"\n", " ", ":"} & set(body["ImageBase64"])
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Content-Length"] == str(len(request.content))
    assert "SignedHeaders=content-type;host;x-tc-action," in request.headers["Authorization"]
    assert "X-TC-Region" not in request.headers
    assert "X-TC-Token" not in request.headers


@pytest.mark.parametrize(
    ("changed", "host", "region"),
    [
        ({}, "ocr.tencentcloudapi.com", None),
        ({"region": "ap-guangzhou"}, "ocr.ap-guangzhou.tencentcloudapi.com", "ap-guangzhou"),
        ({"site": "international"}, "ocr.intl.tencentcloudapi.com", None),
        ({"site": "international", "region": "ap-singapore"}, "ocr.intl.tencentcloudapi.com", "ap-singapore"),
        ({"url": "https://ocr.inside.example:8443/", "region": "ap-beijing"}, "ocr.inside.example:8443", "ap-beijing"),
    ],
)
def test_the_host_is_that_of_the_site_or_region_and_the_region_is_named_only_where_one_is_set(
    changed: dict[str, Any], host: str, region: str | None
) -> None:
    request = sent(**changed)
    assert request.headers["Host"] == host
    assert request.headers.get("X-TC-Region") == region


def test_temporary_keys_travel_with_their_token() -> None:
    assert sent(token=Secret("session-token")).headers["X-TC-Token"] == "session-token"


def test_temporary_keys_are_served_and_refused_without_their_token(server: VendorServer) -> None:
    has = server.accounts
    keys = {"secret_id": Secret(has.tencent_temporary_id), "secret_key": Secret(has.tencent_temporary_key)}
    with at(server, "tencent", tencent={**keys, "token": Secret(has.tencent_token)}) as provider:
        assert provider.read(image()).text == VIN
    with at(server, "tencent", tencent=keys) as provider, pytest.raises(NeedsOperator, match="TokenFailure"):
        provider.read(image())


def sdk(server: VendorServer, region: str = "") -> ocr_client.OcrClient:
    has = server.accounts
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=server.host), language="en-US")
    profile.disable_region_breaker = True
    return ocr_client.OcrClient(credential.Credential(has.tencent_id, has.tencent_key), region, profile)


@pytest.mark.parametrize(("name", "action"), [("tencent", "VinOCR"), ("tencent-vehicle-licence", "VehicleLicenseOCR")])
def test_the_vendors_own_client_sends_an_equivalent_request(server: VendorServer, name: str, action: str) -> None:
    picture = jpeg(seed=7)
    with at(server, name, tencent={"region": "ap-guangzhou"}) as provider:
        ours_read = provider.read(image(picture))
    ours = server.last["tencent"]
    body = json.loads(ours.body)
    request = getattr(models, f"{action}Request")()
    request._deserialize(body)
    theirs_read = getattr(sdk(server, "ap-guangzhou"), action)(request)
    theirs = server.last["tencent"]
    assert theirs is not ours
    assert json.loads(theirs.body) == body
    assert (ours.method, ours.path, ours.query) == (theirs.method, theirs.path, theirs.query)
    same = ("host", "content-type", "x-tc-action", "x-tc-version", "x-tc-region", "x-tc-language")
    assert {each: ours.header(each) for each in same} == {each: theirs.header(each) for each in same}
    assert ours_read.text == VIN
    assert VIN in theirs_read.to_json_string()


def test_their_response_model_reads_what_we_read() -> None:
    content = fixture("tencent", "vin")
    model = models.VinOCRResponse()
    model._deserialize(json.loads(content)["Response"])
    ours = VinOcr(settings()).parse(answer(content))
    assert isinstance(ours, Seen)
    assert (ours.text, ours.request_id) == (model.Vin, model.RequestId)


def test_their_licence_model_reads_what_we_read() -> None:
    content = fixture("tencent", "licence")
    model = models.VehicleLicenseOCRResponse()
    model._deserialize(json.loads(content)["Response"])
    licence = licence_of("licence")
    front, back = model.FrontInfo, model.BackInfo
    assert (licence.vin, licence.plate_number, licence.owner) == (front.Vin, front.PlateNo, front.Owner)
    assert (licence.engine_number, licence.registered, licence.seal) == (front.EngineNo, front.RegisterDate, front.Seal)
    assert (licence.file_number, licence.seats, licence.fuel, licence.page_code) == (
        back.FileNo,
        back.AllowNum,
        back.FuelType,
        back.SubPageCode,
    )
    assert licence.traction_mass is None
    assert licence.kind == model.VehicleLicenseType
    assert licence.other == ()


def licence_of(name: str) -> VehicleLicence:
    seen = VehicleLicenseOcr(settings()).parse(answer(fixture("tencent", name)))
    assert isinstance(seen, Seen)
    assert isinstance(seen.document, VehicleLicence)
    assert seen.text == (seen.document.vin or "")
    return seen.document


@pytest.mark.parametrize("name", ["licence_nulls", "licence_nothing"])
def test_a_licence_may_be_null_in_any_part(name: str) -> None:
    assert licence_of(name) == VehicleLicence()


@pytest.mark.parametrize("name", ["vin_null", "vin_empty", "vin_blank", "vin_missing"])
def test_a_success_without_a_vin_rejects_the_picture_for_this_reader(name: str) -> None:
    reply = httpx.Response(200, content=fixture("tencent", name), headers={"content-type": "application/json"})
    with stubbed("tencent", lambda _: reply) as provider, pytest.raises(Rejected, match="without a VIN") as refused:
        provider.read(image())
    assert refused.value.tries == 1


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 200), (b"[]", 200), (b'{"Vin": "x"}', 200), (b'{"Response": "x"}', 200), (b'{"Response": {"Vin": "x"}}', 500), (b"\xff", 502)],
)
def test_an_answer_of_another_shape_is_no_reading(content: bytes, status: int) -> None:
    assert isinstance(VinOcr(settings()).parse(answer(content, status)), Refusal)


def test_an_error_is_found_whatever_the_content_type_and_status_say() -> None:
    refusal = VinOcr(settings()).parse(answer(fixture("tencent", "error"), headers={"content-type": "application/json; charset=utf-8"}))
    assert refusal == Refusal("AuthFailure.SignatureExpire", "The timestamp is more than five minutes from ours.")


def test_a_device_that_is_a_week_behind_learns_the_time_and_signs_again_once(server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with at(server, "tencent") as provider:
        wall = provider._line.clock._wall
        monkeypatch.setattr(provider._line.clock, "_wall", lambda: wall() - 7 * 86_400)
        before = server.calls["tencent"].requests
        assert provider.read(image()).text == VIN
        assert server.calls["tencent"].requests == before + 2
        assert provider.read(image(jpeg(seed=3))).text == VIN
        assert server.calls["tencent"].requests == before + 3, "what was learnt is kept"


def test_a_clock_that_is_refused_twice_is_not_argued_with(server: VendorServer) -> None:
    server.fail("tencent", "AuthFailure.SignatureExpire", times=2)
    before = server.calls["tencent"].requests
    with at(server, "tencent") as provider, pytest.raises(RetryLater, match="NTP"):
        provider.read(image())
    assert server.calls["tencent"].requests == before + 2


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"secret_key": Secret("another-key")}, "SignatureFailure"),
        ({"secret_id": Secret("AKIDsomebodyelse")}, "SecretIdNotFound"),
        ({"region": "cn-north-4"}, "UnsupportedRegion"),
    ],
)
def test_a_mistake_of_the_operator_is_answered_in_one_sentence(server: VendorServer, changed: dict[str, Any], words: str) -> None:
    with at(server, "tencent", tencent=changed) as provider, pytest.raises(NeedsOperator, match=words) as told:
        provider.read(image())
    assert "\n" not in str(told.value)
    assert server.accounts.tencent_key not in str(told.value)


@pytest.mark.parametrize("code", ["ResourceUnavailable.ResourcePackageRunOut", "ResourceUnavailable.InArrears"])
def test_an_empty_purse_is_told_as_such(server: VendorServer, code: str) -> None:
    server.fail("tencent", code)
    with at(server, "tencent") as provider, pytest.raises(NeedsOperator, match=code):
        provider.read(image())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"secret_id": Secret("")}, "secret_id must be a SecretId of Tencent Cloud, which starts with AKID"),
        ({"secret_id": Secret("LTAI123")}, "secret_id must be a SecretId of Tencent Cloud"),
        ({"secret_id": Secret("AKID1\n")}, "secret_id must be"),
        ({"secret_key": Secret("")}, "secret_key must be the SecretKey"),
        ({"secret_key": Secret("a b")}, "secret_key must be a key without blanks"),
    ],
)
def test_keys_of_the_wrong_shape_stop_the_start(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig, match=words) as told:
        kind("tencent")(settings(tencent=changed))
    assert "VIN_AGENT_PROVIDER_TENCENT_SECRET" in str(told.value)


def test_the_licence_reader_uses_the_account_beside_it_unless_it_has_its_own() -> None:
    own = settings(tencent={"region": "ap-beijing"}, tencent_vehicle_licence={"region": "ap-shanghai"})
    assert VehicleLicenseOcr(own).url == "https://ocr.ap-shanghai.tencentcloudapi.com"
    assert VehicleLicenseOcr(settings(tencent={"region": "ap-beijing"})).url == "https://ocr.ap-beijing.tencentcloudapi.com"
    assert VehicleLicenseOcr(own).secrets == VinOcr(own).secrets


def test_the_ceiling_is_a_setting_and_no_body_reaches_what_a_request_may_have() -> None:
    assert kind("tencent").bounds == Bounds(max_bytes=7_000_000)
    small = kind("tencent")(settings(tencent={"max_base64": 40_000}))
    assert small.bounds.raw_bytes == 30_000
    largest = config.Tencent(max_base64=9_900_000).max_base64 // 4 * 3
    assert len(VinOcr(settings()).body(bytes(largest)).content) < 10_000_000


def test_only_the_fields_the_operator_named_go_into_a_reading(server: VendorServer) -> None:
    with at(server, "tencent-vehicle-licence", tencent_vehicle_licence={"fields": ("plate_number", "vin")}) as provider:
        assert provider.read(image()).fields == (("plate_number", "粤B12345"),)
    with at(server, "tencent-vehicle-licence") as provider:
        assert provider.read(image()).fields == ()
