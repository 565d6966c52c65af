"""`python -m tests.bench [NAME ...]`: measure, and print tables. All of them without a name."""

from __future__ import annotations

import argparse

from . import closures, indexing, reheading

BENCHES = {
    "closures": closures.report,
    "indexing": indexing.report,
    "reheading": reheading.report,
}

parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
names = parser.parse_args().names
if unknown := set(names) - BENCHES.keys():
    parser.error(f"no bench {', '.join(sorted(unknown))}: there are {', '.join(BENCHES)}")
for name in names or BENCHES:
    BENCHES[name]()
