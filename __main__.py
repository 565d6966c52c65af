"""`python -m marey` is `marey`."""

import sys

from .engine.cli.main import run

if __name__ == "__main__":
    sys.exit(run())
