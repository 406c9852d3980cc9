"""Finds whose call it is, and what the answer to it is: the vendor's own, or the fault that was asked for."""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Protocol, cast

from tests.vendors import aliyun, baidu, baidu_token, errors, huawei, iam, legacy, tencent
from tests.vendors.errors import Code
from tests.vendors.faults import UNCOMPUTED, Fault
from tests.vendors.wire import Call, Refused, Reply
from tests.vendors.world import World


class Vendor(Protocol):
    """What a vendor's module offers."""

    VENDOR: str
    SHAPES: tuple[str, ...]

    def answer(self, world: World, call: Call) -> Reply: ...

    def refuse(self, world: World, call: Call, code: Code, message: str) -> Reply: ...


_MODULES: tuple[ModuleType, ...] = (tencent, huawei, iam, legacy, baidu, baidu_token, aliyun)
DESKS: Mapping[str, Vendor] = {module.VENDOR: cast("Vendor", module) for module in _MODULES}

# What a vendor answers once the calls somebody bought are used up.
_USED_UP = {
    "tencent": "ResourceUnavailable.ResourcePackageRunOut", "huawei": "APIG.0501", "tencent-legacy": "25", "baidu": "17",
    "aliyun": "Throttling.User",
}  # fmt: skip
_HOSTS = (
    (r"ocr(\.[a-z0-9-]+)*\.tencentcloudapi\.com", "tencent"), (r"(recognition|service)\.image\.myqcloud\.com", "tencent-legacy"),
    (r"ocr\.[a-z0-9-]+\.myhuaweicloud\.(com|cn)", "huawei"), (r"iam(\.[a-z0-9-]+)?\.myhuaweicloud\.(com|cn)", "huawei-iam"),
    (r"aip\.baidubce\.com", "baidu"), (r"ocr-api\.[a-z0-9-]+\.aliyuncs\.com", "aliyun"),
)  # fmt: skip
_PATHS = (("/v3/auth", "huawei-iam"), ("/v2/", "huawei"), ("/ocr/", "tencent-legacy"), ("/rest/2.0/", "baidu"), ("/oauth/", "baidu-token"))
_PORTAL = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><form>Please sign in to use this network.</form></body></html>"


def whose(host: str, path: str, headers: Mapping[str, str]) -> str:
    """The vendor a call is for, by its host if that is a vendor's, else by what only that vendor's calls look like; or nobody."""
    by_path = next((vendor for start, vendor in _PATHS if path.startswith(start)), "")
    if by_path:
        return by_path
    if "x-tc-action" in headers or headers.get("authorization", "").startswith("TC3-"):
        return "tencent"
    if "x-acs-action" in headers or headers.get("authorization", "").startswith("ACS3-"):
        return "aliyun"
    name = host.partition(":")[0]
    return next((vendor for pattern, vendor in _HOSTS if re.fullmatch(pattern, name)), "nobody")


def reply(world: World, call: Call, fault: Fault | None) -> Reply:
    """The answer as the vendor computes it, with what the fault makes of it; books its outcome into the call."""
    answer = Reply(0, b"") if fault and fault.kind in UNCOMPUTED else _computed(world, call)
    if fault is not None:
        call.mood = fault.kind
        call.delivered = fault.kind not in ("lost", "cut after", "cut midway")
        answer = _faulty(world, call, fault, answer)
    call.status, call.code, call.billed = answer.status, answer.code, answer.billed
    return answer


def _computed(world: World, call: Call) -> Reply:
    desk = DESKS.get(call.vendor)
    if desk is None:
        return Reply(404, b"no vendor is called like this\n", "text/plain", code="nobody")
    try:
        answer = desk.answer(world, call)
        if answer.billed and not world.spend(call.vendor):
            raise Refused(_USED_UP[call.vendor])
    except Refused as refused:
        return desk.refuse(world, call, errors.code(call.vendor, refused.variant), refused.message)
    return answer


def _faulty(world: World, call: Call, fault: Fault, answer: Reply) -> Reply:
    if fault.code is not None:
        refusal = DESKS[call.vendor].refuse(world, call, fault.code, fault.message)
        return replace(refusal, headers={**refusal.headers, **dict(fault.headers)})
    match fault.kind:
        case "garbage":
            return Reply(200, b'{"Response": {"Vin": "LSV', code="garbage")
        case "html":
            return Reply(200, _PORTAL, "text/html; charset=utf-8", code="html")
        case "portal":
            return Reply(302, b"", "text/html", code="portal", headers={"Location": "http://portal.invalid/login"})
        case "wrong type":
            return replace(answer, content_type="text/html")
        case "empty":
            return Reply(200, b"", code="empty")
        case "busy":
            return Reply(429, b"slow down\n", "text/plain", code="busy", headers={"Retry-After": f"{fault.seconds:.0f}"})
        case "down":
            return Reply(503, b"<html><h1>503 Service Temporarily Unavailable</h1></html>", "text/html", code="down")
    return answer
