"""The house has one-way doors: pure rooms know no edge, edges know no process, processes know no command."""

import ast
import sys
from pathlib import Path

import pytest

AGENT = Path(__file__).parent.parent / "agent"
MODULES = {".".join(file.relative_to(AGENT.parent).with_suffix("").parts).removesuffix(".__init__"): file for file in AGENT.rglob("*.py")}

# Each floor may use what stands on it or below. A module is on the floor of the longest name that fits it.
FLOORS = [
    [
        "agent",
        "agent.errors",
        "agent.bounds",
        "agent.domain",
        "agent.document",
        "agent.settings",
        "agent.vin",
        "agent.vin_code",
        "agent.vin_makers",
        "agent.vin_text",
        "agent.vision",
        "agent.toml_text",
        "agent.topics",
        "agent.commands",
        "agent.spans",
        "agent.events",
        "agent.corrected",
        "agent.discovery",
        "agent.reasons",
        "agent.state",
        "agent.ocr.sign",
        "agent.ocr.faults",
        "agent.ocr.beam",
        "agent.ocr.tables",
        "agent.scrub",
    ],
    [
        "agent.records",
        "agent.config",
        "agent.config_accounts",
        "agent.config_alarm",
        "agent.config_camera",
        "agent.config_http",
        "agent.config_network",
        "agent.config_picamera",
        "agent.config_power",
        "agent.config_providers",
    ],
    [
        "agent.arguments",
        "agent.arguments_queue",
        "agent.clock",
        "agent.failpoint",
        "agent.promise",
        "agent.systemd",
        "agent.logs",
        "agent.shipped",
        "agent.identity",
        "agent.power",
        "agent.writes",
    ],
    [
        "agent.packed",
        "agent.trouble",
        "agent.sqlite",
        "agent.table",
        "agent.schema",
        "agent.shape",
        "agent.damage",
        "agent.handover",
        "agent.pictures",
        "agent.ballast",
        "agent.forget",
        "agent.retention",
        "agent.queues",
        "agent.ledger",
        "agent.spots",
        "agent.arrivals",
        "agent.unsure",
        "agent.along",
        "agent.refuge",
        "agent.store",
        "agent.switches",
    ],
    ["agent.tls"],
    [
        "agent.bucket",
        "agent.inbox",
        "agent.mqtt_client",
        "agent.mqtt_properties",
        "agent.mqtt",
        "agent.outbox",
        "agent.publish",
        "agent.twins",
    ],
    ["agent.camera", "agent.ocr"],
    ["agent.books", "agent.clerk", "agent.doctor", "agent.figures", "agent.machine", "agent.rounds"],
    ["agent.wire", "agent.orphan", "agent.outgoing", "agent.incoming", "agent.watch", "agent.byhand", "agent.page", "agent.still"],
    [
        "agent.board",
        "agent.child",
        "agent.children",
        "agent.cooling",
        "agent.announced",
        "agent.health",
        "agent.seen",
        "agent.settling",
        "agent.stages",
        "agent.take",
    ],
    ["agent.control", "agent.ending", "agent.opening", "agent.orders", "agent.reboot", "agent.reload", "agent.worker"],
    ["agent.stopping", "agent.supervisor"],
    ["agent.demo_broker", "agent.demo", "agent.report"],
    ["agent.bundle", "agent.setup"],
    ["agent.cli"],
    ["agent.__main__"],
]
PURE = FLOORS[0]
# Reading or changing the world outside the process, or asking it for the time.
EDGES = {"asyncio", "httpx", "io", "multiprocessing", "os", "paho", "pathlib", "shutil", "signal", "socket", "sqlite3", "sqlitedict", "ssl",
         "subprocess", "tempfile", "threading", "time"}  # fmt: skip
# config and settings are edges by design.md, but pure rooms receive their sections as values: only the types may be imported.
SECTIONS = {"agent.config"}


def floor(module: str) -> int:
    fitting = [
        (len(name), level)
        for level, names in enumerate(FLOORS)
        for name in names
        if f"{module}.".startswith(f"{name}.") and name != "agent"
    ]
    if fitting:
        return max(fitting)[1]
    assert module == "agent", f"{module} stands on no floor: give it a room in FLOORS"
    return 0


def imports(file: Path) -> set[str]:
    """Modules that are imported when this one is; what a function imports when it runs is its own affair."""
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
            found |= inner or {node.module}
    return found


def is_pure(module: str) -> bool:
    return floor(module) == 0 and module != "agent.settings"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_imports_from_a_floor_above_its_own(module: str) -> None:
    for imported in imports(MODULES[module]):
        if imported in MODULES and not (is_pure(module) and imported in SECTIONS):
            assert floor(imported) <= floor(module), f"{module} imports {imported}"


@pytest.mark.parametrize("module", sorted(module for module in MODULES if is_pure(module)))
def test_pure_modules_touch_no_edge(module: str) -> None:
    touched = {name.partition(".")[0] for name in imports(MODULES[module])} & EDGES
    assert not touched, f"{module} imports {touched}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_opens_with_one_sentence_on_what_it_is_for(module: str) -> None:
    opening = (ast.get_docstring(ast.parse(MODULES[module].read_text("utf-8"))) or "").splitlines()
    assert opening
    assert opening[0].endswith((".", ":", "?")), f"{module}: {opening[0]!r}"


def test_the_parent_can_supervise_without_opencv() -> None:
    """Only the cameras' processes, and the embedded reader where it is used, may cost that memory."""
    reached, queue = set[str](), ["agent.supervisor"]
    while queue:
        module = queue.pop()
        for imported in imports(MODULES[module]):
            assert imported.partition(".")[0] not in {"cv2", "onnxruntime", "rapidocr", "picamera2"}, f"{module} imports {imported}"
            if imported in MODULES and imported not in reached:
                reached.add(imported)
                queue.append(imported)
    assert "agent.store" in reached


def test_nothing_but_the_standard_library_and_named_dependencies_is_imported() -> None:
    named = {
        "agent",
        "cv2",
        "httpcore",
        "httpx",
        "numpy",
        "paho",
        "sqlitedict",
        "ulid",
        "vininfo",
        "zxingcpp",
        "onnxruntime",
        "rapidocr",
        "PIL",
        "amqtt",
        "picamera2",
        "libcamera",
    }
    for module, file in MODULES.items():
        roots = {name.partition(".")[0] for name in imports(file)}
        assert roots - named <= set(sys.stdlib_module_names), module
