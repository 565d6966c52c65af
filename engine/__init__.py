"""Queries over tables of videos: sessions, scans, SQL, and how they run."""
