"""Pictures as inline SVG: their colours are the page's (CSS classes), and each says in words what it shows."""

from collections.abc import Sequence
from html import escape

from spark.profiling.report.words import percent

Share = float


def histogram(counts: Sequence[float], said: str, before: Sequence[float] = ()) -> str:
    """Counts in bins of equal width, as a share of all; `before` the same of an earlier drop, as a line."""
    width, height = 260, 72
    shares, old = _shares(counts), _shares(before)
    most = max([*shares, *old, 1e-9])
    step = width / len(shares)
    parts = [
        f'<rect class="bar now" x="{at * step + 0.5:.1f}" y="{height - 1 - (height - 4) * share / most:.1f}"'
        f' width="{step - 1:.1f}" height="{(height - 4) * share / most:.1f}"/>'
        for at, share in enumerate(shares)
    ]
    if old:
        steps = " ".join(
            f"L{x:.1f},{height - 1 - (height - 4) * share / most:.1f}"
            for at, share in enumerate(old)
            for x in (at * step, (at + 1) * step)
        )
        parts.append(f'<path class="was" d="M{steps[1:]}"/>')
    parts.append(f'<line class="axis" x1="0" x2="{width}" y1="{height - 0.5}" y2="{height - 0.5}"/>')
    return _svg(width, height, said, parts, "histogram")


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts)
    return [count / total for count in counts] if total else []


def nulls(shares: Sequence[Share | None], drops: Sequence[str]) -> str:
    """A strip of cells, a drop each: the darker, the more rows are empty; a cross where the column was not there."""
    side, gap = 16, 2
    parts = []
    for at, share in enumerate(shares):
        x = at * (side + gap)
        cell = f'x="{x}" y="0" width="{side}" height="{side}" rx="2"'
        if share is None:
            parts.append(f'<path class="absent" d="M{x + 5},5l6,6m0,-6l-6,6"/>')
        else:
            parts.append(f'<rect class="cell" {cell}/>')
            if share:
                parts.append(f'<rect class="empty" {cell} fill-opacity="{0.12 + 0.88 * share:.2f}"/>')
    named = (f"{d} {'not there' if s is None else percent(s)}" for d, s in zip(drops, shares, strict=True))
    wide = len(shares) * (side + gap) - gap
    return _svg(wide, side, f"Empty: {', '.join(named)}", parts, "strip", fixed=True)


WIDTH, HEIGHT = 240, 92


def band(quantiles: Sequence[tuple[float, float, float] | None], said: str) -> str:
    """The middle half of a column's numbers, and their median, from drop to drop; gaps where there are none."""
    known = [three for three in quantiles if three]
    low, high = min(t[0] for t in known), max(t[2] for t in known)
    span = (high - low) or 1

    def y(value: float) -> float:
        return 8 + (HEIGHT - 16) * (1 - ((value - low) / span if high > low else 0.5))

    points = [(_x(at, len(quantiles)), three) for at, three in enumerate(quantiles) if three]
    upper = " ".join(f"{x:.1f},{y(t[2]):.1f}" for x, t in points)
    lower = " ".join(f"{x:.1f},{y(t[0]):.1f}" for x, t in reversed(points))
    middle = " ".join(f"{x:.1f},{y(t[1]):.1f}" for x, t in points)
    x, last = points[-1]
    parts = [
        f'<polygon class="band" points="{upper} {lower}"/>',
        f'<polyline class="median" points="{middle}"/>',
        *(f'<circle class="dot" cx="{x:.1f}" cy="{y(t[1]):.1f}" r="2"/>' for x, t in points[:-1]),
        f'<circle class="dot now" cx="{x:.1f}" cy="{y(last[1]):.1f}" r="4"/>',
    ]
    return _svg(WIDTH, HEIGHT, said, parts, "multiple")


def stack(shares: Sequence[Sequence[Share]], said: str) -> str:
    """A bar a drop, of the shares of categories, in the same order in all; the last share is that of all others."""
    step = WIDTH / len(shares)
    bar = min(34.0, step - 3)
    parts = []
    for at, of_drop in enumerate(shares):
        x, y = at * step + (step - bar) / 2, 2.0
        for rank, share in enumerate(of_drop):
            tall = (HEIGHT - 4) * share
            rest = rank == len(of_drop) - 1
            colour = "rest" if rest else f"c{rank}"
            if tall > 0.05:
                size = f'width="{bar:.1f}" height="{max(tall - 0.8, 0.4):.1f}"'
                parts.append(f'<rect class="{colour}" x="{x:.1f}" y="{y:.1f}" {size}/>')
            y += tall
    last = len(shares) - 1
    parts.append(
        f'<rect class="frame" x="{last * step + (step - bar) / 2 - 1.5:.1f}" y="0.75" width="{bar + 3:.1f}"'
        f' height="{HEIGHT - 1.5}" rx="2"/>'
    )
    return _svg(WIDTH, HEIGHT, said, parts, "multiple")


def _x(at: int, of: int) -> float:
    return 8 + (WIDTH - 16) * (at / (of - 1) if of > 1 else 1)


def _svg(width: float, height: float, said: str, parts: Sequence[str], kind: str, *, fixed: bool = False) -> str:
    size = f' width="{width:g}" height="{height:g}"' if fixed else ""
    return (
        f'<svg class="{kind}" role="img" aria-label="{escape(said)}" viewBox="0 0 {width:g} {height:g}"{size}>'
        f"{''.join(parts)}</svg>"
    )
