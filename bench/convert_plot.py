"""What `bench.convert` found, drawn: seconds of each system by case, and over the size of a CSV."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {
    "inlet": "#0b6e4f",
    "inlet_spark": "#5fb49c",
    "spark": "#d1495b",
    "duckdb": "#e0a100",
    "polars": "#3d7dca",
    "pandas": "#8d6cab",
    "pyreadstat": "#6b4f4f",
    "dlt": "#7f7f7f",
}
Found = Mapping[str, Any]


def draw(cases: Sequence[Found], curve: Sequence[Found], path: Path) -> None:
    """Write one picture of both; an empty `curve` leaves its half away."""
    figure = Figure(figsize=(11 if curve else 6.5, 4.6), layout="constrained")
    panels = figure.subplots(1, 2 if curve else 1, squeeze=False)[0]
    _cases(panels[0], cases)
    if curve:
        _curve(panels[1], curve)
    figure.savefig(path)


def _cases(axes: Axes, found: Sequence[Found]) -> None:
    names = list(dict.fromkeys(one["case"] for one in found))
    for system, colour in COLOURS.items():
        of_it = [one for one in found if one["system"] == system]
        rows = [names.index(one["case"]) for one in of_it]
        size = 90 if system == "inlet" else 45
        axes.scatter([one["seconds"] for one in of_it], rows, s=size, color=colour, label=system, zorder=3)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("seconds from the delivered file to committed Parquet")
    axes.grid(axis="both", alpha=0.3)
    axes.legend(fontsize=8, loc="best")


def _curve(axes: Axes, found: Sequence[Found]) -> None:
    for system in dict.fromkeys(one["system"] for one in found):
        of_it = [one for one in found if one["system"] == system]
        sizes = [one["bytes"] / 1e6 for one in of_it]
        axes.plot(sizes, [one["seconds"] for one in of_it], "o-", color=COLOURS[system], label=system)
        whole = [one["seconds"] + one["python"] + one["session"] + one["workers"] for one in of_it]
        axes.plot(sizes, whole, ":", color=COLOURS[system])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("MB of CSV (dotted: with the start of Python, session and workers)")
    axes.set_ylabel("seconds")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def read(path: Path) -> list[Found]:
    """The results in a file, [] where there is none."""
    found: list[Found] = json.loads(path.read_text()) if path.exists() else []
    return found
