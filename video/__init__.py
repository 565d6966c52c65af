"""Video as bytes in and frames out: containers, H.264 syntax, indexes, plans, decoding, remux.

A library of its own: it knows no table. Whoever holds the bytes of a video fits
`source.Reader`.
"""
