"""A whole picture for a reader of documents, and what it found there, for a person who asked to see it."""

import json
from pathlib import Path

from agent.bounds import Bounds
from agent.document import Document, DrivingLicence, is_personal, values
from agent.domain import Box, EncodedImage, Pixels, Plate, Quality, Reading, Stamp
from agent.vin_text import printable
from agent.vision import encode


def plate(pixels: Pixels) -> Plate:
    """The whole picture as if it were one line."""
    height, width = pixels.shape[:2]
    return Plate(Box(0.0, 0.0, float(width), float(height)), 0.0, 0.0, 0.0)


def picture(pixels: Pixels, bounds: Bounds, name: str, number: int, taken_at: Stamp) -> EncodedImage:
    """A BGR picture as it is, within the bounds; raises `Rejected` where that cannot be."""
    fitted = encode.fit(pixels, plate(pixels).box, bounds)
    quality = Quality(0.0, (pixels.shape[1], pixels.shape[0]), 0.0)
    return EncodedImage(name, number, taken_at, fitted.jpeg, fitted.width, fitted.height, fitted.line, quality)


def as_rows(file: Path, document: Document) -> str:
    """One field a line; what says something about a person is marked, for no event carries it unless it is named in the settings."""
    kind = "driving licence" if isinstance(document, DrivingLicence) else "vehicle licence"
    sure = dict(document.confidence)
    rows = [f"{printable(file.name)}  {kind}"]
    for name, text in values(document).items():
        confidence = f"{sure[name]:.2f}" if name in sure else "-"
        kept = "personal" if is_personal(document, name) else "-"
        rows.append(f"  {printable(name):16}  {confidence:4}  {kept:8}  {printable(text)}")
    return "\n".join(rows)


def as_json(file: Path, reading: Reading, document: Document) -> str:
    told = {
        "file": str(file),
        "provider": reading.provider,
        "request_id": reading.request_id,
        "vin": reading.text,
        "document": values(document),
        "confidence": dict(document.confidence),
        "personal": [name for name in values(document) if is_personal(document, name)],
    }
    # A page may be answered with half a surrogate pair, which no terminal takes.
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
