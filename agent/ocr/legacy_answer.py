"""What the legacy image service answers: the vendor's pages contradict each other, so each spelling and nesting they show is understood."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.document import DrivingLicence, VehicleLicence, driving_licence, vehicle_licence
from agent.ocr.cloud import Refusal, Seen
from agent.ocr.http import Answer
from agent.vin import verdict
from agent.vin_text import ALPHABET, LENGTH

VEHICLE, DRIVING = 0, 1

_VEHICLE = {
    "车牌号码": "plate_number", "号牌号码": "plate_number", "车辆类型": "vehicle_type", "所有人": "owner", "住址": "address",
    "使用性质": "use", "品牌型号": "model", "识别代码": "vin", "车辆识别代号": "vin", "车辆识别代码": "vin", "发动机号": "engine_number",
    "发动机号码": "engine_number", "注册日期": "registered", "发证日期": "issued", "红章": "seal", "印章": "seal", "发证机关": "authority",
    "档案编号": "file_number", "核定载人数": "seats", "核定人数": "seats", "总质量": "gross_mass", "整备质量": "curb_mass",
    "核定载质量": "load", "外廓尺寸": "dimensions", "准牵引总质量": "traction_mass", "备注": "remarks", "检验记录": "inspection",
    "副页编码": "page_code", "条码号": "page_code", "燃料种类": "fuel", "能源类型": "fuel", "车身颜色": "colour",
}  # fmt: skip
_DRIVING = {
    "证号": "licence_number", "姓名": "name", "性别": "sex", "国籍": "nationality", "住址": "address", "出生日期": "birth_date",
    "领证日期": "first_issued", "初次领证日期": "first_issued", "准驾车型": "classes", "起始日期": "valid_from", "有效日期": "valid_until",
    "红章": "seal",
}  # fmt: skip
_CAPTIONS = ("VIN", "车架号", "识别代码", "识别代号")


@dataclass(frozen=True, slots=True)
class Item:
    """One field of an answer: its name, which the VIN call may leave out, its text, and 0…1 for each character or None."""

    name: str
    text: str
    confidence: tuple[float, ...] | None


def items(answer: Answer) -> tuple[list[Item], str | None] | Refusal:
    """Every field and the session's id, wherever they stand; or the error, named by `code` or `errorcode`, as number or text.

    The body is looked at before the HTTP status: nobody documents which statuses the service uses.
    """
    said = answer.fields()
    inner = said["data"] if isinstance(said.get("data"), dict) else {}
    code, message = _first((said, inner), "code", "errorcode"), _first((said, inner), "message", "errormsg")
    found = _first((inner, said), "items")
    if code is None and not isinstance(found, list):
        # A status of 200 without either is no answer of this service.
        return Refusal("", str(message or "the answer has neither code nor items"))
    if str(code if code is not None else 0).strip() != "0":
        return Refusal(str(code).strip(), str(message or ""))
    session = _first((inner, said), "session_id")
    return [_item(each) for each in found or () if isinstance(each, dict)] if isinstance(found, list) else [], str(session or "") or None


def vin_of(answer: Answer) -> Seen | Refusal:
    """The VIN among the items of vin_detection, whose names nobody documents."""
    said = items(answer)
    if isinstance(said, Refusal):
        return said
    found, session = said
    item = find_vin(found)
    return Seen(item.text, item.confidence, session) if item else Seen("", request_id=session)


def find_vin(found: Iterable[Item]) -> Item | None:
    """The item that is named so; else one whose text can be a VIN, first with a check digit that is right; None where there is none."""
    candidates = [item for item in found if item.text.strip()]
    named = [item for item in candidates if any(caption in item.name.upper() for caption in _CAPTIONS)]
    if named:
        return named[0]
    shaped = [item for item in candidates if _shaped(item.text)]
    return next((item for item in shaped if verdict(_bare(item.text)) == "pass"), shaped[0] if shaped else None)


def document_of(answer: Answer, kind: int) -> Seen | Refusal:
    """A licence by the names of its items; a second page (type 2) has no documented names beyond those of other services."""
    said = items(answer)
    if isinstance(said, Refusal):
        return said
    found, session = said
    read = [(item.name, item.text, min(item.confidence) if item.confidence else None) for item in found]
    document: VehicleLicence | DrivingLicence = driving_licence(read, _DRIVING) if kind == DRIVING else vehicle_licence(read, _VEHICLE)
    vin = next((item for item in found if _VEHICLE.get(item.name) == "vin" and item.text.strip()), None)
    if kind == DRIVING or vin is None:
        return Seen("", request_id=session, document=document)
    return Seen(vin.text, vin.confidence, session, document)


def _first(parts: Iterable[Mapping[str, Any]], *names: str) -> Any:
    return next((part[name] for part in parts for name in names if part.get(name) is not None), None)


def _item(said: Mapping[str, Any]) -> Item:
    text = said.get("itemstring")
    words = [word for word in said.get("words") or () if isinstance(word, dict)] if isinstance(said.get("words"), list) else []
    spelt = "".join(str(word.get("character") or "") for word in words)
    whole = text if isinstance(text, str) and text.strip() else spelt
    return Item(str(said.get("item") or "").strip(), whole, _confidence(whole, spelt, words, said.get("itemconf")))


def _confidence(text: str, spelt: str, words: list[dict[str, Any]], of_item: object) -> tuple[float, ...] | None:
    """One figure for each character: its word's; where words and text differ the lowest of them; else the item's own."""
    figures = [share(word.get("confidence")) for word in words]
    if figures and None not in figures:
        known = [figure for figure in figures if figure is not None]
        single = text == spelt and all(len(str(word.get("character") or "")) == 1 for word in words)
        return tuple(known) if single else (min(known),) * len(text)
    figure = share(of_item)
    return None if figure is None or not text else (figure,) * len(text)


def share(value: object) -> float | None:
    """A confidence as 0…1: the pages show 0.98 and 98.99 for the same thing; None where it is no number."""
    try:
        figure = float(str(value))
    except ValueError:
        return None
    if not 0 <= figure <= 100:
        return None
    return figure / 100 if figure > 1 else figure


def _bare(text: str) -> str:
    return "".join(char for char in text.upper() if not char.isspace() and char not in "*-")


def _shaped(text: str) -> bool:
    bare = _bare(text)
    return len(bare) == LENGTH and set(bare) <= set(ALPHABET)
