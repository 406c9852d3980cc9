"""Aliyun's RecognizeCarVinCode: a picture as the body, signed with ACS3-HMAC-SHA256; the finding is JSON text within JSON."""

import calendar
import hashlib
import json
import time
from typing import Any

from tests.vendors import pictures, signatures
from tests.vendors.errors import Code
from tests.vendors.wire import Call, Refused, Reply, digest, json_reply
from tests.vendors.world import Card, World

VENDOR = "aliyun"
SHAPES = ("vin码", "object", "no-vin empty", "no-vin blank", "no-vin missing", "no-vin code")
CLOCK_S = 900
BODY_LIMIT = 10_000_000
_PUBLIC = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}


def answer(world: World, call: Call) -> Reply:
    """The answer to a signed call; raises `Refused`."""
    call.operation = call.header("x-acs-action")
    if call.operation != "RecognizeCarVinCode" or call.path != "/" or call.method != "POST":
        raise Refused("InvalidAction.NotFound")
    if call.header("x-acs-version") != "2021-07-07":
        raise Refused("InvalidVersion")
    _check_signature(world, call)
    if not world.within_limit(VENDOR):
        raise Refused("Throttling.User")
    finding = _finding(world, world.card(_picture(world, call)))
    data: Any = finding if world.shaped(VENDOR, "object") else json.dumps(finding, ensure_ascii=False)
    return json_reply(200, {"RequestId": world.request_id().upper(), "Data": data}, billed=True)


def refuse(world: World, call: Call, code: Code, message: str) -> Reply:
    content = {"RequestId": world.request_id().upper(), "HostId": "ocr-api.cn-hangzhou.aliyuncs.com", "Code": code.code}
    return json_reply(code.status, {**content, "Message": message or code.message}, code=code.code)


def _check_signature(world: World, call: Call) -> None:
    said = signatures.fields(call.header("authorization"), "ACS3-HMAC-SHA256")
    if not {"Credential", "SignedHeaders", "Signature"} <= said.keys():
        raise Refused("IncompleteSignature")
    named = said["SignedHeaders"].split(";")
    sent = {name for name in call.headers if name.startswith("x-acs-")} | _PUBLIC
    if not sent <= set(named) or named != sorted(named):
        raise Refused("IncompleteSignature")
    if said["Credential"] != world.accounts.aliyun_id:
        raise Refused("InvalidAccessKeyId.NotFound")
    _check_date(world, call.header("x-acs-date"))
    right = signatures.same(signatures.acs3(call, world.accounts.aliyun_key, said["SignedHeaders"]), said["Signature"])
    if not right or call.header("x-acs-content-sha256") != hashlib.sha256(call.body).hexdigest():
        raise Refused("SignatureDoesNotMatch")
    with world.lock:
        if call.header("x-acs-signature-nonce") in world.nonces:
            raise Refused("SignatureNonceUsed")
        world.nonces.add(call.header("x-acs-signature-nonce"))


def _check_date(world: World, text: str) -> None:
    try:
        then = calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        raise Refused("IncompleteSignature") from None
    if abs(then - world.now()) > CLOCK_S:
        raise Refused("InvalidTimeStamp.Expired")


def _picture(world: World, call: Call) -> bytes:
    url = dict(call.query).get("Url")
    picture = world.download(url, "IllegalImageUrl") if url else call.body
    if not picture:
        raise Refused("MissingImageUrl")
    call.picture = digest(picture)
    if len(picture) > BODY_LIMIT:
        raise Refused("exceededImageContent")
    seen = pictures.seen(picture)
    if not seen.decodes:
        raise Refused("unsupportedImageFormat")
    shortest, longest = seen.sides
    if shortest <= 15 or longest >= 8192 or longest >= 50 * shortest:
        raise Refused("illegalImageContent")
    return picture


def _finding(world: World, card: Card | None) -> dict[str, Any]:
    if card is None and world.shaped(VENDOR, "no-vin code"):
        raise Refused("unmatchedImageType")
    if card is None and world.shaped(VENDOR, "no-vin missing"):
        return {"ftype": 0}
    key = "vin码" if world.shaped(VENDOR, "vin码") else "vinCode"
    text = card.vin if card else "  " if world.shaped(VENDOR, "no-vin blank") else ""
    line = {"key": key, "keyProb": 100, "value": text, "valueProb": 97}
    return {"data": {key: text}, "ftype": 0, "height": 157, "width": 552, "prism_keyValueInfo": [line]}
