"""Datasets of recordings: streams of encoded samples, logged, queried and decoded in place."""
