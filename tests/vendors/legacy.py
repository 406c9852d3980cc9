"""Tencent's older services: vin_detection and drivinglicence behind the reusable signature, with all the shapes their pages give."""

import binascii
from typing import Any

from tests.vendors import legacy_items, pictures, signatures
from tests.vendors.errors import Code
from tests.vendors.wire import Call, Refused, Reply, digest, json_object, json_reply, media_type, multipart, plain_base64
from tests.vendors.world import World

VENDOR = "tencent-legacy"
# errorcode, flat, unnamed: as the example of vin_detection has it, together "example". old page: bucket and multipart are required.
SHAPES = (
    "example", "errorcode", "flat", "unnamed", "text code", "percent", "unit", "spaced", "per character", "other text", "no session",
    "named vin", "named 识别代码", "named 识别代号", "no-vin empty", "no-vin blank", "no-vin missing", "no-vin code", "status 400",
    "old page",
)  # fmt: skip
BODY_LIMIT = 6_000_000
LONGEST_S = 7_776_000


def answer(world: World, call: Call) -> Reply:
    """The answer to a signed call; raises `Refused`."""
    call.operation = call.path.removeprefix("/ocr/")
    if len(call.body) > BODY_LIMIT:
        raise Refused("413" if call.operation == "vin_detection" else "23")
    said = _check_signature(world, call.header("authorization"))
    if call.operation not in ("vin_detection", "drivinglicence") or call.method != "POST":
        raise Refused("424")
    content = _content(call)
    _check_owner(world, call, content, said)
    if not world.within_limit(VENDOR):
        raise Refused("15")
    kind = _kind(world, content) if call.operation == "drivinglicence" else ""
    picture = _picture(world, call, content)
    return _success(world, legacy_items.items(words(world), world.card(picture), kind))


def refuse(world: World, call: Call, code: Code, message: str) -> Reply:
    status = 400 if "status 400" in words(world) and code.status == 200 else code.status
    return json_reply(status, _envelope(world, int(code.code), message or code.message), code=code.code)


def words(world: World) -> frozenset[str]:
    said = world.shapes.get(VENDOR, frozenset())
    return said | {"errorcode", "flat", "unnamed"} if "example" in said else said


def _success(world: World, items: list[dict[str, Any]] | None) -> Reply:
    said = words(world)
    inner: dict[str, Any] = {} if "no session" in said else {"session_id": f"{world.accounts.legacy_appid}{world.request_id()[:8]}"}
    inner = inner if items is None else {**inner, "items": items}
    whole = _envelope(world, 0, "OK")
    whole = {**whole, **inner} if "flat" in said else {**whole, **({"data": inner} if items is not None else {})}
    return json_reply(200, whole, billed=True)


def _envelope(world: World, code: int, message: str) -> dict[str, Any]:
    said = words(world)
    number: int | str = str(code) if "text code" in said else code
    return {"errorcode": number, "errormsg": message} if "errorcode" in said else {"code": number, "message": message}


def _check_signature(world: World, sign: str) -> dict[str, str]:
    """What the signature says of itself, after it proved right."""
    accounts = world.accounts
    if not sign:
        raise Refused("4")
    try:
        said = signatures.legacy_fields(sign)
    except (ValueError, binascii.Error):
        raise Refused("5") from None
    if said["a"] != accounts.legacy_appid:
        raise Refused("10")
    if said["k"] != accounts.legacy_id:
        raise Refused("12" if said["k"] in (accounts.tencent_id, accounts.tencent_temporary_id) else "11")
    if not signatures.legacy_fits(sign, accounts.legacy_key):
        raise Refused("14")
    if not (said["e"].isdecimal() and said["t"].isdecimal()) or not 0 < int(said["e"]) - int(said["t"]) <= LONGEST_S or said["f"]:
        raise Refused("5")
    if int(said["e"]) <= world.now():
        raise Refused("9")
    return said


def _content(call: Call) -> dict[str, Any]:
    """The parameters, from JSON or, where the service takes it, a form; parts of a form are bytes."""
    if media_type(call) == "application/json":
        return json_object(call.body, "400")
    if media_type(call) == "multipart/form-data" and call.operation == "drivinglicence":
        parts = multipart(call.body, call.header("content-type"))
        if parts:
            return {name: part if name == "image" else part.decode("utf-8", "replace") for name, part in parts.items()}
    raise Refused("400")


def _check_owner(world: World, call: Call, content: dict[str, Any], said: dict[str, str]) -> None:
    if not content.get("appid"):
        raise Refused("-1301")
    bucket = content.get("bucket") or ""
    if "old page" in words(world) and call.operation == "drivinglicence" and not bucket:
        raise Refused("-1301")
    # vin_detection has no such parameter, so its absence there says nothing.
    named = bool(bucket) or call.operation == "drivinglicence"
    if str(content["appid"]) != said["a"] or (named and bucket != said["b"]):
        raise Refused("6")
    if said["b"] not in ("", world.accounts.legacy_bucket):
        raise Refused("16")


def _kind(world: World, content: dict[str, Any]) -> str:
    kind = str(content.get("type", ""))
    if kind not in ("0", "1", "2") or (kind == "2" and "old page" in words(world)):
        raise Refused("-9001")
    return kind


def _picture(world: World, call: Call, content: dict[str, Any]) -> bytes:
    image = content.get("image")
    if content.get("url"):  # wins over image
        picture = world.download(content["url"], "-1308")
    elif image is None or (isinstance(image, str) and "old page" in words(world) and call.operation == "drivinglicence"):
        raise Refused("-1301")
    else:
        picture = image if isinstance(image, bytes) else plain_base64(image, "-1102")
    call.picture = digest(picture)
    if not picture:
        raise Refused("-1300")
    seen = pictures.seen(picture)
    if seen.format not in ("jpeg", "png", "bmp") or not seen.decodes:
        raise Refused("-1102")
    return picture
