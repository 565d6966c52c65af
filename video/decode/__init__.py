"""Decoding: from coded samples to exact frames, in the pixel format asked for."""
