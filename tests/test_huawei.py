"""Huawei Cloud OCR: both ways to prove whose call it is, what is sent, and what is understood."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.utils.http_utils import sanitize_for_serialization
from huaweicloudsdkocr.v1 import (
    OcrClient,
    RecognizeVehicleLicenseRequest,
    RecognizeVinRequest,
    VehicleLicenseRequestBody,
    VinRequestBody,
    VINResult,
)

from agent.document import VehicleLicence
from agent.errors import BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ocr.cloud import Refusal, Seen
from agent.ocr.huawei import VehicleLicense, Vin
from agent.ocr.huawei_token import Token, login, parse
from agent.settings import Secret
from tests.clouds import VIN, answer, at, fixture, image, jpeg, kind, settings, stubbed
from tests.vendors.huawei import SHAPES
from tests.vendors.server import VendorServer

PROJECT = "0123456789abcdef0123456789abcdef"
BY_TOKEN = {"auth": "token"}


@pytest.fixture(scope="module")
def running() -> Iterator[VendorServer]:
    with VendorServer(reader=lambda _: VIN) as running:
        running.limit("huawei", 0)
        yield running


@pytest.fixture
def server(running: VendorServer) -> Iterator[VendorServer]:
    yield running
    running.shape("huawei")
    running.shape("huawei-iam")
    running.world.reader = lambda _: VIN
    running.heal()
    for who in ("user gate", "ak GATE0000000000000001"):
        running.world.succeeded(who)


def sent(**changed: Any) -> httpx.Request:
    requests: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, content=fixture("huawei", "vin"))

    with stubbed("huawei", reply, huawei=changed) as provider:
        provider.read(image())
    return requests[0]


def test_a_picture_is_sent_alone_and_signed_with_its_project() -> None:
    request = sent(enterprise_project_id="e-1")
    assert str(request.url) == f"https://ocr.cn-north-4.myhuaweicloud.com/v2/{PROJECT}/ocr/vin"
    body = json.loads(request.content)
    assert list(body) == ["image"]
    assert body["image"].startswith("/9j/")
    assert "SignedHeaders=content-type;host;x-project-id;x-sdk-date," in request.headers["Authorization"]
    assert request.headers["X-Project-Id"] == PROJECT
    assert request.headers["Enterprise-Project-Id"] == "e-1"
    assert "X-Auth-Token" not in request.headers


def test_temporary_keys_are_signed_with_their_token() -> None:
    request = sent(security_token=Secret("temporary-token"))
    assert request.headers["X-Security-Token"] == "temporary-token"
    assert ";x-security-token," in request.headers["Authorization"]


def sdk(server: VendorServer) -> OcrClient:
    has = server.accounts
    keys = BasicCredentials(has.huawei_access_key, has.huawei_secret_key, has.huawei_project_id)
    config = HttpConfig.get_default_config()
    config.ignore_ssl_verification = True
    return OcrClient.new_builder().with_http_config(config).with_credentials(keys).with_endpoint(server.url()).build()


def test_the_vendors_own_client_sends_an_equivalent_request(server: VendorServer) -> None:
    with at(server, "huawei") as provider:
        assert provider.read(image()).text == VIN
    ours = server.last["huawei"]
    picture = json.loads(ours.body)["image"]
    theirs_read = sdk(server).recognize_vin(RecognizeVinRequest(body=VinRequestBody(image=picture)))
    theirs = server.last["huawei"]
    assert theirs is not ours
    assert (ours.method, ours.path, ours.query, ours.picture) == (theirs.method, theirs.path, theirs.query, theirs.picture)
    assert json.loads(theirs.body) == json.loads(ours.body)
    assert ours.header("x-project-id") == theirs.header("x-project-id") == PROJECT
    signed = set(ours.header("authorization").split("SignedHeaders=")[1].split(",")[0].split(";"))
    assert signed <= set(theirs.header("authorization").split("SignedHeaders=")[1].split(",")[0].split(";"))
    assert theirs_read.result.vin == VIN


def test_their_licence_client_sends_an_equivalent_request(server: VendorServer) -> None:
    with at(server, "huawei-vehicle-licence") as provider:
        _, ours_read = provider.read_document(image())
    ours = server.last["huawei"]
    body = VehicleLicenseRequestBody(image=json.loads(ours.body)["image"], side="front")
    theirs_read = sdk(server).recognize_vehicle_license(RecognizeVehicleLicenseRequest(body=body)).result
    theirs = server.last["huawei"]
    assert (ours.path, json.loads(ours.body)) == (theirs.path, json.loads(theirs.body))
    assert isinstance(ours_read, VehicleLicence)
    assert (ours_read.vin, ours_read.owner, ours_read.engine_number) == (theirs_read.vin, theirs_read.name, theirs_read.engine_no)


def test_their_result_model_reads_what_we_read() -> None:
    result = json.loads(fixture("huawei", "vin"))["result"]
    model = VINResult(**result)
    assert sanitize_for_serialization(model.vin) == seen("vin").text


def seen(name: str) -> Seen:
    found = Vin(settings()).parse(answer(fixture("huawei", name), headers={"X-Request-Id": "r-1"}))
    assert isinstance(found, Seen), found
    return found


def test_a_reading_names_the_vendors_number_of_the_call() -> None:
    assert (seen("vin").text, seen("vin").confidence, seen("vin").request_id) == (VIN, None, "r-1")


@pytest.mark.parametrize("name", ["vin_null", "vin_empty", "vin_blank", "vin_missing", "no_result"])
def test_a_success_without_a_vin_is_billed_and_rejects_the_picture(name: str) -> None:
    reply = httpx.Response(200, content=fixture("huawei", name))
    with stubbed("huawei", lambda _: reply) as provider, pytest.raises(Rejected) as refused:
        provider.read(image())
    assert refused.value.charged is True


@pytest.mark.parametrize("name", ["error", "error_camel", "error_plain", "error_nested"])
def test_an_error_is_understood_by_any_of_its_names(name: str) -> None:
    refusal = Vin(settings()).parse(answer(fixture("huawei", name), 400))
    assert refusal == Refusal("AIS.0103", "The image size does not meet the requirements.")


def test_a_code_that_is_only_a_status_leaves_the_decision_to_the_status() -> None:
    assert parse(answer(fixture("huawei", "keystone"), 401)) == Refusal("", "The username or password is wrong.")


@pytest.mark.parametrize(("content", "status"), [(b"", 200), (b"no json", 200), (b'{"result"', 200), (b"[1]", 500), (b"", 503)])
def test_an_answer_of_another_shape_is_no_reading(content: bytes, status: int) -> None:
    assert isinstance(Vin(settings()).parse(answer(content, status)), Refusal)


def test_an_expired_signature_tells_the_vendors_time() -> None:
    refusal = Vin(settings()).parse(answer(fixture("huawei", "expired"), 401))
    assert isinstance(refusal, Refusal)
    assert refusal.date == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_the_service_is_understood(server: VendorServer, shape: str) -> None:
    server.shape("huawei", shape)
    if shape.startswith("no-vin"):
        server.world.reader = lambda _: None
        with at(server, "huawei") as provider, pytest.raises(Rejected):
            provider.read(image())
        return
    with at(server, "huawei") as provider:
        assert provider.read(image()).text == VIN
        server.fail("huawei", "AIS.0103")
        # A text without its code leaves only the status to go by, and 400 says nothing.
        with pytest.raises(RetryLater if shape == "text errors" else Rejected):
            provider.read(image())


def test_a_licence_of_two_pages_is_one_record() -> None:
    found = VehicleLicense(settings()).parse(answer(fixture("huawei", "licence_both")))
    assert isinstance(found, Seen)
    assert found.text == VIN
    assert found.document == VehicleLicence(
        plate_number="沪A2K481", owner="王小明", vin=VIN, engine_number="A6320174", file_number="310000771234", seats="5人", fuel="汽油",
        colour="蓝", scrapped_by="2099-12-31", status="正常, 抵押", kind="electronic",
    )  # fmt: skip


def test_a_token_is_bought_once_for_many_pictures(server: VendorServer) -> None:
    before = server.calls["huawei-iam"].requests
    with at(server, "huawei", huawei=BY_TOKEN) as provider:
        for seed in range(3):
            assert provider.read(image(jpeg(seed=seed))).text == VIN
    assert server.calls["huawei-iam"].requests == before + 1
    call = server.last["huawei"]
    assert call.header("x-auth-token")
    assert not call.header("authorization")
    assert server.last["huawei-iam"].query == [("nocatalog", "true")]


def test_a_token_with_less_than_an_hour_to_live_is_renewed_before_it_is_used(server: VendorServer) -> None:
    with at(server, "huawei", huawei=BY_TOKEN) as provider:
        server.world.token_seconds = 3590
        provider.read(image())
        server.world.token_seconds = 86_400
        before = server.calls["huawei-iam"].requests
        provider.read(image())
        assert server.calls["huawei-iam"].requests == before + 1
        provider.read(image())
        assert server.calls["huawei-iam"].requests == before + 1


def test_a_token_that_died_early_is_bought_anew_once(server: VendorServer) -> None:
    with at(server, "huawei", huawei=BY_TOKEN) as provider:
        provider.read(image())
        server.expire_tokens()
        logins, calls = server.calls["huawei-iam"].requests, server.calls["huawei"].requests
        assert provider.read(image()).text == VIN
        assert server.calls["huawei-iam"].requests == logins + 1
        assert server.calls["huawei"].requests == calls + 2


def test_a_fresh_token_that_is_refused_as_well_asks_for_a_person(server: VendorServer) -> None:
    with at(server, "huawei", huawei=BY_TOKEN) as provider:
        server.fail("huawei", "APIG.0307", times=None)
        logins = server.calls["huawei-iam"].requests
        with pytest.raises(NeedsOperator, match="region"):
            provider.read(image())
        assert server.calls["huawei-iam"].requests == logins + 2


def test_a_wrong_password_is_tried_once_and_no_more(server: VendorServer) -> None:
    before = server.calls["huawei-iam"].requests
    with at(server, "huawei", huawei={**BY_TOKEN, "password": Secret("wrong-password")}) as provider:
        with pytest.raises(NeedsOperator, match="password") as told:
            provider.read(image())
        assert "wrong-password" not in str(told.value)
    assert server.calls["huawei-iam"].requests == before + 1


def test_a_refused_login_in_the_other_style_is_understood(server: VendorServer) -> None:
    server.shape("huawei-iam", "keystone")
    with at(server, "huawei", huawei={**BY_TOKEN, "user": "nobody"}) as provider, pytest.raises(NeedsOperator):
        provider.read(image())


def test_the_login_asks_for_the_project_and_its_end_is_read_in_utc() -> None:
    said = json.loads(login("yard", "gate", "p", PROJECT).content)
    assert said["auth"]["scope"] == {"project": {"id": PROJECT}}
    assert said["auth"]["identity"]["password"]["user"] == {"name": "gate", "password": "p", "domain": {"name": "yard"}}
    token = parse(answer(fixture("huawei", "token"), 201, {"X-Subject-Token": "MII"}))
    assert token == Token("MII", 1_700_086_400.123456)


@pytest.mark.parametrize("headers", [{}, {"X-Subject-Token": ""}])
def test_a_login_without_a_token_is_no_login(headers: dict[str, str]) -> None:
    assert isinstance(parse(answer(fixture("huawei", "token"), 201, headers)), Refusal)


def test_a_device_that_is_a_week_behind_learns_the_time_and_signs_again_once(server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with at(server, "huawei") as provider:
        monkeypatch.setattr(provider._line.clock, "_wall", lambda: 1000.0)
        before = server.calls["huawei"].requests
        assert provider.read(image()).text == VIN
        assert server.calls["huawei"].requests == before + 2


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"access_key": Secret("SOMEBODYELSE")}, "APIG.0301.*access key or secret key is wrong"),
        ({"secret_key": Secret("another-key")}, "APIG.0301.*access key or secret key is wrong"),
        ({"project_id": "f" * 32}, "APIG.0101.*project_id"),
        ({**BY_TOKEN, "project_id": "e" * 32}, "IAM.1109.*project"),
        ({**BY_TOKEN, "domain": "elsewhere"}, "IAM.0062"),
    ],
)
def test_a_mistake_of_the_operator_is_answered_in_one_sentence(server: VendorServer, changed: dict[str, Any], words: str) -> None:
    with at(server, "huawei", huawei=changed) as provider, pytest.raises(NeedsOperator, match=words) as told:
        provider.read(image())
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("code", ["APIG.0501", "APIG.0502", "ModelArts.4106", "ModelArts.4204"])
def test_an_empty_purse_or_a_service_nobody_subscribed_asks_for_a_person(server: VendorServer, code: str) -> None:
    server.fail("huawei", code)
    with at(server, "huawei") as provider, pytest.raises(NeedsOperator, match=code):
        provider.read(image())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"project_id": ""}, "project_id must be the 32 characters of the project of region cn-north-4"),
        ({"region": "cn-east-3"}, "region must be cn-north-4"),
        ({"access_key": Secret("AKIDx")}, "access_key must be a key of Huawei Cloud"),
        ({"secret_key": Secret("")}, "secret_key must be the secret key"),
        ({**BY_TOKEN, "password": Secret("")}, "password must be the IAM user's password"),
    ],
)
def test_what_cannot_be_right_stops_the_start(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        kind("huawei")(settings(huawei=changed))


def test_the_licence_reader_may_live_in_another_region_with_a_project_of_its_own() -> None:
    own = settings(huawei_vehicle_licence={"region": "cn-east-3", "project_id": "a" * 32})
    assert VehicleLicense(own).url == "https://ocr.cn-east-3.myhuaweicloud.com"
    assert VehicleLicense(own).secrets == Vin(own).secrets


def test_the_login_can_be_checked_without_a_paid_call(server: VendorServer) -> None:
    before = server.calls["huawei"].requests
    with at(server, "huawei", huawei=BY_TOKEN) as provider:
        assert "the login of gate gave a token for region cn-north-4" in provider.check()
    assert server.calls["huawei"].requests == before
