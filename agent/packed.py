"""JSON made small, so that the row of a vehicle fits into one page of the store: what goes over a page costs the card three more."""

import zlib

_LEAST = 128  # bytes; below that nothing is saved, and a person can read the row as it is
_MOST = 1 << 24  # bytes; a stream of a few can say a million times as many, and then it is none of ours
_FIRST = b"x"  # of every zlib stream; JSON never begins so

# What rows say again and again, the most frequent last. Every row that was written with it needs it to be read: never change
# it; another one would stand beside it, and zlib says in each stream which one it was.
_WORDS = (
    b'"fields":[],"provider":"embedded","image":1,"latency_ms":1000,"request_id":"","text":"","confidence":[0.99,0.99,'
    b'{"capture":{"read_id":"01","camera":"cam1","gate":"gate","lane":"1","direction":"out","trigger":"motion","taken_at":{"utc_ms":17'
    b',"monotonic_ms":,"boot_id":"","trust":"unknown"},"frames_seen":1,"images":[{"read_id":"01","number":1,"taken_at":{"utc_ms":17'
    b'"width":640,"height":96,"line":{"x":1,"y":1,"width":590,"height":58},"quality":{"sharpness":212.4,"plate_px":[640,96],"glare":0.0,'
    b'"exposure_ms":null,"gain":null,"lens_position":null,"contrast":null,"light":null,"cut_off":false},"still":null}'
    b'],"readings":[],"put_ms":17{"provider":"","price":0.0,"booked_ms":17,"outcome":"ok"}'
    b'{"gate":"","stamp":{"utc_ms":17{"read_id":"01","seen_at":{"utc_ms":17,"monotonic_ms":,"boot_id":"","trust":"synced"},'
    b'"accepted":true,"way":["1","in"],"put_ms":17{"sequence":1,"put_ms":17'
    b'"type":"io.vinagent.audit.v1","dataschema":"https://vin-agent.example/schema/audit-1.json","what":"evicted","source":"outbox","why":'
    b'"type":"io.vinagent.read.unread.v1","dataschema":"https://vin-agent.example/schema/vin-unread-1.json"'
    b'"decision":"unread","reason":"no_plate","decision":"needs_review",'
    b'"previous":{"read_id":"01","ago_s":1},"document":{},"barcodes":["'
    b'{"id":"01","topic":"gate/north/vin","payload":{"specversion":"1.0","id":"01","source":"/site/","/agent/",'
    b'"type":"io.vinagent.read.final.v1","subject":"","time":"2026-01-01T00:00:00.000Z","datacontenttype":"application/json",'
    b'"dataschema":"https://vin-agent.example/schema/vin-read-1.json","recordedtime":"2026-01-01T00:00:00.000Z","data":{"read_id":"01",'
    b'"phase":"final","vin":"","decision":"accepted","valid":{"length":true,"alphabet":true,"check_digit":"pass","wmi_known":true},'
    b'"decoded":{"region":"Europe","country":"Germany","manufacturer":"","model_years":[2015,1985]},"confidence":0.98,'
    b'"char_confidence":[0.988,0.988,0.988,0.988,0.988,0.988],"raw":"","candidates":[{"vin":"","score":1.0,"votes":1}],'
    b'"frames":{"seen":14,"sent":1,"agreeing":1},"gate":"","lane":"1","direction":"in","camera":"cam1","trigger":"motion",'
    b'"quality":{"sharpness":212.4,"plate_px":[640,96],"glare":0.0,"exposure_ms":2.0},'
    b'"ocr":{"provider":"embedded","attempts":1,"latency_ms":640,"request_id":"","fallback":false},'
    b'"image":{"ref":"vin/2026/01/01/01.jpg","sha256":"","bytes":60000},'
    b'"clock":{"trust":"synced","boot_id":"","monotonic_ms":1},"agent":{"version":"1.0.0","config":""}}},"put_ms":17'
)


def packed(json: bytes) -> bytes:
    """The same in fewer bytes, where it is long enough for that; the same bytes for the same content, always."""
    if not _LEAST <= len(json) <= _MOST:
        return json
    stream = zlib.compressobj(zdict=_WORDS)
    return min(stream.compress(json) + stream.flush(), json, key=len)


def unpacked(content: bytes) -> bytes:
    """The JSON again, also of a row that was never made small; raises `ValueError` where that cannot be."""
    if not content.startswith(_FIRST):
        return content
    stream = zlib.decompressobj(zdict=_WORDS)
    try:
        json = stream.decompress(content, _MOST)
    except zlib.error as exc:
        raise ValueError(f"the row is no zlib stream of this release: {exc}") from exc
    if not stream.eof:
        raise ValueError("the row ends before its zlib stream does, or says more than any row does")
    return json
