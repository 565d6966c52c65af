"""How far a pass over a loader has come, and the state that another one resumes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import InputError
from .order import Batches


@dataclass(slots=True)
class Progress:
    """The batches of one pass, and how many of them were given."""

    batches: Batches
    """What the pass gives, as this process makes them."""
    given: int = 0
    """How many this process has given."""

    def to_state(self) -> dict[str, int]:
        """What tells the rows that are left: the next one, where this process gives all.

        A worker of torch knows its own batches alone: those that it has given of a pass that
        began at `next_row`.
        """
        batches = self.batches
        if batches.workers == 1:
            return {"next_row": batches.row_after(self.given)}
        return {
            "next_row": batches.start,
            "given": self.given,
            "batch_size": batches.size,
            "worker": batches.worker,
            "workers": batches.workers,
        }


def resumed(batches: Batches, state: Mapping[str, Any]) -> Progress:
    """A pass over what is left.

    Args:
        batches: Of a whole pass, as this process makes them.
        state: What `Progress.to_state` gave.

    Raises:
        InputError: It is of another worker, or not from here.
    """
    next_row = _number(state, "next_row")
    if next_row > batches.stop:
        raise InputError(
            f"loader state: next_row is {next_row}, this share has {batches.stop} rows"
        )
    rest = replace(batches, start=next_row)
    if "worker" not in state:
        return Progress(rest)
    here = {"batch_size": rest.size, "worker": rest.worker, "workers": rest.workers}
    for key, value in here.items():
        if _number(state, key) != value:
            raise InputError(
                f"loader state: it is of {key} {state[key]}, and this loader has {value}: a "
                "state of torch's workers resumes with as many workers and rows in a batch"
            )
    return Progress(rest, min(_number(state, "given"), len(rest)))


def _number(state: Mapping[str, Any], key: str) -> int:
    value = state.get(key)
    if type(value) is not int or value < 0:
        raise InputError(f"loader state: {key} must be a whole number, found {value!r}")
    return value
