"""Baidu's vin_code behind an access token; errors come with HTTP 200."""

from typing import Any
from urllib.parse import parse_qsl

from tests.vendors import pictures
from tests.vendors.errors import Code
from tests.vendors.wire import Call, Refused, Reply, digest, json_reply, media_type, plain_base64
from tests.vendors.world import Card, World

VENDOR = "baidu"
SHAPES = ("no-vin empty", "no-vin blank", "no-vin missing", "no-vin code", "text log_id")
FORM_LIMIT = 4_000_000  # of the picture after base64 and after the form's own encoding


def answer(world: World, call: Call) -> Reply:
    """The answer to a call with a token; raises `Refused`."""
    call.operation = call.path.rpartition("/")[2]
    if call.path != "/rest/2.0/ocr/v1/vin_code" or call.method != "POST":
        raise Refused("3")
    token = world.tokens.get(dict(call.query).get("access_token", ""))
    if token is None:
        raise Refused("110")
    if token.expires <= world.now():
        raise Refused("111")
    if not world.within_limit(VENDOR):
        raise Refused("18")
    return _reply(world, _found(world, world.card(_picture(world, call))), billed=True)


def refuse(world: World, call: Call, code: Code, message: str) -> Reply:
    return _reply(world, {"error_code": int(code.code), "error_msg": message or code.message}, code=code.code)


def _reply(world: World, content: dict[str, Any], **more: Any) -> Reply:
    number = int(world.request_id().replace("-", "")[:15], 16)
    log_id: int | str = str(number) if world.shaped(VENDOR, "text log_id") else number
    return json_reply(200, {"log_id": log_id, **content}, **more)


def _picture(world: World, call: Call) -> bytes:
    if media_type(call) != "application/x-www-form-urlencoded":
        raise Refused("216101")
    form = dict(parse_qsl(call.body.decode("ascii", "replace"), keep_blank_values=True))
    if "image" in form:  # wins over url
        if len(call.body) > FORM_LIMIT:
            raise Refused("216202")
        picture = plain_base64(form["image"], "216201")
    elif "url" in form:
        picture = world.download(form["url"], "216201")
    else:
        raise Refused("216101")
    call.picture = digest(picture)
    _check_picture(picture)
    return picture


def _check_picture(picture: bytes) -> None:
    if not picture:
        raise Refused("216200")
    seen = pictures.seen(picture)
    if seen.format not in ("jpeg", "png", "bmp") or not seen.decodes:
        raise Refused("216201")
    if seen.sides[0] < 15 or seen.sides[1] > 4096:
        raise Refused("216202")


def _found(world: World, card: Card | None) -> dict[str, Any]:
    if card is None and world.shaped(VENDOR, "no-vin code"):
        raise Refused("216630")
    if card is None and world.shaped(VENDOR, "no-vin missing"):
        return {"words_result_num": 0}
    place = {"left": 20, "top": 40, "width": 200, "height": 26}
    text = card.vin if card else "  " if world.shaped(VENDOR, "no-vin blank") else ""
    lines = [{"location": place, "words": text}] if text else []
    return {"words_result_num": len(lines), "words_result": lines}
