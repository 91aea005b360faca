"""What a sample's rows show: their values and sketches of them, each distinct value looked at once."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark.profiling import shapes, sketches
from spark.profiling.candidates import Coded
from spark.profiling.profiles import CUT, EXAMPLES, VALUES, drawn, frequent
from spark.profiling.shapes import Floats, Ints
from spark.profiling.texts import Written, written


class Seen(NamedTuple):
    """What is `known` of one column, by the names of its profile's fields, and what candidates are found by."""

    known: dict[str, Any]
    coded: Coded


def seen(sample: Mapping[str, pa.ChunkedArray]) -> dict[str, Seen]:
    """What columns show; of one without a value, and of lists, maps and binary ones, nothing."""
    distinct = {
        name: found
        for name, rows in sample.items()
        if not (pa.types.is_nested(rows.type) or pa.types.is_binary(rows.type))
        and len((found := _distinct(rows.combine_chunks())).values)
    }
    texts = {name: one for name, one in distinct.items() if pa.types.is_string(one.rows.type)}
    cut = {name: _cut(one.values) for name, one in texts.items()}
    of_texts = written(list(cut.values()), [one.counts for one in texts.values()])
    as_text = dict(zip(texts, of_texts, strict=True))
    return {name: _seen(one, cut.get(name, one.values), as_text.get(name)) for name, one in distinct.items()}


class _Distinct(NamedTuple):
    """The `rows` of a column, and the distinct values in them as text, none of them null or "".

    `codes` says which of the values each row has, −1 where it has none; `counts` how often each was met.
    """

    rows: pa.Array
    codes: Ints
    values: pa.Array
    counts: Ints


def _distinct(rows: pa.Array) -> _Distinct:
    found = rows.dictionary_encode()
    values, indices = found.dictionary.cast(pa.string()), found.indices
    codes = (indices.fill_null(-1) if indices.null_count else indices).to_numpy().astype(np.int64)
    if len(empty := np.flatnonzero(_lengths(values) == 0)):
        codes = np.where(codes == empty, -1, codes - (codes > empty))
        values = pa.concat_arrays([values[: empty[0]], values[empty[0] + 1 :]])
    return _Distinct(rows, codes, values, np.bincount(codes[codes >= 0], minlength=len(values)))


def _lengths(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Of each text, in bytes."""
    return np.diff(shapes.offsets(texts))


def _cut(texts: pa.Array) -> pa.Array:
    """Texts as far as they are kept."""
    return pc.utf8_slice_codeunits(texts, 0, CUT) if _lengths(texts).max() > CUT else texts


def _seen(one: _Distinct, values: pa.Array, written: Written | None) -> Seen:
    """What a column shows whose `values` were cut, and what was found in them if they are texts."""
    listed = one.values.to_pylist()
    numbers = written.numbers if written else _typed(one.rows)
    filled = int(one.counts.sum())
    known = {
        "filled": filled,
        "values": _most(values, one.counts, VALUES),
        "examples": _examples(values),
        "sentinels": shapes.sentinels(listed, one.counts, numbers),
        "hll": sketches.distinct_values(listed),
        "kll": sketches.numbers(numbers),
    }
    if written:
        known |= {name: getattr(written, name) for name in ("patterns", "dates", "leading", "trailing", "damaged")}
    words = written.words if written else False
    return Seen(known, Coded(one.codes, len(values), filled, float(_lengths(values).mean()), words))


def _typed(array: pa.Array) -> Floats:
    """The numbers of a column whose type is one; of another none."""
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return np.empty(0)
    found: Floats = array.drop_null().cast(pa.float64(), safe=False).to_numpy()
    return found[np.isfinite(found)]


def _most(texts: pa.Array, counts: Ints, most: int) -> dict[str, int]:
    """The most frequent ones and how often each was met, the first of equals by its text."""
    if len(texts) > most:
        table = pa.table({"text": texts, "n": counts})
        keys = [("n", "descending"), ("text", "ascending")]
        table = table.take(pc.select_k_unstable(table, most, sort_keys=keys))
        texts, counts = table["text"], table["n"].to_numpy()
    found: dict[str, int] = {}
    for text, n in zip(texts.to_pylist(), counts.tolist(), strict=True):
        found[text] = found.get(text, 0) + n  # two that were cut may be one
    return frequent(found)


def _examples(texts: pa.Array) -> tuple[str, ...]:
    """Values drawn as `drawn` does, of many those of the least hashes first."""
    if len(texts) > EXAMPLES:
        hashed = np.fromiter(map(crc32, texts.cast(pa.binary()).to_pylist()), np.uint32, len(texts))
        texts = texts.filter(pa.array(hashed <= np.partition(hashed, EXAMPLES - 1)[EXAMPLES - 1]))
    return drawn(set(texts.to_pylist()))
