"""Video as bytes in and frames out: containers, H.264 syntax, indexes, plans, decoding, remux.

A library of its own: it knows no table. Whoever holds the bytes of a video fits
`source.Reader`.

`transcode` and `prefix` are functions here, and the modules that hold them have the same names:
`from marey.video.transcode import TranscodeReport` reaches into a module all the same.
"""

from .prefix import prefix
from .transcode import transcode

__all__ = ["prefix", "transcode"]
