"""What stands in a vehicle or driving licence, field by field, and which of it may leave the device."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleLicence:
    """A vehicle licence (行驶证): main page, second page and what only its electronic form has; None where a field was not read.

    `confidence` has 0…1 for the fields the reader was sure about to that degree, `other` what it read under names nobody documents.
    """

    plate_number: str | None = None
    vehicle_type: str | None = None
    owner: str | None = None
    address: str | None = None
    use: str | None = None
    model: str | None = None
    vin: str | None = None
    engine_number: str | None = None
    registered: str | None = None
    issued: str | None = None
    seal: str | None = None
    authority: str | None = None
    file_number: str | None = None
    seats: str | None = None
    gross_mass: str | None = None
    curb_mass: str | None = None
    load: str | None = None
    dimensions: str | None = None
    traction_mass: str | None = None
    remarks: str | None = None
    inspection: str | None = None
    page_code: str | None = None
    fuel: str | None = None
    colour: str | None = None
    scrapped_by: str | None = None
    status: str | None = None
    inspected_until: str | None = None
    generated: str | None = None
    kind: str | None = None
    confidence: tuple[tuple[str, float], ...] = ()
    other: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrivingLicence:
    """A driving licence (驾驶证): every field of it is about a person; None where a field was not read."""

    licence_number: str | None = None
    name: str | None = None
    sex: str | None = None
    nationality: str | None = None
    address: str | None = None
    birth_date: str | None = None
    first_issued: str | None = None
    classes: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    seal: str | None = None
    confidence: tuple[tuple[str, float], ...] = ()
    other: tuple[tuple[str, str], ...] = ()


Document = VehicleLicence | DrivingLicence

_BESIDE = ("confidence", "other")
_MOST, _LONGEST = 500, 1000  # fields, and characters of one: a page has fewer, an answer that says more is none of a page
# What a gate is for; everything else in a licence is about a person, also where it is only the vehicle's colour or weight beside a name.
IMPERSONAL = ("vin", "plate_number", "model", "engine_number")
FIELDS = tuple(dict.fromkeys(each.name for kind in (VehicleLicence, DrivingLicence) for each in fields(kind) if each.name not in _BESIDE))


def values(document: Document) -> dict[str, str]:
    """Every field that was read, in the order of the record; what has no documented name stands last, under the reader's."""
    named = {each.name: getattr(document, each.name) for each in fields(document) if each.name not in _BESIDE}
    return {**{name: value for name, value in named.items() if value}, **dict(document.other)}


def is_personal(document: Document, name: str) -> bool:
    """Whether a field of this document says something about a person: all of a driving licence, most of a vehicle's."""
    return isinstance(document, DrivingLicence) or name not in IMPERSONAL


def told(document: Document, named: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The fields that may go into an event: those the operator named, and no other; the VIN travels on its own."""
    wanted = set(named) - {"vin"}
    return tuple((name, value) for name, value in values(document).items() if name in wanted and name in FIELDS)


def vehicle_licence(read: Iterable[tuple[str, str, float | None]], names: Mapping[str, str]) -> VehicleLicence:
    """The record of what a reader saw as (its own name, text, confidence or None); `names` maps its names to ours."""
    return VehicleLicence(**_sorted(read, names, VehicleLicence))


def driving_licence(read: Iterable[tuple[str, str, float | None]], names: Mapping[str, str]) -> DrivingLicence:
    return DrivingLicence(**_sorted(read, names, DrivingLicence))


def _sorted(read: Iterable[tuple[str, str, float | None]], names: Mapping[str, str], kind: type[Document]) -> dict[str, Any]:
    """The first text under each name counts; blank ones say that nothing was read."""
    ours = {each.name for each in fields(kind)} - set(_BESIDE)
    found: dict[str, Any] = {}
    sure: list[tuple[str, float]] = []
    other: list[tuple[str, str]] = []
    for theirs, raw, confidence in islice(read, _MOST):
        name, value = names.get(theirs, ""), raw.strip()[:_LONGEST]
        if not value or name in found:
            continue
        if name not in ours:
            other.append((theirs[:_LONGEST], value))
            continue
        found[name] = value
        if confidence is not None:
            sure.append((name, confidence))
    return {**found, "confidence": tuple(sure), "other": tuple(other)}
