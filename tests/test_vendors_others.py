"""The servers of Tencent's older services, of Baidu and of Aliyun check, bill and shape their answers as the vendors' documents say."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.vendors import SHAPES, VendorServer, clients
from tests.vendors.byhand import BLANK, IMAGE, PICTURE, SMALL, VIN, aliyun, baidu, legacy


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer({PICTURE: VIN}) as server:
        yield server


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5, trust_env=False) as http:
        yield http


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"appid": "1250000002"}, 6), ({"bucket": "elsewhere"}, 6), ({"appid": None}, -1301), ({"image": None}, -1301),
        ({"image": ""}, -1300), ({"image": f"data:image/jpeg;base64,{IMAGE}"}, -1102), ({"image": "R0lGODlh"}, -1102),
        ({"url": "http://yard.example/a.jpg"}, -1308), ({"image": "A" * 6_000_001}, 413), ({"bucket": None}, 0),
    ],
    ids=["appid", "bucket", "no appid", "no image", "empty", "data URI", "gif", "url wins", "over 6 MB", "no bucket"],
)  # fmt: skip
def test_vin_detection_answers_a_request_like_this(server: VendorServer, change: dict[str, Any], code: int) -> None:
    assert legacy(server, **change)["code"] == code


@pytest.mark.parametrize(
    ("sign", "code"),
    [
        ({"key": "wrong"}, 14), ({"bucket": "elsewhere"}, 6), ({"howlong": 7_776_001}, 5), ({"howlong": 7_776_000}, 0),
    ],
)  # fmt: skip
def test_an_older_signature_is_checked_in_every_part(server: VendorServer, sign: dict[str, Any], code: int) -> None:
    content = {"appid": server.accounts.legacy_appid, "bucket": server.accounts.legacy_bucket, "image": IMAGE}

    assert clients.legacy(server, "vin_detection", sign=clients.legacy_sign(server, **sign), json=content).json()["code"] == code


def test_an_older_signature_ends_when_it_says(server: VendorServer) -> None:
    server.set_clock(time.time() + 31)

    assert legacy(server)["code"] == 9


@pytest.mark.parametrize(("kind", "name", "text"), [("0", "识别代码", VIN), ("1", "姓名", "李四"), ("2", "号牌号码", "粤B12345")])
def test_drivinglicence_reads_a_form_and_json_alike(server: VendorServer, kind: str, name: str, text: str) -> None:
    accounts = server.accounts
    form = {
        "appid": (None, accounts.legacy_appid),
        "bucket": (None, accounts.legacy_bucket),
        "type": (None, kind),
        "image": ("a.jpg", PICTURE),
    }

    for answer in (clients.legacy(server, "drivinglicence", form=form).json(), legacy(server, "drivinglicence", type=int(kind))):
        assert {item["item"]: item["itemstring"] for item in answer["data"]["items"]}[name] == text
    assert legacy(server, "drivinglicence", type=3)["code"] == -9001
    server.shape("tencent-legacy", "old page")
    assert legacy(server, "drivinglicence", type=0)["code"] == -1301
    assert clients.legacy(server, "drivinglicence", form=form).json()["code"] == (-9001 if kind == "2" else 0)


@pytest.mark.parametrize("shape", SHAPES["tencent-legacy"])
def test_every_shape_of_the_older_services_differs_from_the_ordinary_one(server: VendorServer, shape: str) -> None:
    def answers() -> list[str]:
        images = (IMAGE, clients.encoded(BLANK))
        calls = [legacy(server, image=image) for image in images] + [legacy(server, bucket="elsewhere")]
        calls += [legacy(server, "drivinglicence", type=kind, image=image) for kind in (0, 2) for image in images]
        refused = clients.legacy(server, "vin_detection", json={})
        return [re.sub(r'("session_id": )"\d[^"]*"', r"\1", json.dumps(call)) for call in (*calls, refused.status_code)]

    ordinary = answers()
    server.shape("tencent-legacy", shape)

    assert answers() != ordinary


def test_baidu_serves_a_form_with_a_token(server: VendorServer, http: httpx.Client) -> None:
    assert baidu(server, http, {"image": IMAGE})["words_result"][0]["words"] == VIN
    assert baidu(server, http, {"image": clients.encoded(BLANK)})["words_result_num"] == 0
    assert server.calls["baidu"].billed == 2


@pytest.mark.parametrize(
    ("form", "token", "code"),
    [
        ({"image": IMAGE}, "24.unknown", 110), ({}, "", 216101), ({"image": ""}, "", 216200), ({"image": "!"}, "", 216201),
        ({"image": clients.encoded(SMALL)}, "", 216202), ({"image": "A" * 4_000_004}, "", 216202),
    ],
    ids=["token", "no image", "empty", "no base64", "14 px", "over 4 MB"],
)  # fmt: skip
def test_baidu_refuses(server: VendorServer, http: httpx.Client, form: dict[str, str], token: str, code: int) -> None:
    assert baidu(server, http, form, token)["error_code"] == code


def test_baidus_token_ends_after_thirty_days(server: VendorServer, http: httpx.Client) -> None:
    baidu(server, http, {"image": IMAGE})
    server.set_clock(time.time() + 31 * 86_400)

    assert baidu(server, http, {"image": IMAGE}, next(iter(server.world.tokens)))["error_code"] == 111


def test_aliyun_serves_a_signed_picture_once(server: VendorServer, http: httpx.Client) -> None:
    answer = aliyun(server, http, PICTURE, "n1")

    assert json.loads(answer.json()["Data"])["data"] == {"vinCode": VIN}
    assert aliyun(server, http, PICTURE, "n1").json()["Code"] == "SignatureNonceUsed"
    assert aliyun(server, http, PICTURE, key="wrong").json()["Code"] == "SignatureDoesNotMatch"
    assert aliyun(server, http, PICTURE, ahead_s=-901).json()["Code"] == "InvalidTimeStamp.Expired"
    assert aliyun(server, http, SMALL).status_code == 400
    assert aliyun(server, http, b"no picture").status_code == 415
    assert server.calls["aliyun"].billed == 1
