"""What one rendered pass is going to be: plate, vehicle, way and light, all of it drawn from the seed and the number of the pass alone."""

from dataclasses import dataclass
from typing import Literal, get_args

from numpy.random import Generator, default_rng

from agent.camera import scene
from agent.camera.lettering import Style
from tests.bench.rendered.boards import FACES, Face
from tests.bench.rendered.ride import Ride, crossing, driving_by, halting

Condition = Literal["day", "night", "rain", "glare", "speed", "tilt", "mixed"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
# What takes turns under "mixed".
KINDS = ("small", "stamped", "dots", "light on dark", "queue", "label", "sign")
SIZES = ((1280, 720), (1920, 1080))
SIGNS = ("DEPOT 7 TEL 0800 5550137", "NO ENTRY 22:00-06:00 ZONE 4", "WEIGHBRIDGE 60 T MAX 3.20 M", "ASSET AT2048 7731 90KR5")


@dataclass(frozen=True, slots=True)
class Board:
    """One VIN plate: `capital` is the height of its letters in the frame where the vehicle is nearest, `turn` roll, yaw and pitch."""

    vin: str
    style: Style
    face: Face
    capital: float
    stretch: float
    gap: float
    among_lines: bool
    turn: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Glare:
    """A highlight that wanders along the line: `strength` in grey levels, the rest in text widths and text widths a second."""

    strength: float
    radius: float
    at_stop: float
    rolling: float
    standing: float
    above: float


@dataclass(frozen=True, slots=True)
class Light:
    """The hour and the weather: `gain` of the light on the vehicle, `noise` of the sensor in grey levels."""

    night: bool
    gain: float
    noise: float
    exposure_s: float
    soft: float
    rain: int = 0
    drops: int = 0
    glare: Glare | None = None


@dataclass(frozen=True, slots=True)
class Vehicle:
    board: Board
    ride: Ride


@dataclass(frozen=True, slots=True)
class Plan:
    """One pass, or two where vehicles queue; `kind` is what is special in it, the condition itself where nothing else is."""

    seed: int
    number: int
    condition: Condition
    kind: str
    size: tuple[int, int]
    light: Light
    vehicles: tuple[Vehicle, ...]
    sign: str = ""

    @property
    def truth(self) -> tuple[str, ...]:
        return tuple(vehicle.board.vin for vehicle in self.vehicles)

    @property
    def lasts_s(self) -> float:
        """Until the road has been empty for long enough to end any pass."""
        return self.vehicles[-1].ride.gone_s + 1.2

    def dice(self, purpose: int) -> Generator:
        return default_rng((self.seed, self.number, purpose))


def condition_of(number: int) -> Condition:
    return CONDITIONS[number % len(CONDITIONS)]


def kind_of(number: int) -> str:
    condition = condition_of(number)
    return KINDS[number // len(CONDITIONS) % len(KINDS)] if condition == "mixed" else condition


def vehicles_in(number: int) -> int:
    return 2 if kind_of(number) == "queue" else 1


def plan(seed: int, number: int) -> Plan:
    dice, condition, kind = default_rng((seed, number, 1)), condition_of(number), kind_of(number)
    size = SIZES[int(dice.random() < 0.6)]
    first = Vehicle(_board(dice, seed, 2 * number, kind, size), _ride(dice, kind))
    vehicles: tuple[Vehicle, ...] = (first,)
    if kind == "queue":
        follows_s = first.ride.goes_s + float(dice.uniform(0.1, 1.0))
        vehicles = (first, Vehicle(_board(dice, seed, 2 * number + 1, kind, size), halting(dice, follows_s)))
    sign = str(dice.choice(SIGNS)) if kind == "sign" else ""
    return Plan(seed, number, condition, kind, size, _light(dice, kind, first), vehicles, sign)


def _board(dice: Generator, seed: int, vehicle: int, kind: str, size: tuple[int, int]) -> Board:
    style: Style = ("dash", "label", "stamped")[int(dice.choice(3, p=(0.4, 0.35, 0.25)))]
    face: Face = FACES[int(dice.integers(len(FACES) - 1))] if style == "stamped" or dice.random() < 0.5 else "print"
    if kind in ("stamped", "dots"):
        style, face = "stamped", "dots" if kind == "dots" else FACES[1 + int(dice.integers(len(FACES) - 2))]
    if kind in ("light on dark", "label"):
        style = "dash" if kind == "light on dark" else "label"
    low, high = {"small": (14, 20), "tilt": (18, 32)}.get(kind, (18, 40))
    capital = min(float(dice.uniform(low, high)), size[0] / 40)
    turn = (float(dice.normal(0, 2)), float(dice.uniform(-8, 8)), float(dice.uniform(-8, 8)))
    if kind == "tilt":
        turn = (float(dice.uniform(-30, 30)), float(dice.uniform(-35, 35)), float(dice.uniform(-35, 35)))
    stretch, gap = float(dice.uniform(0.85, 1.15)), float(dice.uniform(0.08, 0.3))
    return Board(scene.vin_of(seed, vehicle), style, face, capital, stretch, gap, kind == "label", turn)


def _ride(dice: Generator, kind: str) -> Ride:
    begins_s = 0.25 + float(dice.uniform(0, 0.125))
    if kind != "speed":
        return halting(dice, begins_s)
    return driving_by(dice, begins_s) if dice.random() < 0.5 else crossing(dice, begins_s)


def _light(dice: Generator, kind: str, first: Vehicle) -> Light:
    """A camera is set up so that exposures suit the hour; at a gate where nobody stops they are short."""
    soft = float(dice.uniform(0.3, 0.8))
    if kind == "night":
        return Light(True, float(dice.uniform(0.3, 0.65)), float(dice.uniform(4, 11)), float(dice.uniform(0.004, 0.012)), soft)
    gain, noise = float(dice.uniform(0.6, 1.05)), float(dice.uniform(1.5, 4))
    if kind == "speed":
        # Chosen by how far the letters move: between a twentieth and a third of the step from one to the next.
        return Light(False, gain, noise, first.ride.exposure(float(dice.uniform(0.05, 0.33)) * 0.75 * first.board.capital), soft)
    if kind == "rain":
        return Light(False, 0.85 * gain, noise + 1, 0.004, soft, rain=int(dice.integers(2, 5)), drops=int(dice.integers(3, 12)))
    return Light(False, gain, noise, float(dice.uniform(0.001, 0.005)), soft, glare=_glare(dice) if kind == "glare" else None)


def _glare(dice: Generator) -> Glare:
    """Strong enough to wipe letters out; it crosses the line while the vehicle rolls and drifts on while that stands."""
    side = float(dice.choice([-1, 1]))
    return Glare(
        strength=float(dice.uniform(120, 255)),
        radius=float(dice.uniform(0.15, 0.4)),
        at_stop=side * float(dice.uniform(-0.3, 0.6)),
        rolling=side * float(dice.uniform(0.6, 1.5)),
        standing=side * float(dice.uniform(0.25, 0.8)),
        above=float(dice.uniform(-0.03, 0.03)),
    )
