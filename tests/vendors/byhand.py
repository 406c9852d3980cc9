"""Calls of those vendors whose clients come as no package, made by hand; their signatures are the servers' own sums, held to vectors."""

import base64
import time
from typing import Any

import cv2
import httpx
import numpy as np

from tests.vendors import clients, signatures
from tests.vendors.server import VendorServer
from tests.vendors.wire import Call, digest

VIN = "LSVAA4182E2184847"
PICTURE = cv2.imencode(".jpg", np.full((120, 200, 3), 90, np.uint8))[1].tobytes()
BLANK = cv2.imencode(".png", np.zeros((40, 40), np.uint8))[1].tobytes()
SMALL = cv2.imencode(".jpg", np.zeros((14, 90), np.uint8))[1].tobytes()
IMAGE = base64.b64encode(PICTURE).decode()


def legacy(server: VendorServer, operation: str = "vin_detection", **more: Any) -> dict[str, Any]:
    """The answer to JSON with the right owner and picture, but for what is given; None leaves a parameter out."""
    content = {"appid": server.accounts.legacy_appid, "bucket": server.accounts.legacy_bucket, "image": IMAGE, **more}
    answer: dict[str, Any] = clients.legacy(
        server, operation, json={key: value for key, value in content.items() if value is not None}
    ).json()
    return answer


def tencent(server: VendorServer, http: httpx.Client, *, scope: str = "", signed: str = "content-type;host", **sent: str) -> str:
    """The code, or the VIN, for a VinOCR signed at the server's time with this date/service; `sent` replaces headers after signing."""
    now = int(server.world.now())
    scope = scope or f"{signatures.utc_date(now)}/ocr"
    credential = f"{server.accounts.tencent_id}/{scope}/tc3_request"
    headers = {
        "content-type": "application/json", "host": server.host, "x-tc-action": "VinOCR", "x-tc-version": "2018-11-19",
        "x-tc-timestamp": str(now),
    }  # fmt: skip
    body = f'{{"ImageBase64":"{IMAGE}"}}'.encode()
    signature = signatures.tc3(Call("tencent", "POST", "/", (), headers, body), server.accounts.tencent_key, credential, signed)
    headers["authorization"] = f"TC3-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}"
    headers |= {name.replace("_", "-"): text for name, text in sent.items() if name != "body"}
    answer = http.post(server.url("tencent"), headers=headers, content=sent.get("body", body)).json()["Response"]
    return str(answer["Error"]["Code"] if "Error" in answer else answer["Vin"])


def baidu(server: VendorServer, http: httpx.Client, form: dict[str, str], token: str = "") -> dict[str, Any]:
    """The answer to a form, with a new token or the one given."""
    keys = {"grant_type": "client_credentials", "client_id": server.accounts.baidu_key, "client_secret": server.accounts.baidu_secret}
    token = token or http.post(f"{server.url('baidu-token')}/oauth/2.0/token", params=keys).json()["access_token"]
    answer: dict[str, Any] = http.post(f"{server.url('baidu')}/rest/2.0/ocr/v1/vin_code", params={"access_token": token}, data=form).json()
    return answer


def aliyun(server: VendorServer, http: httpx.Client, body: bytes, nonce: str = "", key: str = "", ahead_s: float = 0) -> httpx.Response:
    """A signed picture, by a clock that is so many seconds ahead."""
    headers = {
        "host": server.host, "x-acs-action": "RecognizeCarVinCode", "x-acs-version": "2021-07-07", "x-acs-content-sha256": digest(body),
        "x-acs-signature-nonce": nonce or str(time.monotonic_ns()), "content-type": "application/octet-stream",
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + ahead_s)),
    }  # fmt: skip
    signed = ";".join(sorted(headers))
    signature = signatures.acs3(Call("aliyun", "POST", "/", (), headers, body), key or server.accounts.aliyun_key, signed)
    word = f"ACS3-HMAC-SHA256 Credential={server.accounts.aliyun_id},SignedHeaders={signed},Signature={signature}"
    return http.post(server.url("aliyun"), headers={**headers, "authorization": word}, content=body)


def huawei(server: VendorServer, http: httpx.Client, token: str = "") -> httpx.Response:
    """A call with a token, by default a new one."""
    accounts = server.accounts
    user = {"name": accounts.huawei_user, "password": accounts.huawei_password, "domain": {"name": accounts.huawei_account}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": {"name": accounts.huawei_project}}}
    if not token:
        token = http.post(f"{server.url('huawei-iam')}/v3/auth/tokens", json={"auth": auth}).headers["x-subject-token"]
    path = f"/v2/{accounts.huawei_project_id}/ocr/vin"
    return http.post(server.url("huawei") + path, headers={"X-Auth-Token": token}, json={"image": IMAGE})
