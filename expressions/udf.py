"""The functions on videos as DataFusion functions, for one query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datafusion

from .functions import FUNCTIONS
from .kernels import KERNELS, IndexSource


class VideoFunctions:
    """The internal functions, bound to what one query knows of its videos.

    They are declared immutable: a call that stands twice in a query is then made once.
    """

    def __init__(self, source: IndexSource) -> None:
        self._functions: dict[str, datafusion.ScalarUDF] = {}
        for function in FUNCTIONS.values():
            for every_frame in (False, True) if function.every_frame else (False,):
                name, parameters = function.internal(every_frame=every_frame)
                types = [parameter.wire_type for parameter in parameters]
                self._functions[name] = datafusion.udf(
                    _guarded(KERNELS[name], source), types, function.returns, "immutable", name
                )

    def register(self, session: datafusion.SessionContext) -> None:
        """Make them known to the SQL of a session, under their internal names."""
        for function in self._functions.values():
            session.register_udf(function)

    def call(self, name: str, *arguments: datafusion.Expr) -> datafusion.Expr:
        """A call of an internal function."""
        return self._functions[name](*arguments)


def _guarded(kernel: Callable[..., Any], source: IndexSource) -> Callable[..., Any]:
    """The kernel as DataFusion calls it; an exception is kept before its text alone goes on."""

    def call(*arrays: Any) -> Any:
        try:
            return kernel(source, *arrays)
        except BaseException as error:
            if source.raised is None:
                source.raised = error
            raise

    return call
