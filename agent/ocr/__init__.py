"""Who reads a picture: what a provider has to do, and the list of the ones there are."""

import importlib
from functools import reduce
from types import TracebackType
from typing import Protocol, Self, cast

from agent import config
from agent.bounds import Bounds
from agent.document import Document
from agent.domain import EncodedImage, Reading
from agent.errors import BadConfig


class Provider(Protocol):
    """Reads one picture at a time; a context manager that owns its connection or its models."""

    name: str
    bounds: Bounds
    price: float  # money per call
    metered: bool  # its calls are counted, and booked before they are made
    per_s: float  # the most calls in a second; 0: as many as it can
    url: str  # where it answers, scheme and host; empty: on this device

    def read(self, image: EncodedImage) -> Reading:
        """What stands in the picture (text may be empty), or an `AgentError` that says what to do next."""

    def check(self, call: bool = False) -> tuple[str, ...]:
        """What was found right, a sentence each, or an `AgentError` about the first thing that is not.

        Nothing is paid for unless `call` is true, which has one small picture read.
        """

    def knows_time(self) -> bool:
        """Whether it can be asked although this device does not know the time: because the vendor has told it, or nobody needs it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class DocumentProvider(Provider, Protocol):
    """Reads licences: the whole page rather than a line, and more than the VIN."""

    def read_document(self, image: EncodedImage) -> tuple[Reading, Document]:
        """The reading as `read` gives it, and everything else that stands in the document: personal data."""


class ProviderClass(Protocol):
    """What a provider's module offers: the tightest bounds it may have without opening it, and a constructor.

    The constructor opens nothing; it raises `BadConfig` where the provider's section lacks something.
    """

    bounds: Bounds

    def __call__(self, settings: config.Settings) -> Provider: ...


# Imported on use: a gate that reads in the cloud has no need of the models, nor their memory.
PROVIDERS: dict[str, str] = {
    "aliyun": "agent.ocr.aliyun:Aliyun",
    "baidu": "agent.ocr.baidu:Baidu",
    "embedded": "agent.ocr.embedded:Embedded",
    "huawei": "agent.ocr.huawei:Huawei",
    "huawei-vehicle-licence": "agent.ocr.huawei:HuaweiVehicleLicence",
    "tencent": "agent.ocr.tencent:Tencent",
    "tencent-legacy-licence": "agent.ocr.tencent_legacy:TencentLegacyLicence",
    "tencent-legacy-vin": "agent.ocr.tencent_legacy:TencentLegacyVin",
    "tencent-vehicle-licence": "agent.ocr.tencent:TencentVehicleLicence",
}
DOCUMENTS = ("huawei-vehicle-licence", "tencent-legacy-licence", "tencent-vehicle-licence")


def provider_class(name: str) -> ProviderClass:
    """The class behind a name of `reading.chain`; raises `BadConfig` naming those there are."""
    if name not in PROVIDERS:
        raise BadConfig(f'reading.chain: there is no provider "{name}"; known: {", ".join(PROVIDERS)}')
    module, _, attribute = PROVIDERS[name].partition(":")
    return cast("ProviderClass", getattr(importlib.import_module(module), attribute))


def open_providers(settings: config.Settings) -> list[Provider]:
    """The chain in its order, none of them entered yet; raises `BadConfig` where one is unknown or lacks something."""
    return [provider_class(name)(settings) for name in settings.reading.chain]


def common_bounds(chain: tuple[str, ...], settings: config.Settings | None = None) -> Bounds:
    """What a picture has to meet so that every provider of the chain may read it; with `settings`, as they are set there."""
    classes = [provider_class(name) for name in chain]
    every = [each.bounds if settings is None else each(settings).bounds for each in classes]
    return reduce(Bounds.tightened, every, Bounds())
