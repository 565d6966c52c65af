"""CPU ratios, as JSON on standard input, drawn into the PNG file that is named."""

from __future__ import annotations

import json
import sys

import matplotlib as mpl
from matplotlib import pyplot

COLOURS = ("#0b6e4f", "#8d99ae", "#e09f3e", "#9e2a2b", "#335c67", "#7b506f")


def draw(ratios: dict[str, dict[str, float | None]], path: str) -> None:
    """A dot for each engine in the row of each case; the limit is the line at 1."""
    mpl.use("Agg")
    cases = list(ratios)[::-1]
    names = list(dict.fromkeys(name for found in ratios.values() for name in found))
    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(cases) + 1.2), layout="constrained")
    axes.axvline(1, color="black", linewidth=0.8)
    for name, colour in zip(names, COLOURS, strict=False):
        points = [(ratios[case].get(name), row) for row, case in enumerate(cases)]
        known = [(ratio, row) for ratio, row in points if ratio is not None]
        size = 60 if name == "marey" else 28
        axes.scatter(*zip(*known, strict=True), s=size, color=colour, label=name, zorder=3)
    axes.set_xscale("log")
    ticks = [0.5, 1, 1.5, 2, 3, 5, 10]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(cases)), cases)
    axes.grid(axis="both", color="#dddddd", linewidth=0.5)
    axes.set_xlabel("CPU time, ratio to the decode limit (1: the decoder alone)")
    figure.legend(loc="outside upper right", ncols=len(names), fontsize="small")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(json.load(sys.stdin), sys.argv[1])
