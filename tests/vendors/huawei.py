"""Huawei's OCR: vin and vehicle-license behind a token or an AK/SK signature; a gateway in front that says no in its own codes."""

import calendar
import re
import time
from typing import Any

from tests.vendors import pictures, signatures
from tests.vendors.errors import Code
from tests.vendors.wire import Call, Refused, Reply, digest, json_object, json_reply, media_type, plain_base64
from tests.vendors.world import Card, World

VENDOR = "huawei"
SHAPES = (
    "no-vin null", "no-vin empty", "no-vin blank", "no-vin missing", "no-vin no-result", "no-vin AIS.0104",
    "camel", "nested", "plain keys", "text errors", "unknown keys",
)  # fmt: skip
CLOCK_S = 900
BASE64_LIMIT = 10_000_000
BODY_LIMIT = 12_000_000
LOCK_AFTER, LOCK_S = 5, 300
_PATH = re.compile(r"/v2/([^/]+)/ocr/(vin|vehicle-license)$")
_SIDES = {"vin": (15, 4096), "vehicle-license": (100, 8192)}


def answer(world: World, call: Call) -> Reply:
    """The answer to an authorised call; raises `Refused`."""
    _check_size(call)
    host = re.fullmatch(r"ocr\.([a-z0-9-]+)\.myhuaweicloud\.(com|cn)", call.header("host"))
    path = _PATH.fullmatch(call.path)
    if path is None or call.method != "POST" or (host and host[1] != "cn-north-4"):
        raise Refused("APIG.0101")
    call.operation = path[2]
    _check_caller(world, call, path[1])
    if not world.within_limit(VENDOR):
        calls, seconds = world.limits[VENDOR]
        unit = "minute" if seconds >= 60 else "second"
        raise Refused(
            f"APIG.0308/{unit}", f"The throttling threshold has been reached: policy user over ratelimit,limit:{calls},time:1 {unit}"
        )
    picture = _picture(world, call)
    return _success(world, call, world.card(picture))


def refuse(world: World, call: Call, code: Code, message: str) -> Reply:
    text = message or _told(world, call, code.message)
    number = world.request_id().replace("-", "")
    if world.shaped(VENDOR, "text errors"):
        return Reply(code.status, text.encode(), "text/plain", code=code.code, headers={"X-Request-Id": number})
    keys = ("errorCode", "errorMsg") if world.shaped(VENDOR, "camel") else ("error_code", "error_msg")
    keys = ("code", "message") if world.shaped(VENDOR, "plain keys") else keys
    content: dict[str, Any] = dict(zip(keys, (code.code, text), strict=True))
    content = {"error": content} if world.shaped(VENDOR, "nested") else {**content, "request_id": number}
    return json_reply(code.status, content, code=code.code, headers={"X-Request-Id": number})


def _told(world: World, call: Call, text: str) -> str:
    """A text of the table with what it repeats of the call."""
    now = world.now()
    access = signatures.fields(call.header("authorization"), "SDK-HMAC-SHA256").get("Access", "")
    times = f"signature time:{_sdk_date(now - 1000)},server time:{_sdk_date(now)}"
    return text.format(times=times, path=call.path, host=call.header("host"), ak=access)


def _check_size(call: Call) -> None:
    if len(call.body) > BODY_LIMIT:
        raise Refused("APIG.0201/413")
    if len(call.path) > 32_768:
        raise Refused("APIG.0201/414")
    if sum(len(name) + len(value) + 4 for name, value in call.headers.items()) > 131_072:
        raise Refused("APIG.0201/494")


def _check_caller(world: World, call: Call, project_id: str) -> None:
    if call.header("x-auth-token"):
        _check_token(world, call.header("x-auth-token"), project_id)
    elif call.header("authorization"):
        _check_signature(world, call)
        if project_id != world.accounts.huawei_project_id:
            raise Refused("APIG.0101")
    else:
        raise Refused("ModelArts.4101")


def _check_token(world: World, text: str, project_id: str) -> None:
    token = world.tokens.get(text)
    if token is None:
        raise Refused("APIG.0301/token-broken")
    if token.expires <= world.now():
        raise Refused("APIG.0301/token-expired")
    if not token.project_id:
        raise Refused("ModelArts.0212")
    if token.project != "cn-north-4":
        raise Refused("APIG.0307")
    if token.project_id != project_id:
        raise Refused("APIG.0101")


def _check_signature(world: World, call: Call) -> None:
    said = signatures.fields(call.header("authorization"), "SDK-HMAC-SHA256")
    if not {"Access", "SignedHeaders", "Signature"} <= said.keys():
        raise Refused("APIG.0301/signature", "Incorrect IAM authentication information: authorization header is malformed")
    if said["Access"] != world.accounts.huawei_access_key:
        raise Refused("APIG.0301/access-key", f"Incorrect IAM authentication information: AK {said['Access']} not exist")
    _check_date(world, call.header("x-sdk-date"))
    who = f"ak {said['Access']}"
    named = set(said["SignedHeaders"].split(";"))
    expected = signatures.sdk(call, world.accounts.huawei_secret_key, said["SignedHeaders"])
    right = {"host", "x-sdk-date"} <= named and signatures.same(expected, said["Signature"])
    if not right:
        world.failed(who)
    # Once locked, correct signatures fail too.
    if not right or world.locked(who, LOCK_AFTER, LOCK_S):
        raise Refused("APIG.0301/signature")
    world.succeeded(who)
    if call.header("x-security-token") != world.accounts.huawei_security_token:
        raise Refused("APIG.0301/token-broken")


def _check_date(world: World, text: str) -> None:
    try:
        then = calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Refused("APIG.0301/signature", "Incorrect IAM authentication information: X-Sdk-Date is malformed") from None
    if abs(then - world.now()) > CLOCK_S:
        late = f"signature expired, signature time:{text},server time:{_sdk_date(world.now())}"
        raise Refused("APIG.0301/clock", f"Incorrect IAM authentication information: calc aksk signature fail:{late}")


def _sdk_date(unix_s: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(unix_s))


def _picture(world: World, call: Call) -> bytes:
    if media_type(call) != "application/json":
        raise Refused("ModelArts.4105")
    content = json_object(call.body, "ModelArts.4105")
    given = [key for key in ("image", "url") if content.get(key) is not None]
    if len(given) != 1:
        raise Refused("AIS.0101")
    if given == ["url"]:
        picture = world.download(content["url"], "ModelArts.4603")
    else:
        if isinstance(content["image"], str) and len(content["image"]) > BASE64_LIMIT:
            raise Refused("ModelArts.4104")
        picture = plain_base64(content["image"], "AIS.0102")
    call.picture = digest(picture)
    _check_picture(call, picture)
    return picture


def _check_picture(call: Call, picture: bytes) -> None:
    seen = pictures.seen(picture)
    if seen.format not in ("jpeg", "png", "bmp", "tiff") or not seen.decodes:
        raise Refused("AIS.0102")
    shortest, longest = _SIDES[call.operation]
    if seen.sides[0] < shortest or seen.sides[1] > longest:
        raise Refused("AIS.0103")


def _success(world: World, call: Call, card: Card | None) -> Reply:
    content: dict[str, Any] = {"result": _result(world, call, card)}
    if card is None and world.shaped(VENDOR, "no-vin no-result"):
        content = {}
    if world.shaped(VENDOR, "unknown keys"):
        content["cost"] = {"ms": 31}
    number = world.request_id().replace("-", "")
    return json_reply(200, content, billed=True, headers={"X-Request-Id": number})


def _result(world: World, call: Call, card: Card | None) -> dict[str, Any]:
    if card is None:
        if world.shaped(VENDOR, "no-vin AIS.0104"):
            raise Refused("AIS.0104")
        words: dict[str, Any] = {"no-vin missing": {}, "no-vin null": {"vin": None}, "no-vin blank": {"vin": "  "}}
        return next((said for word, said in words.items() if world.shaped(VENDOR, word)), {"vin": ""})
    if call.operation == "vin":
        return {"vin": card.vin}
    return {
        "number": card.plate, "vehicle_type": card.kind, "name": card.owner, "address": card.address, "use_character": card.use,
        "model": card.model, "engine_no": card.engine, "vin": card.vin, "register_date": card.registered, "issue_date": card.issued,
        "issuing_authority": "深圳市公安局交通管理局",
    }  # fmt: skip
