"""The body of an answer piece by piece, none of them large: what is packed may be a thousand times what came over the wire."""

import zlib
from collections.abc import Iterator

import httpx

_PIECE = 64 * 1024
_PACKED = ("gzip", "x-gzip", "deflate")


def parts(response: httpx.Response) -> Iterator[bytes]:
    """Pieces of at most 64 kB; raises `httpx.DecodingError` for a coding that is broken or unknown: none was asked for.

    The library unpacks whatever the network handed over in one go, 64 MB of zeros out of 64 kB, before anybody can count.
    """
    if response.is_stream_consumed:  # read whole by whoever made it
        yield response.content
        return
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        yield from response.iter_raw(_PIECE)
        return
    if coding not in _PACKED:
        raise httpx.DecodingError(f"packed as {coding[:20]!r}", request=response.request)
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # a header of gzip or zlib, whichever there is
    try:
        for packed in response.iter_raw(_PIECE):
            yield from unpacked(unpacker, packed)
    except zlib.error as exc:
        raise httpx.DecodingError(str(exc), request=response.request) from exc
    if not unpacker.eof:
        raise httpx.DecodingError("the packed body has no end", request=response.request)


def unpacked(unpacker: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """What one packed piece holds, as many pieces as it takes."""
    piece = b"-" * _PIECE
    while (packed or len(piece) == _PIECE) and not unpacker.eof:
        piece = unpacker.decompress(packed, _PIECE)
        packed = unpacker.unconsumed_tail
        yield piece
