"""The items of the older services: a VIN plate's, a vehicle licence's and its second page's, a driving licence's."""

from collections.abc import Iterable
from typing import Any

from tests.vendors.wire import Refused
from tests.vendors.world import Card


def items(words: frozenset[str], card: Card | None, kind: str) -> list[dict[str, Any]] | None:
    """The items of an answer in the shape asked for; `kind` is drivinglicence's type, empty for vin_detection; None for no data at all."""
    if card is None:
        return _nothing(words, kind)
    if kind:
        share = 100.0 if "percent" in words else 1.0
        return [_field(name, text, number, round(0.98 * share, 4)) for number, (name, text) in enumerate(_document(card, kind))]
    other = [_line("手机", "手机", words, 0), _line("姓名", "姓名", words, 1)] if "other text" in words else []
    return [*other, _line(_name(words), card.vin, words, len(other))]


def _nothing(words: frozenset[str], kind: str) -> list[dict[str, Any]] | None:
    if "no-vin code" in words or (kind and not any(word.startswith("no-vin") for word in words)):
        raise Refused("-9002" if kind else "-9003")
    if "no-vin missing" in words:
        return None
    if "no-vin blank" in words:
        return [_field("识别代码", "  ", 0, 0.1) if kind else _line(_name(words), "  ", words, 0)]
    return []


def _name(words: frozenset[str]) -> str:
    return next((word.removeprefix("named ") for word in words if word.startswith("named ")), "车架号")


def _line(name: str, text: str, words: frozenset[str], number: int) -> dict[str, Any]:
    confidence = 0.9899 if "unit" in words else 98.99
    shown = f"*{' '.join((text[:3], text[3:9], text[9:]))}*".lower() if "spaced" in words else text
    item: dict[str, Any] = {} if "unnamed" in words else {"item": name}
    return {
        **item, "itemcoord": _place(number), "itemstring": "" if "per character" in words else shown,
        "words": [{"character": character, "confidence": confidence} for character in text],
    }  # fmt: skip


def _field(name: str, text: str, number: int, confidence: float) -> dict[str, Any]:
    return {"item": name, "itemcoord": _place(number), "itemconf": confidence, "itemstring": text}


def _place(number: int) -> dict[str, int]:
    return {"x": 20, "y": 40 + 30 * number, "width": 200, "height": 26}


def _document(card: Card, kind: str) -> Iterable[tuple[str, str]]:
    seal = "深圳市公安局交通管理局"
    front = {
        "车牌号码": card.plate, "车辆类型": card.kind, "所有人": card.owner, "住址": card.address, "使用性质": card.use,
        "品牌型号": card.model, "识别代码": card.vin, "发动机号": card.engine, "注册日期": card.registered, "发证日期": card.issued,
    }  # fmt: skip
    driver = {
        "证号": "440301199005030000", "姓名": card.name, "性别": "男", "国籍": "中国", "住址": card.address, "出生日期": "1990-05-03",
        "领证日期": card.issued, "准驾车型": "C1", "起始日期": card.issued, "有效日期": "2030-12-25", "红章": seal,
    }  # fmt: skip
    second = {"号牌号码": card.plate, "档案编号": "440300123456", "核定载人数": "5人", "总质量": "1720kg"}
    return {"0": front, "1": driver, "2": second}[kind].items()
