"""MP4, MOV and 3GP files (ISO/IEC 14496-12, QuickTime): their boxes read and written.

`movie.read_movie` gives the tracks and their samples, `edits.present` the packets that a player
decodes, `write.build_mp4` a new file. Clause numbers are those of ISO/IEC 14496-12:2015.
"""
