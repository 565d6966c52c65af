"""Stored tables, kept by Lance: built rows go in, rows and byte ranges of videos come out.

No other layer knows Lance, and this one knows neither video nor expressions.
"""
