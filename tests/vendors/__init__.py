"""The vendors' APIs on loopback, as their documents describe them, faults included.

By hand: `python -m tests.vendors [--port N] [--tls] [--vin VIN]` prints credentials and a configuration, then one line per call; without
`--vin` the embedded reader looks at the pictures.

In a test:

    with VendorServer({picture: "LSVAA4182E2184847"}) as server:
        server.url("tencent")                # http://127.0.0.1:PORT, stands for https://<the vendor's host>; server.host without a scheme
        server.accounts.tencent_id           # every key the vendors have on file (Accounts)
        server.show(picture, Card("LSV…"))   # what one more picture shows; VendorServer(reader=…) asks a callable for unknown ones
        server.calls["tencent"].billed       # Tally: requests, served, billed, lost, codes, pictures, paid, paid_twice
        server.last["huawei"].headers        # the last Call: method, path, query, headers, body, status, code, billed
        server.fail("tencent", "InternalError", times=2)            # any name of codes("tencent"); times=None for all that follow
        server.misbehave("huawei", "cut after")                     # any of KINDS: billed, but not delivered
        server.slow("huawei", 2.5)                                  # computed and billed at once, sent late
        server.at_random(0.05, seed=7, kinds=[…], among=[…])        # anything, repeatably
        server.heal()
        server.set_clock(1_700_000_000)      # and with it the Date header
        server.limit("tencent", 10)          # calls a second; server.quota("huawei", 100) of billed ones
        server.shape("tencent-legacy", "example")                   # the shapes of SHAPES[vendor]: how the documents contradict themselves
        server.expire_tokens()

Vendors: tencent, huawei, huawei-iam, tencent-legacy, baidu, baidu-token, aliyun. All share one port: a call is known by its path, its
action header or its Host. `VendorServer(tls=Authority(folder))` speaks TLS; the authority's file is the one to trust.
`clients` points the vendors' own SDKs at a server, `byhand` signs calls where there is none.
`CODES` lists every documented error, `codes(vendor)` those of one; a `Code` has vendor, name, code, status, message, billed.
"""

from tests.vendors.desk import DESKS
from tests.vendors.errors import CODES, Code, code, codes
from tests.vendors.faults import KINDS, Kind
from tests.vendors.server import VendorServer
from tests.vendors.wire import Call, digest
from tests.vendors.world import VENDORS, Accounts, Card

SHAPES = {vendor: desk.SHAPES for vendor, desk in DESKS.items()}

__all__ = ["CODES", "KINDS", "SHAPES", "VENDORS", "Accounts", "Call", "Card", "Code", "Kind", "VendorServer", "code", "codes", "digest"]
