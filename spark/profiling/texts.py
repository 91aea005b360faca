"""What only text shows: how values are written, whether there are words, which are numbers and which dates.

Columns are looked at together: there may be hundreds, of few values each, of which a kernel's call takes longer than
what it does.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark.profiling import shapes
from spark.profiling.profiles import PATTERNS, frequent
from spark.profiling.shapes import Bools, Floats, Ints, Kind

KINDS = 200
"""Shapes of a column, the most frequent ones, that are looked at for numbers and dates."""

TOGETHER = 100_000
"""Values that are looked at together, about: what is made of them takes some 100 bytes each."""


class Written(NamedTuple):
    """One column: what its profile has by these names, whether there are words; its numbers, each as often as met."""

    patterns: dict[str, int]
    dates: dict[str, int]
    leading: int
    trailing: int
    damaged: int
    words: bool
    numbers: Floats


class _Texts:
    """Distinct values of columns, one column after the other, and how often each was `met`."""

    def __init__(self, texts: Sequence[pa.Array], counts: Sequence[Ints]) -> None:
        self.columns = len(texts)
        self.values, self.met = pa.concat_arrays(texts), np.concatenate(counts)
        self.column = np.repeat(np.arange(self.columns), [len(some) for some in texts])

    def some(self, which: Bools) -> tuple[Ints, pa.Array]:
        """Where values are of which it is so, and these."""
        at = np.flatnonzero(which)
        return at, self.values.take(pa.array(at))

    def total(self, which: Bools | Ints) -> list[int]:
        """How often the values of each column were met of which it is so."""
        counts: list[int] = np.bincount(self.column[which], self.met[which], self.columns).astype(np.int64).tolist()
        return counts

    def differ(self, other: pa.Array) -> list[int]:
        """How often the values of each column were met that are others there."""
        return self.total(pc.not_equal(self.values, other).to_numpy(zero_copy_only=False))

    def forms(self) -> "_Forms":
        """Their shapes, each in each column by itself."""
        shaped = shapes.shapes(self.values).dictionary_encode()
        of_all = len(shaped.dictionary)
        found, first, form = np.unique(
            self.column * of_all + shaped.indices.to_numpy(), return_index=True, return_inverse=True
        )
        met = np.bincount(form, self.met).astype(np.int64)
        order = np.lexsort((first, -met, found // of_all))
        starts = np.searchsorted(found // of_all, np.arange(self.columns + 1))
        names = shaped.dictionary.take(pa.array(found[order] % of_all)).to_pylist()
        return _Forms(names, met[order].tolist(), starts.tolist(), np.argsort(order)[form])


class _Forms(NamedTuple):
    """The shapes of columns, one column after the other, and how often each was `met`.

    Of a column the most frequent comes first, of equals the one met first. `starts` says where each column begins, and
    where the last one ends; `of` which shape each value has.
    """

    names: list[str]
    met: list[int]
    starts: list[int]
    of: Ints

    def columns(self) -> list[slice]:
        """Where the shapes of each column are."""
        return [slice(start, end) for start, end in pairwise(self.starts)]

    def kinds(self) -> list[Kind]:
        """What texts of each shape may be."""
        frequent = [n < KINDS for start, end in pairwise(self.starts) for n in range(end - start)]
        return [
            shapes.kind(name) if often else shapes.UNKNOWN for name, often in zip(self.names, frequent, strict=True)
        ]


def written(texts: Sequence[pa.Array], counts: Sequence[Ints]) -> list[Written]:
    """What the distinct values of columns show, none of them null, and how often each was met."""
    after = np.cumsum([len(some) for some in texts]) // TOGETHER
    bounds = [*np.flatnonzero(np.diff(after, prepend=-1)).tolist(), len(texts)]
    return [one for start, end in pairwise(bounds) for one in _written(texts[start:end], counts[start:end])]


def _written(texts: Sequence[pa.Array], counts: Sequence[Ints]) -> list[Written]:
    every = _Texts(texts, counts)
    forms = every.forms()
    kinds = forms.kinds()
    dates, numbers = _dates(every, forms, kinds), _numbers(every, forms, kinds)
    leading = every.differ(pc.utf8_ltrim_whitespace(every.values))
    trailing = every.differ(pc.utf8_rtrim_whitespace(every.values))
    damaged = every.total(shapes.damaged(every.values))
    return [
        Written(
            patterns=frequent(dict(zip(forms.names[its], forms.met[its], strict=True)), PATTERNS),
            dates={fmt: n for fmt in _formats(kinds[its]) if (n := dates[fmt][column])},
            leading=leading[column],
            trailing=trailing[column],
            damaged=damaged[column],
            words=any(kind.word for kind in kinds[its]),
            numbers=numbers[column],
        )
        for column, its in enumerate(forms.columns())
    ]


def _formats(kinds: Sequence[Kind]) -> Sequence[str]:
    """Those that dates of these kinds may have."""
    return tuple(dict.fromkeys(fmt for kind in kinds for fmt in kind.formats))


def _dates(texts: _Texts, forms: _Forms, kinds: Sequence[Kind]) -> dict[str, list[int]]:
    """How many values of each column read as a date by which format."""
    having: dict[str, list[int]] = {}
    for form, kind in enumerate(kinds):
        for fmt in kind.formats:
            having.setdefault(fmt, []).append(form)
    found = {}
    for fmt, some in having.items():
        at, values = texts.some(np.isin(forms.of, some))
        found[fmt] = texts.total(at[shapes.reads(values, fmt)])
    return found


def _numbers(texts: _Texts, forms: _Forms, kinds: Sequence[Kind]) -> list[Floats]:
    """The values of each column that are numbers, each as often as it was met."""
    at, values = texts.some(np.array([kind.number for kind in kinds])[forms.of])
    which, floats = shapes.numbers(values)
    at = at[which]
    return np.split(np.repeat(floats, texts.met[at]), np.cumsum(texts.total(at))[:-1])
