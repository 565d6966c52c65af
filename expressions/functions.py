"""The public functions on videos: one table for `se.video`, for SQL and for the reference.

Inside DataFusion each is a function of fixed arity with exact types, called with a typed NULL
for whatever was left out: a null optional argument means its default. Numbers travel as
doubles. DataFusion cuts 1.5 to 1 where an integer is wanted, without a word, and fails the
whole query on -1 where an unsigned one is. A double carries both to the kernel, which refuses
them row by row, and it is exact for every number that can be a frame or a size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import pyarrow as pa
import pyarrow.types as pat

from ..errors import FunctionNotFoundError
from ..storage.columns import is_list
from .conditions import (
    AT_LEAST_ONE,
    FINITE,
    NOT_ZERO,
    POSITIVE,
    SEED,
    SIDE,
    SOME_FRAMES,
    Condition,
    one_of,
)
from .dtypes import (
    FRAME_LIST,
    HANDLE,
    READ_REQUEST,
    REMUX_REQUEST,
    RESERVED_PREFIX,
    TIMED_READ_REQUEST,
    DataType,
    name_of,
)
from .near import near_names

Argument = TypeVar("Argument")

SECONDS_LIST = pa.list_(pa.float64())
"""Times on the presentation timeline."""

TIMES_LIST = pa.list_(pa.timestamp("ns"))
"""Times of a clock, which the frames of recorded streams have."""

NUMBERS_LIST = pa.list_(pa.int64())
"""Times as whole numbers, which the frames of recorded streams can have: those of any size are
exact, where doubles round those above 2**53."""

PIXEL_FORMATS = ("rgb24", "gray8", "yuv420p", "native")
"""What the pixels of a frame can be."""

TIMED = "_timed"
"""Ends the internal name of a function that gives or takes times of a clock."""

NUMBERED = "_numbered"
"""Ends the internal name of a function that takes times as whole numbers."""

EITHER = "_either"
"""Ends the internal name of one that takes seconds or times of a clock, whichever its argument
turns out to be: both, converted, and the name of the type that they were converted from."""

AT_MODES = ("floor", "nearest", "ceil", "exact")
"""How a time chooses a frame."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a public function."""

    name: str
    """Its name in Python and in SQL."""
    dtype: DataType
    """The type that people give: `HANDLE` stands for a video column."""
    text: str
    """What it says, for the reference."""
    required: bool = False
    """Whether a call must give it."""
    default: object = None
    """What a null stands for, where it is optional; None: see the text."""
    condition: Condition | None = None
    """What its values must satisfy."""

    @property
    def type_name(self) -> str:
        """The type as people know it."""
        return name_of(self.dtype)

    @property
    def wire_type(self) -> DataType:
        """The type that the internal function takes."""
        if pat.is_integer(self.dtype):
            return pa.float64()
        if is_list(self.dtype) and self.dtype not in (TIMES_LIST, NUMBERS_LIST):
            return pa.list_(pa.float64())
        return self.dtype


@dataclass(frozen=True, slots=True)
class Function:
    """One public function."""

    name: str
    """Its name in SQL; `se.video` drops the `video_`."""
    parameters: tuple[Parameter, ...]
    """In order; the required ones come first."""
    returns: DataType
    """The type of a call inside DataFusion."""
    text: str
    """What it gives, for the reference."""
    every_frame: bool = False
    """Whether leaving out `frame_indices` means every frame. Then there is a variant without
    it: a list that is merely null in some row gives null there."""

    @property
    def python_name(self) -> str:
        """Its name in `se.video`."""
        return self.name.removeprefix("video_")

    def parameter(self, name: str) -> Parameter:
        """A parameter by name.

        Raises:
            FunctionNotFoundError: The function has none of that name.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        known = [parameter.name for parameter in self.parameters]
        raise FunctionNotFoundError(
            f"{self.name} has no parameter {name!r}{near_names(name, known)}"
        )

    def internal(self, *, every_frame: bool) -> tuple[str, tuple[Parameter, ...]]:
        """The DataFusion function behind a call, and which parameters it takes.

        >>> FUNCTIONS["video_remux"].internal(every_frame=True)[0]
        '__marey_remux_every'
        """
        name = RESERVED_PREFIX + self.python_name
        if not every_frame:
            return name, self.parameters
        rest = tuple(p for p in self.parameters if p.name != "frame_indices")
        return f"{name}_every", rest

    def bind(
        self,
        arguments: Sequence[Argument | None],
        *,
        timed: bool = False,
        numbered: bool = False,
    ) -> tuple[str, list[tuple[Parameter, Argument | None]]]:
        """The internal function of a call, and what each of its parameters is given.

        Args:
            arguments: By position in `parameters`; None for what is left out.
            timed: Whether it gives or takes times of a clock.
            numbered: Whether it takes times as whole numbers.
        """
        given = dict(zip((p.name for p in self.parameters), arguments, strict=True))
        every_frame = self.every_frame and given["frame_indices"] is None
        name, parameters = self.internal(every_frame=every_frame)
        if timed or numbered:
            name += TIMED if timed else NUMBERED
            parameters = next(p for variant, p, _ in self.variants() if variant == name)
        return name, [(parameter, given[parameter.name]) for parameter in parameters]

    def variants(self) -> list[tuple[str, tuple[Parameter, ...], DataType]]:
        """All DataFusion functions behind its calls: name, parameters, what each gives."""
        found = []
        for every_frame in (False, True) if self.every_frame else (False,):
            name, parameters = self.internal(every_frame=every_frame)
            found.append((name, parameters, self.returns))
            if self.returns == READ_REQUEST:
                found.append((name + TIMED, parameters, TIMED_READ_REQUEST))
            if any(p.dtype == SECONDS_LIST for p in parameters):
                for ending, dtype in ((TIMED, TIMES_LIST), (NUMBERED, NUMBERS_LIST)):
                    exact = tuple(
                        replace(p, dtype=dtype) if p.dtype == SECONDS_LIST else p
                        for p in parameters
                    )
                    found.append((name + ending, exact, self.returns))
                found.append((name + EITHER, _either(parameters), self.returns))
        return found


def _either(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Parameters of a function that ends in `EITHER`."""
    found: list[Parameter] = []
    for parameter in parameters:
        found.append(parameter)
        if parameter.dtype == SECONDS_LIST:
            found.append(replace(parameter, name="times", dtype=TIMES_LIST))
            found.append(Parameter("type", pa.string(), "The type of both."))
    return tuple(found)


_VIDEO = Parameter("video", HANDLE, "A video column.", required=True)
_FRAMES = Parameter(
    "frame_indices",
    FRAME_LIST,
    "Frame numbers in display order, from 0; order and duplicates are kept. Left out: every "
    "frame. Null: null.",
)

_ALL = (
    Function(
        "video_read",
        (
            _VIDEO,
            _FRAMES,
            Parameter(
                "height",
                pa.int32(),
                "Rows of pixels. Left out: follows from the width, or from the clip.",
                condition=SIDE,
            ),
            Parameter(
                "width",
                pa.int32(),
                "Pixels a row. Left out: follows from the height, or from the clip.",
                condition=SIDE,
            ),
            Parameter(
                "pixel_format",
                pa.string(),
                "`rgb24`, `gray8`, `yuv420p`, or `native`: the stream's own planes.",
                default="rgb24",
                condition=one_of(PIXEL_FORMATS),
            ),
        ),
        READ_REQUEST,
        "The pixels of the chosen frames.",
        every_frame=True,
    ),
    Function(
        "video_remux",
        (
            _VIDEO,
            Parameter(
                "frame_indices",
                FRAME_LIST,
                "Frame numbers in display order, from 0. Left out: every frame. Null: null.",
                condition=SOME_FRAMES,
            ),
            Parameter(
                "audio",
                pa.bool_(),
                "Whether to keep the sound: of frames that follow each other without a gap.",
                default=False,
            ),
        ),
        REMUX_REQUEST,
        "A playable MP4 of the chosen frames in display order, each once, not encoded anew.",
        every_frame=True,
    ),
    Function(
        "video_uniform",
        (
            _VIDEO,
            Parameter("n", pa.int64(), "How many.", required=True, condition=AT_LEAST_ONE),
            Parameter(
                "jitter_seed",
                pa.int64(),
                "Takes a frame of each part by chance, in place of the middle one.",
                condition=SEED,
            ),
        ),
        FRAME_LIST,
        "`n` frames spread evenly: the middle frame of each of `n` equal parts. A clip of "
        "fewer frames gives each once.",
    ),
    Function(
        "video_random_clip",
        (
            _VIDEO,
            Parameter("frames", pa.int64(), "How many.", required=True, condition=AT_LEAST_ONE),
            Parameter(
                "stride",
                pa.int64(),
                "From one to the next.",
                default=1,
                condition=AT_LEAST_ONE,
            ),
            Parameter(
                "seed", pa.int64(), "Another one, other clips.", default=0, condition=SEED
            ),
        ),
        FRAME_LIST,
        "Every `stride`-th frame from one drawn by chance on, `frames` of them. A clip too "
        "short for them gives those that it has.",
    ),
    Function(
        "video_every",
        (
            _VIDEO,
            Parameter(
                "fps", pa.float64(), "Frames a second.", required=True, condition=POSITIVE
            ),
        ),
        FRAME_LIST,
        "The frame on screen at each tick of a clock that starts with the first frame. Ticks "
        "are exact: 29.97 means 30000/1001. Above the clip's own rate frames repeat.",
    ),
    Function(
        "video_at",
        (
            _VIDEO,
            Parameter(
                "seconds",
                SECONDS_LIST,
                "Times as `pts_seconds` gives them; one time alone will do. Of a recorded "
                "stream timestamps too, and whole numbers exactly.",
                required=True,
                condition=FINITE,
            ),
            Parameter(
                "mode",
                pa.string(),
                "`floor`: the frame on screen. `ceil`: the next one to begin. `nearest`: the "
                "one whose beginning is nearest, the earlier of two. `exact`: the one that "
                "begins then.",
                default="floor",
                condition=one_of(AT_MODES),
            ),
        ),
        FRAME_LIST,
        "The frame at each time. A time before the first frame (`floor`), after the last "
        "(`ceil`), or at which none begins (`exact`), is an error of that row.",
    ),
    Function(
        "video_range",
        (
            _VIDEO,
            Parameter(
                "start",
                pa.int64(),
                "The first frame; a negative one counts from the end.",
                required=True,
            ),
            Parameter(
                "stop",
                pa.int64(),
                "The frame to stop before; a negative one counts from the end. Left out: "
                "as far as there are frames.",
            ),
            Parameter(
                "step", pa.int64(), "From one to the next.", default=1, condition=NOT_ZERO
            ),
        ),
        FRAME_LIST,
        "Frames as a Python slice takes them, clipped to those that there are.",
    ),
    Function(
        "video_keyframes",
        (_VIDEO,),
        FRAME_LIST,
        "The frames at which decoding can start.",
    ),
)

FUNCTIONS: dict[str, Function] = {function.name: function for function in _ALL}
"""By name in SQL."""

PUBLIC_NAMES: dict[str, str] = {
    name: function.name for function in _ALL for name, _, _ in function.variants()
}
"""Names in SQL by internal names."""


def find_function(name: str) -> Function:
    """A function by its name in SQL.

    Raises:
        FunctionNotFoundError: There is none; the message offers near names.
    """
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise FunctionNotFoundError(f"no function {name!r}{near_names(name, FUNCTIONS)}")
