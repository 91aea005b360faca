"""Whether values say the same: what makes a row a repetition, and drops one version."""

from operator import eq

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def alike(some: pa.ChunkedArray, others: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """For each value, or lack of one, whether it is the other's; a NaN is like a NaN, and not like a null."""
    if pa.types.is_list(some.type):  # Arrow compares no lists
        return np.fromiter(map(eq, some.to_pylist(), others.to_pylist()), bool, len(some))
    equal = pc.fill_null(pc.equal(some, others), False)
    if some.null_count or others.null_count or pa.types.is_floating(some.type):
        neither = pc.and_(pc.is_null(some, nan_is_null=True), pc.is_null(others, nan_is_null=True))
        equal = pc.or_(equal, pc.and_(neither, pc.equal(pc.is_null(some), pc.is_null(others))))
    result: npt.NDArray[np.bool_] = equal.to_numpy(zero_copy_only=False)
    return result
