"""Cloud providers for tests: with every key set, against the vendor servers or a transport the test writes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from agent import config
from agent.config_http import Http
from agent.domain import Box, EncodedImage
from agent.ocr import provider_class
from agent.ocr.cloud import Cloud, Kind
from agent.ocr.http import Answer
from agent.settings import Secret
from tests import samples
from tests.vendors.server import VendorServer
from tests.vendors.world import Accounts

FIXTURES = Path(__file__).parent / "fixtures"
VIN = "LBV2B25G2E5069977"
NAMES = (
    "aliyun",
    "baidu",
    "huawei",
    "huawei-vehicle-licence",
    "tencent",
    "tencent-legacy-licence",
    "tencent-legacy-vin",
    "tencent-vehicle-licence",
)
Handler = Callable[[httpx.Request], httpx.Response]


def jpeg(width: int = 640, height: int = 160, seed: int = 1) -> bytes:
    """A picture of its own for every seed; what it shows is up to the server."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height // 8 + 1, width // 8 + 1), np.uint8)
    wide = cv2.resize(pixels, (width, height))
    return cv2.imencode(".jpg", wide)[1].tobytes()


def image(content: bytes | None = None) -> EncodedImage:
    content = jpeg() if content is None else content
    return replace(samples.IMAGE, jpeg=content, width=640, height=160, line=Box(40, 60, 560, 40))


def settings(url: str = "", **changed: dict[str, Any]) -> config.Settings:
    """Every account of the vendor servers; `changed` are keys of sections, such as `huawei={"auth": "token"}`."""
    has = Accounts()
    tencent = {"secret_id": Secret(has.tencent_id), "secret_key": Secret(has.tencent_key), "url": url}
    huawei = {
        "access_key": Secret(has.huawei_access_key), "secret_key": Secret(has.huawei_secret_key), "project_id": has.huawei_project_id,
        "domain": has.huawei_account, "user": has.huawei_user, "password": Secret(has.huawei_password), "url": url, "iam_url": url,
    }  # fmt: skip
    legacy = {"appid": has.legacy_appid, "secret_id": Secret(has.legacy_id), "secret_key": Secret(has.legacy_key), "url": url}
    sections: dict[str, Any] = {
        "tencent": config.Tencent(**{**tencent, **changed.get("tencent", {})}),
        "tencent_vehicle_licence": config.TencentVehicleLicence(**changed.get("tencent_vehicle_licence", {})),
        "huawei": config.Huawei(**{**huawei, **changed.get("huawei", {})}),
        "huawei_vehicle_licence": config.HuaweiVehicleLicence(**changed.get("huawei_vehicle_licence", {})),
        "tencent_legacy_vin": config.TencentLegacyVin(**{**legacy, **changed.get("tencent_legacy_vin", {})}),
        "tencent_legacy_licence": config.TencentLegacyLicence(**changed.get("tencent_legacy_licence", {})),
        "baidu": config.Baidu(
            **{"api_key": Secret(has.baidu_key), "secret_key": Secret(has.baidu_secret), "url": url, **changed.get("baidu", {})}
        ),
        "aliyun": config.Aliyun(
            **{"access_key_id": Secret(has.aliyun_id), "access_key_secret": Secret(has.aliyun_key), "url": url, **changed.get("aliyun", {})}
        ),
    }
    return config.Settings(provider=config.Providers(**sections))


def kind(name: str) -> Kind:
    made = provider_class(name)
    assert isinstance(made, Kind)
    return made


def at(server: VendorServer, name: str, **changed: dict[str, Any]) -> Cloud:
    """The provider as an operator would set it up, against the vendor servers."""
    return kind(name)(settings(server.url(), **changed))


def stubbed(name: str, handler: Handler, **changed: dict[str, Any]) -> Cloud:
    """The provider with its real hosts, and a transport in place of the network."""

    def connect(_: Http) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(handler), trust_env=False)

    return kind(name)(settings("", **changed), connect)


def answer(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, httpx.Headers({"content-type": "application/json", **(headers or {})}), content, 12, trusted=True)


def fixture(vendor: str, name: str) -> bytes:
    return (FIXTURES / vendor / f"{name}.json").read_bytes()
