"""The vendors' own clients pointed at the servers here: judges of what these accept and of what they send."""

import base64
from collections.abc import Mapping
from typing import Any

import requests
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkiam import v3 as iam
from huaweicloudsdkocr import v1 as ocr
from qcloud_image import Client as ImageClient
from qcloud_image.auth import Auth
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.ocr.v20181119 import models
from tencentcloud.ocr.v20181119.ocr_client import OcrClient

from tests.vendors.server import VendorServer


def encoded(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def tencent(server: VendorServer, secret_id: str = "", secret_key: str = "", token: str | None = None, region: str = "") -> Any:
    """An `OcrClient` with the right keys, or those given."""
    accounts = server.accounts
    keys = Credential(secret_id or accounts.tencent_id, secret_key or accounts.tencent_key, token)
    http = HttpProfile(protocol="http", endpoint=server.host, reqTimeout=5)
    return OcrClient(keys, region, ClientProfile(httpProfile=http))


def tencent_vin(client: Any, image: str | None = None, **more: object) -> Any:
    request = models.VinOCRRequest()
    request._deserialize({"ImageBase64": image, **more})
    return client.VinOCR(request)


def tencent_licence(client: Any, image: str, side: str = "FRONT") -> Any:
    request = models.VehicleLicenseOCRRequest()
    request._deserialize({"ImageBase64": image, "CardSide": side})
    return client.VehicleLicenseOCR(request)


def huawei(server: VendorServer, access_key: str = "", secret_key: str = "", project_id: str = "") -> Any:
    """An `OcrClient` that signs with AK and SK."""
    accounts = server.accounts
    keys = BasicCredentials(access_key or accounts.huawei_access_key, secret_key or accounts.huawei_secret_key)
    keys.with_project_id(project_id or accounts.huawei_project_id)
    return _built(ocr.OcrClient, keys, server.url("huawei"))


def huawei_vin(client: Any, image: str | None = None, url: str | None = None) -> Any:
    return client.recognize_vin(ocr.RecognizeVinRequest(body=ocr.VinRequestBody(image=image, url=url)))


def huawei_licence(client: Any, image: str) -> Any:
    body = ocr.VehicleLicenseRequestBody(image=image)
    return client.recognize_vehicle_license(ocr.RecognizeVehicleLicenseRequest(body=body))


def huawei_iam(server: VendorServer) -> Any:
    accounts = server.accounts
    keys = GlobalCredentials(accounts.huawei_access_key, accounts.huawei_secret_key, "d1")
    return _built(iam.IamClient, keys, server.url("huawei-iam"))


def huawei_token(client: Any, server: VendorServer, password: str = "", scope: Any = None, catalog: bool = False) -> Any:
    """The answer to a request for a token of the right user; without a scope for the right project."""
    accounts = server.accounts
    domain = iam.PwdPasswordUserDomain(name=accounts.huawei_account)
    user = iam.PwdPasswordUser(domain=domain, name=accounts.huawei_user, password=password or accounts.huawei_password)
    identity = iam.PwdIdentity(methods=["password"], password=iam.PwdPassword(user=user))
    scope = scope or iam.AuthScope(project=iam.AuthScopeProject(name=accounts.huawei_project))
    body = iam.KeystoneCreateUserTokenByPasswordRequestBody(auth=iam.PwdAuth(identity=identity, scope=scope))
    nocatalog = None if catalog else "true"
    return client.keystone_create_user_token_by_password(iam.KeystoneCreateUserTokenByPasswordRequest(nocatalog=nocatalog, body=body))


def _built(kind: Any, keys: Any, url: str) -> Any:
    return kind.new_builder().with_http_config(HttpConfig(timeout=(3, 5))).with_credentials(keys).with_endpoint(url).build()


def legacy_sign(server: VendorServer, key: str = "", bucket: str | None = None, howlong: int = 30) -> str:
    accounts = server.accounts
    auth = Auth(accounts.legacy_appid, accounts.legacy_id, key or accounts.legacy_key)
    return str(auth.get_sign(accounts.legacy_bucket if bucket is None else bucket, howlong).decode())


def legacy(server: VendorServer, operation: str, *, sign: str = "", form: Mapping[str, Any] | None = None, json: Any = None) -> Any:
    """A call of the older services, signed by their SDK, which itself calls none of the two; `form` sends multipart parts."""
    headers = {"Authorization": sign or legacy_sign(server)}
    return requests.post(f"{server.url('tencent-legacy')}/ocr/{operation}", headers=headers, files=form, json=json, timeout=5)


def legacy_client(server: VendorServer, key: str = "") -> Any:
    """The whole client of that SDK, whose host is fixed in its class."""
    accounts = server.accounts
    client = ImageClient(accounts.legacy_appid, accounts.legacy_id, key or accounts.legacy_key, accounts.legacy_bucket)
    client._conf.build_url = lambda path: f"{server.url('tencent-legacy')}{path}"
    return client
