"""Who reads a picture: what a provider has to do, and the list of the ones there are."""

import importlib
from functools import reduce
from types import TracebackType
from typing import Protocol, Self, cast

from agent import config
from agent.domain import Bounds, EncodedImage, Reading
from agent.errors import BadConfig


class Provider(Protocol):
    """Reads one picture at a time; a context manager that owns its connection or its models."""

    name: str
    bounds: Bounds
    price: float  # money per call
    metered: bool  # its calls are counted, and booked before they are made

    def read(self, image: EncodedImage) -> Reading:
        """What stands in the picture (text may be empty), or an `AgentError` that says what to do next."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class ProviderClass(Protocol):
    """What a provider's module offers: its bounds without opening it, and a constructor."""

    bounds: Bounds

    def __call__(self, settings: config.Reading) -> Provider: ...


# Imported on use: a gate that reads in the cloud has no need of the models, nor their memory.
PROVIDERS: dict[str, str] = {
    "embedded": "agent.ocr.embedded:Embedded",
}


def provider_class(name: str) -> ProviderClass:
    """The class behind a name of `reading.chain`; raises `BadConfig` naming those there are."""
    if name not in PROVIDERS:
        raise BadConfig(f'reading.chain: there is no provider "{name}"; known: {", ".join(PROVIDERS)}')
    module, _, attribute = PROVIDERS[name].partition(":")
    return cast("ProviderClass", getattr(importlib.import_module(module), attribute))


def common_bounds(chain: tuple[str, ...]) -> Bounds:
    """What a picture has to meet so that every provider of the chain may read it."""
    return reduce(Bounds.tightened, (provider_class(name).bounds for name in chain), Bounds())
