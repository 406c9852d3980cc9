"""Our signatures are the vendors' own: the published vectors, and a thousand random requests against each of their SDKs."""

import hashlib
import string
import time
from types import SimpleNamespace
from typing import Any

import pytest
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qcloud_image.auth import Auth
from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile

from agent.ocr import sign

# The signers of the SDKs ask for the time in a way Python 3.12 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc")

# Some examples repeat; well over a thousand do not.
a_thousand = settings(max_examples=1400, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)

L1 = ("200001", "AKIDUfLUEUigQiXqm7CVSspKJnuaiIKtxqAv", "bLcPnl88WU30VY57ipRhSePfPdOfSruK")
L4 = ("1252821871", "AKIDgaoOYh2kOmJfWVdH4lpfxScG2zPLPGoK", "nwOKDouy5JctNOlnere4gkVoOUz5EYAb")
LEGACY = {
    "L1": ("a={}&b=newbucket&k={}&e=1437995704&t=1437995644&r=2081660421&f=", L1,
           "wHgvVkXpcZ3d+G0rOkAJml3R5NdhPTIwMDAwMSZiPW5ld2J1Y2tldCZrPUFLSURVZkxVRVVpZ1FpWHFtN0NWU3NwS0pudWFpSUt0eHFBdiZlPTE0Mzc5OTU3MDQmdD0xNDM3OTk1NjQ0JnI9MjA4MTY2MDQyMSZmPQ=="),
    "L2": ("a={}&b=newbucket&k={}&e=0&t=1437995644&r=2081660421&f=/200001/newbucket/tencent_test.jpg", L1,
           "rUbXBVKcp4tdZKkm5wz6//DqLIdhPTIwMDAwMSZiPW5ld2J1Y2tldCZrPUFLSURVZkxVRVVpZ1FpWHFtN0NWU3NwS0pudWFpSUt0eHFBdiZlPTAmdD0xNDM3OTk1NjQ0JnI9MjA4MTY2MDQyMSZmPS8yMDAwMDEvbmV3YnVja2V0L3RlbmNlbnRfdGVzdC5qcGc="),
    "L3": ("a={}&k={}&e=1437995704&t=1437995644&r=2081660421&f=&b=newbucket", L1,
           "vxzLR6vzMNhBMUVzMTWKUB+LMeVhPTIwMDAwMSZrPUFLSURVZkxVRVVpZ1FpWHFtN0NWU3NwS0pudWFpSUt0eHFBdiZlPTE0Mzc5OTU3MDQmdD0xNDM3OTk1NjQ0JnI9MjA4MTY2MDQyMSZmPSZiPW5ld2J1Y2tldA=="),
    "L4": ("a={}&b=tencentyun&k={}&e=1438669115&t=1436077115&r=11162&u=0&f=", L4,
           "p2Y5iIYyBmQNfUvPe3e1sxEN/rZhPTEyNTI4MjE4NzEmYj10ZW5jZW50eXVuJms9QUtJRGdhb09ZaDJrT21KZldWZEg0bHBmeFNjRzJ6UExQR29LJmU9MTQzODY2OTExNSZ0PTE0MzYwNzcxMTUmcj0xMTE2MiZ1PTAmZj0="),
    "L5": ("a={}&b=tencentyun&k={}&e=1438669115&t=1436077115&r=11162&f=", L4,
           "dZCagkqfpejXQ6SEwX2TzYwDCRVhPTEyNTI4MjE4NzEmYj10ZW5jZW50eXVuJms9QUtJRGdhb09ZaDJrT21KZldWZEg0bHBmeFNjRzJ6UExQR29LJmU9MTQzODY2OTExNSZ0PTE0MzYwNzcxMTUmcj0xMTE2MiZmPQ=="),
    "L6": ("a={}&b=&k={}&e=1438669115&t=1436077115&r=11162&f=", L4,
           "hCFvksLsRTwEJlwaAdrjczgHDZthPTEyNTI4MjE4NzEmYj0maz1BS0lEZ2FvT1loMmtPbUpmV1ZkSDRscGZ4U2NHMnpQTFBHb0smZT0xNDM4NjY5MTE1JnQ9MTQzNjA3NzExNSZyPTExMTYyJmY9"),
    "L7": ("a={}&b=tencentyun&k={}&t=1436077115&e=1438669115", L4,
           "/p0+ja7/T3SGHjcBsVWy9fXlj/phPTEyNTI4MjE4NzEmYj10ZW5jZW50eXVuJms9QUtJRGdhb09ZaDJrT21KZldWZEg0bHBmeFNjRzJ6UExQR29LJnQ9MTQzNjA3NzExNSZlPTE0Mzg2NjkxMTU="),
}  # fmt: skip


@pytest.mark.parametrize("name", LEGACY)
def test_a_legacy_seal_is_the_published_one(name: str) -> None:
    layout, (appid, secret_id, secret_key), expected = LEGACY[name]

    assert sign.legacy_sealed(layout.format(appid, secret_id), secret_key) == expected


@pytest.mark.parametrize(
    ("name", "bucket", "now", "expires", "rand"),
    [
        ("L1", "newbucket", 1437995644, 1437995704, 2081660421),
        ("L5", "tencentyun", 1436077115, 1438669115, 11162),
        ("L6", "", 1436077115, 1438669115, 11162),
    ],
)
def test_a_legacy_call_is_signed_in_the_layout_of_today(name: str, bucket: str, now: int, expires: int, rand: int) -> None:
    _, account, expected = LEGACY[name]

    assert sign.legacy_authorization(*account, bucket, now, expires, rand) == expected


LIST = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
CVM = {"Content-Type": "application/json; charset=utf-8", "Host": "cvm.tencentcloudapi.com"}
OCR = {"Content-Type": "application/json", "Host": "ocr.tencentcloudapi.com"}
SPACED, TIGHT = b'{"ImageBase64": "/9j/4AAQSkZJRg=="}', b'{"ImageBase64":"/9j/4AAQSkZJRg=="}'
ZONE = {**OCR, "Host": "ocr.ap-guangzhou.tencentcloudapi.com"}
EXAMPLE = ("AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE")
STARS = ("AKID" + "*" * 32, "*" * 32)
VIN = ("AKIDEXAMPLE", "SECRETEXAMPLE")
ACTION = {"X-TC-Action": "DescribeInstances"}
THEN, MINE = 1551113065, 1700000000
TC3: dict[str, tuple[tuple[str, str], str, dict[str, str], bytes, int, str]] = {
    "T1": (EXAMPLE, "cvm", CVM, LIST, THEN, "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"),
    "T2": (STARS, "cvm", CVM | ACTION, LIST, THEN, "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"),
    "T2 with T1's key": (EXAMPLE, "cvm", CVM | ACTION, LIST, THEN, "644be983de9a8a3f00db8eadaba61467c3b429e2215758ba897b738ca469fd26"),
    "T3": (VIN, "ocr", OCR, SPACED, MINE, "2a453a3558be4cad04137cb26b9adc03eb51d5d6c945a755cd370c7df92ad1a0"),
    "T4": (VIN, "ocr", ZONE, SPACED, MINE, "15d55eaf87c3fc0dc346a3f91e2ec005c986ee686beebd4eebf5f30f64184b6c"),
    "T5": (VIN, "ocr", OCR, TIGHT, MINE, "a40b8686c303f44d61e434244a1585584da0a4de332a19734151a97fb590bca2"),
    "T6": (VIN, "ocr", OCR | {"Content-Type": "application/json; charset=utf-8"}, TIGHT, MINE,
           "f26bd029db9a42c6b5f090d9943ea5523a009d0b431cea9eefbcde3605e5f6a3"),
    "T7": (VIN, "ocr", OCR | {"X-TC-Action": "VinOCR"}, TIGHT, MINE, "3697023d4764a1cc2388ad9b916fbe81cf885782425395b3f80b03f0e56c1422"),
}  # fmt: skip


@pytest.mark.parametrize("name", TC3)
def test_a_call_of_api_3_is_signed_as_published(name: str) -> None:
    keys, service, headers, body, timestamp, signature = TC3[name]

    header = sign.tc3_authorization(*keys, service, headers, body, timestamp)

    names = ";".join(sorted(map(str.lower, headers)))
    day = {THEN: "2019-02-25", MINE: "2023-11-14"}[timestamp]
    assert header == f"TC3-HMAC-SHA256 Credential={keys[0]}/{day}/{service}/tc3_request, SignedHeaders={names}, Signature={signature}"


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("T1", "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031"),
        ("T2", "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"),
        ("T3", "305f70580eeb506f45fa248a6374f0ae4f14ea4d7b1aa0ea3fe7f8d4a6efc4c3"),
    ],
)
def test_the_request_under_the_signature_is_the_published_one(name: str, digest: str) -> None:
    _, _, headers, body, _, _ = TC3[name]
    kept = {key.lower(): value.strip().lower() for key, value in headers.items()}

    _, canonical = sign._canonical("POST", "/", "", kept, body)

    assert hashlib.sha256(canonical.encode()).hexdigest() == digest


@pytest.mark.parametrize(
    ("timestamp", "day"),
    [(1699979400, "2023-11-14"), (1700006399, "2023-11-14"), (1700006400, "2023-11-15")],
    ids=["16:30 in Greenwich, past midnight in Beijing", "one second before midnight", "midnight in Greenwich"],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/Los_Angeles"])
def test_the_day_signed_is_the_one_in_greenwich_wherever_the_device_stands(
    timestamp: int, day: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert f"/{day}/ocr/" in sign.tc3_authorization(*VIN, "ocr", OCR, TIGHT, timestamp)
    finally:
        monkeypatch.undo()
        time.tzset()


AK, SK = "QTWAOYTTINDUT2QVKYUC", "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"
PROJECT = "0123456789abcdef0123456789abcdef"
GUIDE = {"Content-Type": "application/json", "Host": "service.region.example.com", "X-Sdk-Date": "20191115T033655Z"}
QUERY = (("limit", "2"), ("marker", "13551d6b-755d-4757-b956-536f674975c0"))
BEIJING = {"Host": "ocr.cn-north-4.myhuaweicloud.com", "X-Sdk-Date": "20231114T221320Z"}
FULL = BEIJING | {"Content-Type": "application/json", "X-Project-Id": PROJECT}
READ, IMAGE = f"/v2/{PROJECT}/ocr/vin", b'{"image":"/9j/4AAQSkZJRg=="}'
SDK: dict[str, tuple[str, str, dict[str, str], bytes, tuple[tuple[str, str], ...], str]] = {
    "H1": ("GET", "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs", GUIDE, b"", QUERY,
           "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"),
    "H2": ("POST", READ, FULL, IMAGE, (), "e9a7b0e102d211aee560a7daafb5ebbef8a7500fb1ac7b46fda7b1e72e82dd4c"),
    "H3": ("POST", READ, BEIJING, IMAGE, (), "ba7dff4bc3c0b91fda9ab71d17e7570296749724a5565343768b6005330541f7"),
}  # fmt: skip


@pytest.mark.parametrize("name", SDK)
def test_a_call_of_huawei_is_signed_as_published(name: str) -> None:
    method, path, headers, body, query, signature = SDK[name]

    header = sign.sdk_authorization(AK, SK, method, path, headers, body, query)

    names = ";".join(sorted(map(str.lower, headers)))
    assert header == f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders={names}, Signature={signature}"


# Random requests, each signed by us and by the vendor's own SDK.

KEYS = st.text(string.ascii_letters + string.digits, min_size=16, max_size=40)
TIMES = st.integers(1, 2**32 - 1)
WORDS = st.text(max_size=60)
HEADER = st.text(string.ascii_letters + string.digits + " -_./;=,:äé", max_size=30)
LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)


def enough(scheme: str, signatures: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f" [{scheme}: {len(signatures)} random signatures equal the SDK's]", end="")
    assert len(signatures) >= 1000


def test_api_3_signs_what_tencents_client_signs(capsys: pytest.CaptureFixture[str]) -> None:
    compared: set[str] = set()

    @a_thousand
    @given(keys=st.tuples(KEYS, KEYS), labels=st.lists(LABEL, min_size=1, max_size=4), picture=WORDS, token=WORDS, timestamp=TIMES)
    def compare(keys: tuple[str, str], labels: list[str], picture: str, token: str, timestamp: int) -> None:
        client: Any = AbstractClient(Credential(*keys, token), "ap-guangzhou", ClientProfile())
        host = ".".join([*labels, "tencentcloudapi.com"])
        client._service, client._apiVersion, client.profile.httpProfile.endpoint = labels[0], "2018-11-19", host
        theirs: Any = RequestInternal(host, "POST", "/", header={})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tencentcloud.common.abstract_client.time", SimpleNamespace(time=lambda: timestamp + 0.5))
            client._build_req_with_tc3_signature("VinOCR", {"ImageBase64": picture}, theirs)
        signed = {name: theirs.header[name] for name in ("Content-Type", "Host")}

        ours = sign.tc3_authorization(*keys, labels[0], signed, theirs.data.encode(), timestamp)

        assert ours == theirs.header["Authorization"]
        compared.add(ours)

    compare()
    enough("TC3-HMAC-SHA256", compared, capsys)


def test_huawei_is_signed_as_its_own_client_signs(capsys: pytest.CaptureFixture[str]) -> None:
    compared: set[str] = set()

    @a_thousand
    @given(
        keys=st.tuples(KEYS, KEYS),
        method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
        # Their client takes a percent sign in a path for an encoded one; no path of the agent has any.
        segments=st.lists(st.text(max_size=12).filter(lambda text: not set("/%?#") & set(text)), max_size=5),
        headers=st.dictionaries(st.from_regex(r"X-[A-Z][a-z0-9]{1,9}", fullmatch=True), HEADER, max_size=4),
        query=st.dictionaries(st.text(min_size=1, max_size=10), WORDS, max_size=4).map(lambda pairs: list(pairs.items())),
        body=st.binary(max_size=300),
        timestamp=TIMES,
    )
    def compare(
        keys: tuple[str, str],
        method: str,
        segments: list[str],
        headers: dict[str, str],
        query: list[tuple[str, str]],
        body: bytes,
        timestamp: int,
    ) -> None:
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(timestamp))
        sent = {**headers, "Host": BEIJING["Host"], "Content-Type": "application/json", "X-Sdk-Date": date}
        path = "/" + "/".join(segments)
        theirs = SdkRequest(method, "https", sent["Host"], path, path, query, dict(sent), body, None)
        Signer(SimpleNamespace(ak=keys[0], sk=keys[1])).sign(theirs)

        ours = sign.sdk_authorization(*keys, method, path, sent, body, query)

        assert ours == theirs.header_params["Authorization"]
        compared.add(ours)

    compare()
    enough("SDK-HMAC-SHA256", compared, capsys)


def test_the_legacy_service_is_signed_as_its_own_client_signs(capsys: pytest.CaptureFixture[str]) -> None:
    compared: set[str] = set()

    @a_thousand
    @given(
        account=st.tuples(st.integers(10**6, 10**10).map(str), KEYS, KEYS),
        bucket=st.text(string.ascii_lowercase + string.digits, max_size=20),
        now=TIMES,
        life=st.integers(1, 7_776_000),
        rand=st.integers(0, 999_999_999),
    )
    def compare(account: tuple[str, str, str], bucket: str, now: int, life: int, rand: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("qcloud_image.auth.time", SimpleNamespace(time=lambda: now))
            patch.setattr("qcloud_image.auth.random", SimpleNamespace(randint=lambda low, high: rand))
            theirs = Auth(*account).get_sign(bucket, life)

        ours = sign.legacy_authorization(*account, bucket, now, now + life, rand)

        assert ours == theirs.decode()
        compared.add(ours)

    compare()
    enough("legacy", compared, capsys)
