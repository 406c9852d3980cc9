"""Alibaba Cloud's RecognizeCarVinCode: the picture is the body, and Data is JSON within JSON."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from agent.errors import BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ocr.aliyun import authorization, parse
from agent.ocr.cloud import Refusal, Seen
from agent.ocr.http import Answer
from agent.settings import Secret
from tests.clouds import VIN, answer, at, fixture, image, jpeg, kind, settings, stubbed
from tests.vendors.aliyun import SHAPES
from tests.vendors.server import VendorServer

REQUEST_ID = "43A29C77-405E-4CC0-BC55-EE694AD00655"


@pytest.fixture(scope="module")
def running() -> Iterator[VendorServer]:
    with VendorServer(reader=lambda _: VIN) as running:
        running.limit("aliyun", 0)
        yield running


@pytest.fixture
def server(running: VendorServer) -> Iterator[VendorServer]:
    yield running
    running.shape("aliyun")
    running.world.reader = lambda _: VIN
    running.heal()


def test_the_vendors_published_example_is_signed_as_it_says() -> None:
    empty = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com", "x-acs-action": "RunInstances", "x-acs-content-sha256": empty,
        "x-acs-date": "2023-10-26T10:22:32Z", "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d", "x-acs-version": "2014-05-26",
    }  # fmt: skip
    query = "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
    assert authorization("YourAccessKeyId", "YourAccessKeySecret", query, headers) == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_the_picture_is_the_body_and_every_request_has_a_number_of_its_own() -> None:
    requests: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, content=fixture("aliyun", "vin"))

    with stubbed("aliyun", reply, aliyun={"security_token": Secret("sts-token")}) as provider:
        provider.read(image())
        provider.read(image())
    first, second = requests
    assert str(first.url) == "https://ocr-api.cn-hangzhou.aliyuncs.com/"
    assert first.content == jpeg()
    assert first.headers["x-acs-content-sha256"] == hashlib.sha256(jpeg()).hexdigest()
    assert first.headers["x-acs-security-token"] == "sts-token"
    assert ";x-acs-security-token;" in first.headers["Authorization"]
    assert first.headers["x-acs-signature-nonce"] != second.headers["x-acs-signature-nonce"]


@pytest.mark.parametrize(
    ("name", "text", "confidence"),
    [
        ("vin", VIN, (0.97,) * 17),
        ("vin_with_code", VIN, None),
        ("vin_object", VIN, (0.97,) * 17),
        ("vin_empty", "", None),
        ("data_empty", "", None),
    ],
)
def test_the_vin_is_found_in_every_shape_of_data(name: str, text: str, confidence: tuple[float, ...] | None) -> None:
    assert parse(answer(fixture("aliyun", name))) == Seen(text, confidence, REQUEST_ID)


def test_an_error_has_a_code_and_a_status() -> None:
    refusal = parse(answer(fixture("aliyun", "error"), 416))
    assert refusal == Refusal("illegalImageSize", "The image size must not be less than 15px or greater than 8192px.")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", fixture("aliyun", "data_broken")])
def test_an_answer_of_another_shape_is_no_reading(content: bytes) -> None:
    assert isinstance(parse(answer(content)), Refusal)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_the_service_is_understood(server: VendorServer, shape: str) -> None:
    server.shape("aliyun", shape)
    with at(server, "aliyun") as provider:
        if shape.startswith("no-vin"):
            server.world.reader = lambda _: None
            with pytest.raises(Rejected):
                provider.read(image())
        else:
            assert provider.read(image()).text == VIN


def test_a_device_in_1970_learns_the_time_and_signs_again_once(server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with at(server, "aliyun") as provider:
        monkeypatch.setattr(provider._line.clock, "_wall", lambda: 1000.0)
        before = server.calls["aliyun"].requests
        assert provider.read(image()).text == VIN
        assert server.calls["aliyun"].requests == before + 2


def test_a_number_that_was_used_is_replaced_once(server: VendorServer) -> None:
    server.fail("aliyun", "SignatureNonceUsed")
    with at(server, "aliyun") as provider:
        assert provider.read(image()).text == VIN


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"access_key_id": Secret("LTAIsomebodyelse")}, "InvalidAccessKeyId"),
        ({"access_key_secret": Secret("another-key")}, "SignatureDoesNotMatch"),
    ],
)
def test_wrong_keys_are_answered_in_one_sentence(server: VendorServer, changed: dict[str, Any], words: str) -> None:
    with at(server, "aliyun", aliyun=changed) as provider, pytest.raises(NeedsOperator, match=words) as told:
        provider.read(image())
    assert "\n" not in str(told.value)


def test_a_crowded_service_is_given_time(server: VendorServer) -> None:
    server.fail("aliyun", "Throttling.User")
    with at(server, "aliyun") as provider, pytest.raises(RetryLater, match=r"Throttling\.User"):
        provider.read(image())


def test_the_key_of_another_cloud_stops_the_start() -> None:
    with pytest.raises(BadConfig, match="access_key_id must be an AccessKey ID of Alibaba Cloud, which starts with LTAI"):
        kind("aliyun")(settings(aliyun={"access_key_id": Secret("AKIDx")}))


def test_halves_of_a_surrogate_pair_never_meet_in_what_was_read() -> None:
    """One raw in `Data`, the other escaped in it: kept as JSON they would come back as another text than was told."""
    inner = '{"data": {"vin": "\ud83d\\ude97"}}'
    said = parse(Answer(200, httpx.Headers(), json.dumps({"Data": inner}).encode(), 1))
    assert isinstance(said, Seen)
    assert said.text == "?\ude97"
