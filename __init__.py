"""Marey: an embedded columnar table engine for video.

Names are loaded when they are first used: `import marey.video.plan` brings in neither a decoder
nor a storage engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import errors, expressions
    from .engine.arrays import to_numpy
    from .engine.config import EngineConfig
    from .engine.session import Marey
    from .engine.tensors import to_torch
    from .video.plan import SourceCost

__version__ = "0.1.0"

__all__ = [
    "EngineConfig",
    "Marey",
    "SourceCost",
    "__version__",
    "errors",
    "expressions",
    "to_numpy",
    "to_torch",
]

_MODULES = {
    "EngineConfig": "engine.config",
    "Marey": "engine.session",
    "SourceCost": "video.plan",
    "to_numpy": "engine.arrays",
    "to_torch": "engine.tensors",
}


def __getattr__(name: str) -> object:
    if name in ("errors", "expressions"):
        return import_module(f".{name}", __name__)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
