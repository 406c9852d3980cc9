"""Where the files beside the code are: examples and schemas, in an installed package as in a checkout."""

from pathlib import Path

_INSTALLED = Path(__file__).parent / "_config"
_CHECKOUT = Path(__file__).parent.parent / "config"


def shipped(name: str) -> Path:
    """The path of a file of `config/`, such as `demo.toml`."""
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return folder / name
