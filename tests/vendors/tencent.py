"""Tencent's API 3.0: VinOCR and VehicleLicenseOCR behind TC3-HMAC-SHA256. Every answer has HTTP status 200."""

from collections.abc import Callable
from typing import Any

from tests.vendors import pictures, signatures
from tests.vendors.errors import Code
from tests.vendors.wire import Call, Refused, Reply, digest, json_object, json_reply, media_type, plain_base64
from tests.vendors.world import Card, World

VENDOR = "tencent"
SHAPES = (
    "no-vin null",
    "no-vin empty",
    "no-vin blank",
    "no-vin missing",
    "no-vin OcrFailed",
    "no-vin ImageNoText",
    "charset",
    "unknown keys",
)
CLOCK_S = 300
BASE64_LIMIT = 7_000_000
BODY_LIMIT = 10_000_000
REGIONS = {
    "ap": {
        "guangzhou", "shanghai", "nanjing", "beijing", "chengdu", "chongqing", "hongkong", "singapore", "bangkok", "mumbai", "seoul",
        "tokyo",
    },
    "na": {"ashburn", "siliconvalley", "toronto"},
    "eu": {"frankfurt"},
}  # fmt: skip
_FORMATS = {"VinOCR": ("jpeg", "png"), "VehicleLicenseOCR": ("jpeg", "png", "bmp")}


def answer(world: World, call: Call) -> Reply:
    """The answer to a signed call; raises `Refused`."""
    if len(call.body) > BODY_LIMIT:
        raise Refused("RequestSizeLimitExceeded")
    _check_common(call)
    _check_signature(world, call)
    if not world.within_limit(VENDOR):
        raise Refused("RequestLimitExceeded")
    picture = _picture(world, call)
    card = world.card(picture)
    if card is None:
        for code in ("OcrFailed", "ImageNoText"):
            if world.shaped(VENDOR, f"no-vin {code}"):
                raise Refused(f"FailedOperation.{code}")
    return _reply(world, _ANSWERS[call.operation](world, call, card), billed=True)


def refuse(world: World, call: Call, code: Code, message: str) -> Reply:
    error = {"Error": {"Code": code.code, "Message": message or code.message}}
    return _reply(world, error, code=code.code, billed=code.billed)


def _reply(world: World, content: dict[str, Any], **more: Any) -> Reply:
    if world.shaped(VENDOR, "charset"):
        more["content_type"] = "application/json; charset=utf-8"
    if world.shaped(VENDOR, "unknown keys"):
        content = {**content, "Angle": 0.5, "Extra": {"Text": None}}
    return json_reply(200, {"Response": {**content, "RequestId": world.request_id()}}, **more)


def _check_common(call: Call) -> None:
    call.operation = call.header("x-tc-action")
    if call.method not in ("GET", "POST"):
        raise Refused("UnsupportedProtocol")
    if not call.operation:
        raise Refused("MissingParameter", "The parameter `Action` is missing.")
    if call.operation not in _FORMATS:
        raise Refused("InvalidAction")
    if call.header("x-tc-version") != "2018-11-19":
        raise Refused("NoSuchVersion")
    area, _, city = call.header("x-tc-region").partition("-")
    if area and city not in REGIONS.get(area, ()):
        raise Refused("UnsupportedRegion")


def _check_signature(world: World, call: Call) -> None:
    said = signatures.fields(call.header("authorization"), "TC3-HMAC-SHA256")
    if not {"Credential", "SignedHeaders", "Signature"} <= said.keys() or said["Credential"].count("/") != 3:
        raise Refused("AuthFailure.InvalidAuthorization")
    if not call.header("x-tc-timestamp").isdecimal():
        raise Refused("MissingParameter", "The parameter `Timestamp` is missing or no number.")
    timestamp = int(call.header("x-tc-timestamp"))
    if abs(timestamp - world.now()) > CLOCK_S:
        raise Refused("AuthFailure.SignatureExpire")
    secret_id, date, service, last = said["Credential"].split("/")
    key = _key(world, call, secret_id)
    named = {"content-type", "host"} <= set(said["SignedHeaders"].split(";"))
    scoped = (date, service, last) == (signatures.utc_date(timestamp), "ocr", "tc3_request")
    expected = signatures.tc3(call, key, said["Credential"], said["SignedHeaders"])
    if not (named and scoped and signatures.same(expected, said["Signature"])):
        raise Refused("AuthFailure.SignatureFailure")


def _key(world: World, call: Call, secret_id: str) -> str:
    accounts, token = world.accounts, call.header("x-tc-token")
    if secret_id == accounts.tencent_temporary_id:
        if token != accounts.tencent_token:
            raise Refused("AuthFailure.TokenFailure")
        return accounts.tencent_temporary_key
    if not secret_id.startswith("AKID"):
        raise Refused("AuthFailure.InvalidSecretId")
    if secret_id != accounts.tencent_id:
        raise Refused("AuthFailure.SecretIdNotFound")
    if token:
        raise Refused("AuthFailure.TokenFailure")
    return accounts.tencent_key


def _picture(world: World, call: Call) -> bytes:
    if media_type(call) != "application/json":
        raise Refused("InvalidParameter", "The body is no JSON.")
    content = json_object(call.body, "InvalidParameter")
    unknown = content.keys() - {"ImageBase64", "ImageUrl", "CardSide", "TractorCardSide"}
    if unknown:
        raise Refused("UnknownParameter", f"The parameter `{min(unknown)}` is not recognized.")
    if content.get("ImageUrl"):  # wins over ImageBase64
        picture = world.download(content["ImageUrl"], "FailedOperation.DownLoadError")
    elif "ImageBase64" in content:
        picture = _sent(content["ImageBase64"])
    else:
        raise Refused("MissingParameter", "The parameter `ImageBase64` is missing.")
    call.picture = digest(picture)
    _check_picture(call, picture)
    return picture


def _sent(text: object) -> bytes:
    if isinstance(text, str) and len(text) > BASE64_LIMIT:
        raise Refused("LimitExceeded.TooLargeFileError")
    picture = plain_base64(text, "FailedOperation.ImageDecodeFailed")
    if not picture:
        raise Refused("FailedOperation.EmptyImageError")
    return picture


def _check_picture(call: Call, picture: bytes) -> None:
    seen = pictures.seen(picture)
    if seen.format not in _FORMATS[call.operation] or not seen.decodes:
        raise Refused("FailedOperation.ImageDecodeFailed")


def _vin(world: World, call: Call, card: Card | None) -> dict[str, Any]:
    if card is not None:
        return {"Vin": card.vin}
    if world.shaped(VENDOR, "no-vin missing"):
        return {}
    if world.shaped(VENDOR, "no-vin null"):
        return {"Vin": None}
    return {"Vin": "   " if world.shaped(VENDOR, "no-vin blank") else ""}


def _vehicle_licence(world: World, call: Call, card: Card | None) -> dict[str, Any]:
    if card is None:
        raise Refused("FailedOperation.NoVehicleLicenseError")
    front = {
        "PlateNo": card.plate, "VehicleType": card.kind, "Owner": card.owner, "Address": card.address, "UseCharacter": card.use,
        "Model": card.model, "Vin": card.vin or None, "EngineNo": card.engine, "RegisterDate": card.registered, "IssueDate": card.issued,
        "Seal": "深圳市公安局交通管理局",
    }  # fmt: skip
    side = json_object(call.body, "InvalidParameter").get("CardSide", "FRONT")
    if side not in ("FRONT", "BACK", "DOUBLE"):
        raise Refused("InvalidParameterValue.InvalidParameterValueLimit")
    back = {"PlateNo": card.plate, "FileNo": "440300123456", "AllowNum": "5人", "TotalMass": "1720kg", "Record": ""}
    return {
        "FrontInfo": front if side != "BACK" else None,
        "BackInfo": back if side != "FRONT" else None,
        "RecognizeWarnCode": [], "RecognizeWarnMsg": [], "VehicleLicenseType": "Normal", "TractorBackInfo": None,
    }  # fmt: skip


_ANSWERS: dict[str, Callable[[World, Call, Card | None], dict[str, Any]]] = {"VinOCR": _vin, "VehicleLicenseOCR": _vehicle_licence}
