"""Frames as tensors of torch, in memory that they share with Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np

from ..errors import ConfigError, InputError, UnsupportedError
from .arrays import Bytes, frames_block, is_column, row_blocks

if TYPE_CHECKING:
    import torch  # pyright: ignore[reportMissingImports]  # an extra

Layout: TypeAlias = Literal["NHWC", "NCHW"]
Ragged: TypeAlias = Literal["raise", "list", "pad"]


@overload
def to_torch(
    frames: Any,
    *,
    layout: Layout = ...,
    ragged: Literal["raise", "pad"] = ...,
    pin_memory: bool = ...,
) -> torch.Tensor: ...


@overload
def to_torch(
    frames: Any, *, layout: Layout = ..., ragged: Literal["list"], pin_memory: bool = ...
) -> list[torch.Tensor]: ...


def to_torch(
    frames: Any,
    *,
    layout: Layout = "NHWC",
    ragged: Ragged = "raise",
    pin_memory: bool = False,
) -> torch.Tensor | list[torch.Tensor]:
    """A frames value or column as a tensor of bytes.

    It shares memory with the Arrow data where that is writable, as that of scans and loaders
    is; else it is a copy.

    Args:
        frames: As for `to_numpy`.
        layout: `NHWC` has the axes of `to_numpy`. `NCHW` has the channels before height and
            width, of `gray8` one: the same bytes seen otherwise, not copied, so not contiguous.
        ragged: What a column becomes whose rows have not all as many frames: `raise` refuses
            it. `list` gives a tensor for each row, whatever their sizes, of every column. `pad`
            gives one tensor of as many frames as the longest row has, with zeros behind the
            shorter ones; it is a copy then.
        pin_memory: Whether to copy into page-locked memory, from which a GPU copies by itself.

    Raises:
        InputError: As for `to_numpy`; or the layout is of pixels, and the frames are planes.
        ConfigError: A choice that there is not.
        UnsupportedError: torch is not installed (it comes with the extra `torch`), or it has no
            device to pin memory for.
    """
    if layout not in ("NHWC", "NCHW"):
        raise ConfigError(f"layout must be 'NHWC' or 'NCHW', got {layout!r}")
    if ragged not in ("raise", "list", "pad"):
        raise ConfigError(f"ragged must be 'raise', 'list' or 'pad', got {ragged!r}")
    if ragged == "raise" or not is_column(frames):
        axes = 2 if is_column(frames) else 1
        return _tensor(frames_block(frames), axes, layout, pin_memory=pin_memory)
    rows = row_blocks(frames)
    if ragged == "list":
        return [_tensor(row, 1, layout, pin_memory=pin_memory) for row in rows]
    return _tensor(_padded(rows), 2, layout, pin_memory=pin_memory)


def _padded(rows: list[Bytes]) -> Bytes:
    """One block as long as the longest row."""
    shapes = {row.shape[1:] for row in rows}
    if len(shapes) > 1:
        raise InputError(
            f"rows have frames of shapes {sorted(map(list, shapes))}, and only their number "
            'can be padded: read with height= and width= for one shape, or take ragged="list"'
        )
    longest = max(map(len, rows), default=0)
    shape = shapes.pop() if shapes else (0, 0, 3)
    block = np.zeros((len(rows), longest, *shape), np.uint8)
    for place, row in zip(block, rows, strict=True):
        place[: len(row)] = row
    return block


def _tensor(block: Bytes, axes: int, layout: Layout, *, pin_memory: bool) -> torch.Tensor:
    """A tensor over a block that has so many axes before those of a frame."""
    made = _torch().from_numpy(block if block.flags.writeable else block.copy())
    tensor: torch.Tensor = made
    if layout == "NCHW":
        match tensor.ndim - axes:
            case 3:
                tensor = tensor.movedim(-1, -3)
            case 2:
                tensor = tensor.unsqueeze(-3)
            case _:
                raise InputError(
                    'layout="NCHW" is of pixels (rgb24, gray8), and these frames are planes'
                )
    if not pin_memory:
        return tensor
    try:
        return tensor.pin_memory()
    except RuntimeError as error:
        raise UnsupportedError(f"pin_memory: torch has no device for it: {error}") from error


def _torch() -> Any:
    try:
        import torch  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise UnsupportedError(
            "to_torch needs torch, which is not installed: pip install 'marey[torch]'"
        ) from error
    return torch
