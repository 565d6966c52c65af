"""Functions that DataFusion lacks, made for one query: those on videos, exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import datafusion

from . import arithmetic
from .dtypes import DataType
from .functions import FUNCTIONS
from .kernel_rows import Array, IndexSource
from .kernels import KERNELS

Kernel: TypeAlias = Callable[..., Array]


class VideoFunctions:
    """The internal functions, bound to what one query knows of its videos.

    They are declared immutable: a call that stands twice in a query is then made once.
    """

    def __init__(self, source: IndexSource) -> None:
        self._source = source
        self._functions: dict[str, datafusion.ScalarUDF] = {}
        for function in FUNCTIONS.values():
            for name, parameters, returns in function.variants():
                types = [parameter.wire_type for parameter in parameters]
                self._add(name, partial(KERNELS[name], source), types, returns)
        for name, (dtype, kernel) in arithmetic.KERNELS.items():
            self._add(name, kernel, [dtype, dtype], dtype)

    def _add(self, name: str, kernel: Kernel, types: list[DataType], returns: DataType) -> None:
        guarded = _guarded(kernel, self._source)
        self._functions[name] = datafusion.udf(guarded, types, returns, "immutable", name)

    def register(self, session: datafusion.SessionContext) -> None:
        """Make them known to the SQL of a session, under their internal names."""
        for function in self._functions.values():
            session.register_udf(function)

    def call(self, name: str, *arguments: datafusion.Expr) -> datafusion.Expr:
        """A call of an internal function."""
        return self._functions[name](*arguments)


def _guarded(kernel: Kernel, source: IndexSource) -> Kernel:
    """The kernel as DataFusion calls it; an exception is kept before its text alone goes on."""

    def call(*arrays: Array) -> Array:
        try:
            return kernel(*arrays)
        except BaseException as error:
            if source.raised is None:
                source.raised = error
            raise

    return call
