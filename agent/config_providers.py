"""The sections `[provider.NAME]`: every key of each cloud reader and what it may be."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any

from agent.settings import Secret, checked, number, one_of, pattern, text

NONE = Secret("")
PROJECT = r"[0-9a-f]{32}"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(https?)://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")


def _url() -> Any:
    # Plain HTTP would show passwords and pictures to everyone on the way; on the device itself there is no way.
    words = "empty, or https://host without a path (http:// only for a server on this machine)"
    return checked("", _is_url, words)


def _is_url(value: str) -> bool:
    """Whether it can be called: a library that is given an address it cannot read raises errors of its own."""
    if not (match := _HOST.fullmatch(value)):
        return value == ""
    scheme, host, port = match.groups()
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            return False
    return (scheme == "https" or host in _LOOPBACK) and (port is None or 1 <= int(port) <= 65_535)


def _region(default: str) -> Any:
    return pattern(default, r"|[a-z]{2,3}(-[a-z0-9]+)+", "a region such as ap-guangzhou or cn-north-4, or empty")


def _project() -> Any:
    return pattern("", rf"|{PROJECT}", "32 characters from 0-9 and a-f, as the console's page of API credentials shows them")


def _appid() -> Any:
    return pattern("", r"|\d{5,12}", "the digits of the account's APPID")


def _price() -> Any:
    return number(0.0, 0, 1000)


def _per_s(default: float) -> Any:
    return number(default, 0.01, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tencent:
    secret_id: Secret = field(default=NONE)
    secret_key: Secret = field(default=NONE)
    token: Secret = field(default=NONE)  # only with temporary (STS) keys
    site: str = one_of("china", "china", "international")
    region: str = _region("")
    language: str = one_of("en-US", "en-US", "zh-CN")
    max_base64: int = number(7_000_000, 10_000, 9_900_000)
    url: str = _url()
    price: float = _price()
    per_s: float = _per_s(8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TencentVehicleLicence:
    secret_id: Secret = field(default=NONE)  # empty: that of [provider.tencent], like the two after it, region and url
    secret_key: Secret = field(default=NONE)
    token: Secret = field(default=NONE)
    region: str = _region("")
    language: str = one_of("en-US", "en-US", "zh-CN")
    side: str = one_of("FRONT", "FRONT", "BACK", "DOUBLE")
    fields: tuple[str, ...] = ()
    url: str = _url()
    price: float = _price()
    per_s: float = _per_s(8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Huawei:
    auth: str = one_of("aksk", "aksk", "token")
    access_key: Secret = field(default=NONE)
    secret_key: Secret = field(default=NONE)
    security_token: Secret = field(default=NONE)  # only with temporary keys
    domain: str = text("")
    user: str = text("")
    password: Secret = field(default=NONE)
    region: str = _region("cn-north-4")
    project_id: str = _project()
    enterprise_project_id: str = pattern("", r"|[0-9a-fA-F-]{1,36}", "the id of an enterprise project, or empty")
    url: str = _url()
    iam_url: str = _url()
    price: float = _price()
    per_s: float = _per_s(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HuaweiVehicleLicence:
    auth: str = one_of("", "", "aksk", "token")  # empty: that of [provider.huawei], like every other empty key here
    access_key: Secret = field(default=NONE)
    secret_key: Secret = field(default=NONE)
    security_token: Secret = field(default=NONE)
    domain: str = text("")
    user: str = text("")
    password: Secret = field(default=NONE)
    region: str = _region("")
    project_id: str = _project()
    enterprise_project_id: str = pattern("", r"|[0-9a-fA-F-]{1,36}", "the id of an enterprise project, or empty")
    side: str = one_of("front", "front", "back", "double_side")
    fields: tuple[str, ...] = ()
    url: str = _url()
    iam_url: str = _url()
    price: float = _price()
    per_s: float = _per_s(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TencentLegacyVin:
    appid: str = _appid()
    secret_id: Secret = field(default=NONE)
    secret_key: Secret = field(default=NONE)
    bucket: str = pattern("", r"|[a-z0-9][a-z0-9-]{0,49}", "the name of a bucket, or empty")
    url: str = _url()
    price: float = _price()
    per_s: float = _per_s(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TencentLegacyLicence:
    appid: str = _appid()  # empty: that of [provider.tencent_legacy_vin], like the keys, bucket and url
    secret_id: Secret = field(default=NONE)
    secret_key: Secret = field(default=NONE)
    bucket: str = pattern("", r"|[a-z0-9][a-z0-9-]{0,49}", "the name of a bucket, or empty")
    type: int = number(0, 0, 2)
    form: str = one_of("multipart", "multipart", "json")
    fields: tuple[str, ...] = ()
    url: str = _url()
    price: float = _price()
    per_s: float = _per_s(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baidu:
    api_key: Secret = field(default=NONE)
    secret_key: Secret = field(default=NONE)
    url: str = _url()
    price: float = _price()
    per_s: float = _per_s(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aliyun:
    access_key_id: Secret = field(default=NONE)
    access_key_secret: Secret = field(default=NONE)
    security_token: Secret = field(default=NONE)  # only with temporary (STS) keys
    url: str = _url()
    price: float = _price()
    per_s: float = _per_s(8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """One section for each cloud reader; a name of `reading.chain` is the section's with dashes."""

    tencent: Tencent = field(default_factory=Tencent)
    tencent_vehicle_licence: TencentVehicleLicence = field(default_factory=TencentVehicleLicence)
    huawei: Huawei = field(default_factory=Huawei)
    huawei_vehicle_licence: HuaweiVehicleLicence = field(default_factory=HuaweiVehicleLicence)
    tencent_legacy_vin: TencentLegacyVin = field(default_factory=TencentLegacyVin)
    tencent_legacy_licence: TencentLegacyLicence = field(default_factory=TencentLegacyLicence)
    baidu: Baidu = field(default_factory=Baidu)
    aliyun: Aliyun = field(default_factory=Aliyun)
