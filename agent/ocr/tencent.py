"""Tencent Cloud API 3.0: VinOCR, and VehicleLicenseOCR for the licence; errors arrive with HTTP status 200."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import httpx

from agent import config, config_accounts
from agent.bounds import Bounds
from agent.document import VehicleLicence, vehicle_licence
from agent.ocr.cloud import Body, Kind, Line, Refusal, Seen
from agent.ocr.faults import Action
from agent.ocr.http import Answer
from agent.ocr.sign import tc3_authorization
from agent.ocr.tables.tencent import TENCENT

VERSION = "2018-11-19"
# The vendor's pages say 3, 7 and 10 MB of base64; 7 000 000 holds for all since 2021 and leaves room below the 10 MB a request may have.
_BASE64 = 7_000_000


def endpoint(url: str, site: str, region: str) -> str:
    """Where to call: the operator's own address, else the host of the international site, of the region, or of the nearest one."""
    if url:
        return url.rstrip("/")
    if site == "international":
        return "https://ocr.intl.tencentcloudapi.com"
    return f"https://ocr.{region}.tencentcloudapi.com" if region else "https://ocr.tencentcloudapi.com"


def image_body(jpeg: bytes, **more: str) -> Body:
    """The picture and nothing else: with an address beside it the vendor would read that instead. No prefix, no line breaks."""
    return Body(json.dumps({"ImageBase64": base64.b64encode(jpeg).decode("ascii"), **more}, separators=(",", ":")).encode())


def signed(url: str, action: str, body: Body, keys: Any, now: int) -> httpx.Request:
    """A POST as `keys` sign it; `now` is the vendor's time in Unix seconds. The region is sent only where one is set."""
    request = httpx.Request("POST", f"{url}/", content=body.content, headers={"Content-Type": body.content_type})
    signed_headers = {"Content-Type": body.content_type, "Host": request.headers["Host"], "X-TC-Action": action}
    secret_id, secret_key = keys.secret_id.reveal(), keys.secret_key.reveal()
    more = {"X-TC-Region": keys.region, "X-TC-Token": keys.token.reveal(), "X-TC-Language": keys.language}
    request.headers.update({
        "X-TC-Action": action,
        "X-TC-Version": VERSION,
        "X-TC-Timestamp": str(now),
        **{name: value for name, value in more.items() if value},
        "Authorization": tc3_authorization(secret_id, secret_key, "ocr", signed_headers, body.content, now),
    })  # fmt: skip
    return request


def response(answer: Answer) -> Mapping[str, Any] | Refusal:
    """What stands in `Response`, or the error in it; an answer of another shape is told with its status."""
    said = answer.fields().get("Response")
    if not isinstance(said, dict):
        return Refusal("", "the answer has no Response")
    fault = said.get("Error")
    if isinstance(fault, dict):
        return Refusal(str(fault.get("Code") or ""), str(fault.get("Message") or ""))
    return said if answer.status == 200 else Refusal("", "")


def text(value: object) -> str:
    """A field's text; null, a missing key and anything that is no text say that nothing was read."""
    return value.strip() if isinstance(value, str) else ""


class VinOcr:
    """VinOCR: reads one VIN, and tells no confidence."""

    name = "tencent"
    bounds = Bounds(max_bytes=_BASE64)
    table = TENCENT
    told: tuple[str, ...] = ()

    def __init__(self, settings: config.Settings) -> None:
        self._keys: config.Tencent = config_accounts.require(settings.provider, self.name)
        self.bounds = Bounds(max_bytes=self._keys.max_base64)
        self.url = endpoint(self._keys.url, self._keys.site, self._keys.region)
        self.secrets = self._keys.secret_id.reveal(), self._keys.secret_key.reveal(), self._keys.token.reveal()
        self.price, self.per_s = self._keys.price, self._keys.per_s

    def body(self, jpeg: bytes) -> Body:
        return image_body(jpeg)

    def request(self, body: Body, line: Line) -> httpx.Request:
        return signed(self.url, "VinOCR", body, self._keys, line.clock.now())

    def parse(self, answer: Answer) -> Seen | Refusal:
        said = response(answer)
        return said if isinstance(said, Refusal) else Seen(text(said.get("Vin")), request_id=text(said.get("RequestId")) or None)

    def mend(self, action: Action, status: int) -> str:
        return ""

    def check(self, line: Line) -> tuple[str, ...]:
        return ()


_FRONT = {
    "PlateNo": "plate_number", "VehicleType": "vehicle_type", "Owner": "owner", "Address": "address", "UseCharacter": "use",
    "Model": "model", "Vin": "vin", "EngineNo": "engine_number", "RegisterDate": "registered", "IssueDate": "issued", "Seal": "seal",
    "StateElectronic": "status", "InspectionValidityTimeElectronic": "inspected_until", "GenerationTimeElectronic": "generated",
}  # fmt: skip
_BACK = {
    "PlateNo": "plate_number", "FileNo": "file_number", "AllowNum": "seats", "TotalMass": "gross_mass", "CurbWeight": "curb_mass",
    "LoadQuality": "load", "ExternalSize": "dimensions", "Marks": "remarks", "Record": "inspection", "TotalQuasiMass": "traction_mass",
    "SubPageCode": "page_code", "FuelType": "fuel", "AddressElectronic": "address", "IssueAuthorityElectronic": "authority",
    "CarBodyColor": "colour",
}  # fmt: skip


class VehicleLicenseOcr:
    """VehicleLicenseOCR: reads a vehicle licence, the VIN among its fields; may answer null for any of them."""

    name = "tencent-vehicle-licence"
    bounds = Bounds(max_bytes=_BASE64)
    table = TENCENT

    def __init__(self, settings: config.Settings) -> None:
        self._keys: config.TencentVehicleLicence = config_accounts.require(settings.provider, self.name)
        self.url = endpoint(self._keys.url, "china", self._keys.region)
        self.secrets = self._keys.secret_id.reveal(), self._keys.secret_key.reveal(), self._keys.token.reveal()
        self.price, self.per_s, self.told = self._keys.price, self._keys.per_s, self._keys.fields

    def body(self, jpeg: bytes) -> Body:
        return image_body(jpeg, CardSide=self._keys.side)

    def request(self, body: Body, line: Line) -> httpx.Request:
        return signed(self.url, "VehicleLicenseOCR", body, self._keys, line.clock.now())

    def parse(self, answer: Answer) -> Seen | Refusal:
        said = response(answer)
        if isinstance(said, Refusal):
            return said
        licence = _licence(said)
        return Seen(licence.vin or "", request_id=text(said.get("RequestId")) or None, document=licence)

    def mend(self, action: Action, status: int) -> str:
        return ""

    def check(self, line: Line) -> tuple[str, ...]:
        return ()


def _licence(said: Mapping[str, Any]) -> VehicleLicence:
    """Front before back, so that a number that stands on both is the front's; a tractor's back page has the same names."""
    pages = ((said.get("FrontInfo"), _FRONT), (said.get("BackInfo"), _BACK), (said.get("TractorBackInfo"), _BACK))
    read = [
        (str(names.get(name, name)), text(value), None) for page, names in pages if isinstance(page, dict) for name, value in page.items()
    ]
    read.append(("kind", text(said.get("VehicleLicenseType")), None))
    return vehicle_licence(read, {name: name for name in (*_FRONT.values(), *_BACK.values(), "kind")})


Tencent = Kind(VinOcr)
TencentVehicleLicence = Kind(VehicleLicenseOcr)
