"""Who reads a picture: what a provider has to do, and the list of the ones there are."""

from typing import Protocol

from agent.domain import Bounds, EncodedImage, Reading


class Provider(Protocol):
    """Reads one picture at a time; a context manager that owns its connection or its models."""

    name: str
    bounds: Bounds
    price: float  # money per call; 0 where reading costs nothing

    def read(self, image: EncodedImage) -> Reading:
        """What stands in the picture (text may be empty), or an `AgentError` that says what to do next."""
