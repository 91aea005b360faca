"""Apache DataSketches as text: how many distinct values there are (HLL), and how numbers are distributed (KLL).

Both merge. HLL gives the same however it is merged; KLL drops values by chance once it holds more than it may, so that
two of the same numbers agree within `RANK_ERROR` and not to the bit.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable

import datasketches as ds
import numpy as np
import numpy.typing as npt

LG_K = 11
"""Of HLL: 2,048 registers, 1 kB; distinct values are told within 2.3 % (one standard error), few of them exactly."""

K = 128
"""Of KLL: some 3 kB; a quantile's rank is right within 2 %, with a confidence of 99 %."""


def distinct_values(values: Iterable[str]) -> str:
    """The HLL of values; "" for none."""
    sketch = ds.hll_sketch(LG_K, ds.HLL_4)
    for value in values:
        sketch.update(value)
    return "" if sketch.is_empty() else b64encode(sketch.serialize_compact()).decode()


def estimate(hll: str) -> float:
    """About how many distinct values an HLL has met."""
    return float(ds.hll_sketch.deserialize(b64decode(hll)).get_estimate()) if hll else 0.0


def either(one: str, other: str) -> str:
    """The HLL of what one or the other has met."""
    if not one or not other or one == other:
        return one or other
    union = ds.hll_union(LG_K)
    for hll in (one, other):
        union.update(ds.hll_sketch.deserialize(b64decode(hll)))
    return b64encode(union.get_result(ds.HLL_4).serialize_compact()).decode()


def numbers(values: npt.NDArray[np.float64]) -> str:
    """The KLL of numbers; "" for none."""
    if not len(values):
        return ""
    sketch = ds.kll_doubles_sketch(K)
    sketch.update(values)
    return b64encode(sketch.serialize()).decode()


def together(one: str, other: str) -> str:
    """The KLL of the numbers of both."""
    if not one or not other:
        return one or other
    sketch = _kll(one)
    sketch.merge(_kll(other))
    return b64encode(sketch.serialize()).decode()


def _kll(kll: str) -> ds.kll_doubles_sketch:
    return ds.kll_doubles_sketch.deserialize(b64decode(kll))
