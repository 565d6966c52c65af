"""Expressions over tables of videos: `from marey import expressions as se`.

Columns come from tables (`clips["label"]`), values of the key table from `aux`, constants from
`lit` or as plain Python values. Operators combine them, `video` holds the functions on videos,
`Blob` and `Video` make values to write.
"""

from . import video
from .auxiliary import aux
from .blob import Blob, Video
from .node import Expr, lit, struct

__all__ = ["Blob", "Expr", "Video", "aux", "lit", "struct", "video"]
