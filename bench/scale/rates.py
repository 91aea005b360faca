"""What one more costs, of what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from bench.scale.points import Billing, Point, Unit


class Line(NamedTuple):
    """A cost that grows with an amount: `fixed`, to begin, and `marginal`, of one more."""

    fixed: float
    marginal: float

    @classmethod
    def through(cls, points: Iterable[tuple[float, float]]) -> Self:
        """The line of least squares through some (amount, cost); of one amount, through nothing."""
        amounts, costs = (np.array(of) for of in zip(*points, strict=True))
        if len(set(amounts)) < 2:
            return cls(0.0, float(costs.mean() / amounts.mean()))
        marginal, fixed = np.polyfit(amounts, costs, 1)
        return cls(float(fixed), float(marginal))


@dataclass(frozen=True)
class Rates:
    """Lines through what was measured. All raise `KeyError` for what was not."""

    points: Sequence[Point]

    def of(self, stage: str, case: str, unit: Unit | None = None) -> list[Point]:
        """Points of a case, on as many cores as most were, by their amount."""
        found = [p for p in self.points if (p.stage, p.case) == (stage, case) and unit in {None, p.unit}]
        if not found:
            raise KeyError(f"{stage} {case} was not measured")
        most = max(point.cores for point in found)
        return sorted((point for point in found if point.cores == most), key=lambda point: point.amount)

    def line(self, stage: str, case: str, of: str = "cpu") -> Line:
        """CPU seconds by amount, or what else some points of the case say."""
        said = [(point.amount, {"cpu": point.cpu, **point.more}) for point in self.of(stage, case)]
        return Line.through((amount, figures[of]) for amount, figures in said if of in figures)

    def marginal(self, stage: str, case: str, of: str = "cpu") -> float:
        """CPU seconds, or what else, of one more: GiB of plaintext where it is data. It is never negative."""
        return max(0.0, self.line(stage, case, of).marginal)

    def requests(self, stage: str, unit: Unit, kind: Billing) -> Line:
        """Requests to S3 that a stage makes, by GiB or files; a kind that was not counted was not asked for."""
        return Line.through((point.amount, point.more.get(kind, 0)) for point in self.of("requests", stage, unit))
