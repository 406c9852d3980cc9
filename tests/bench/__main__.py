"""Everything that is measured in a minute or two, one after the other: `python -m tests.bench`."""

from tests.bench import backlog, barcode, gate, latency, processes, store

BENCHES = (
    ("gate", gate.main),
    ("barcodes", barcode.main),
    ("processes", processes.main),
    ("store", lambda: store.main(5_000, None)),
    ("link", backlog.main),
    ("latency", latency.main),
)
for title, bench in BENCHES:
    print(f"== {title}", flush=True)
    bench()
