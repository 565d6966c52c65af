"""Bits and bytes: Exp-Golomb codes, emulation prevention, big-endian fields."""
