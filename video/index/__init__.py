"""The frame index of a clip: its values, how it is built from bytes, and how it is stored."""
