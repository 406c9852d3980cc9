"""The barcode library zxing-cpp, which may be missing: the agent then does its work without barcodes."""

from collections.abc import Collection
from functools import cache
from typing import Any

import numpy as np

from agent.domain import Pixels

_LONGEST = 512  # characters; more is no label
_SAMPLE = "1M8GDM9AXKP042788"


@cache
def _library() -> Any:
    """The module, or the error that kept it from loading."""
    try:
        import zxingcpp  # compiled for each machine: there may be none for this one
    except ImportError as exc:
        return exc
    return zxingcpp


def trouble() -> str:
    """Why barcodes are not read on this machine, and what to do; empty where they are."""
    library = _library()
    if isinstance(library, ImportError):
        return f"barcodes: zxing-cpp cannot be used ({library}); install it with pip install zxing-cpp"
    drawn = library.create_barcode(_SAMPLE, library.BarcodeFormat.DataMatrix).to_image(scale=4)
    read = [text for text, _ in codes(np.array(drawn, np.uint8), ("DataMatrix",))]
    return "" if read == [_SAMPLE] else f"barcodes: zxing-cpp read {read} where {_SAMPLE} stands; install another version"


def codes(grey: Pixels, kinds: Collection[str]) -> list[tuple[str, str]]:
    """Text and kind of every barcode of these kinds in a grey picture, in any direction, dark on light or light on dark."""
    library = _library()
    if isinstance(library, ImportError) or not grey.size:
        return []
    formats = [getattr(library.BarcodeFormat, kind) for kind in kinds]
    # Plain: as it is coded. Otherwise the library spells out the control characters that part the words.
    found = library.read_barcodes(grey, formats=formats, text_mode=library.TextMode.Plain)
    return [(code.text, code.symbology.name) for code in found if code.valid and len(code.text) <= _LONGEST]
