"""H.264 without pixels: syntax, and the reference part of the decoding process (ITU-T H.264).

Names are the standard's own; clause numbers are those of the 2019 edition and later.
"""
