"""Recordings of encoded samples as Lance keeps them: one row a sample, never changed."""
