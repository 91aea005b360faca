"""What is known of a dataset: exact counts over all of its rows, and estimates from a sample of them.

Both merge: over parts, over files, over drops.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zlib import crc32

from pydantic import BaseModel, Field

from spark.profiling import sketches

VALUES, PATTERNS, EXAMPLES = 50, 25, 50
"""How many of a column's values, patterns and examples are kept."""

PAIRS = 100
"""How many candidates of two columns are kept, of keys and of pairs each."""

CUT = 100
"""Characters of a value that are kept."""

FEW = 100
"""Sampled rows below which a part has no say in what pairs of columns are: too little repeats in it."""

DISTINCT = 0.9
"""Share of a key's values that its HLL must tell apart: four standard errors below all."""


class ColumnProfile(BaseModel, frozen=True):
    """One column. `name` is the lake's, `original` the party's, `type` Arrow's word.

    Exact, over all `rows`: `nulls`, `empties` (the text ""), `shortest` and `longest` (characters of values that are
    text), `least` and `most` (as text; of text by code points, cut to 100 characters).

    Of the `sampled` rows: `values` has the most frequent values and how often each was met, `patterns` the most
    frequent shapes (A for a capital, a for another letter, 9 for a digit, the rest as it is), `dates` how many values
    read as a date by strptime's format, `leading` and `trailing` how many begin or end with a blank, `damaged` how many
    show a wrong encoding (U+FFFD, mojibake, control characters), `sentinels` stand-ins for "nothing" and how often each
    was met. `examples` are distinct values drawn evenly from those that were sampled, the same ones in whatever order
    parts are merged. `hll` and `kll` are Apache DataSketches, base64: of all distinct values sampled, and of values
    that are numbers (`kll_doubles_sketch`). `filled` counts the sampled values that are neither null nor "": what is
    said of the sample is said of these.

    Values stand in it, as they do in Raw: it belongs where Raw is, and what leaves the lake is asked of the report. A
    log or an error that shows one by accident shows no value.
    """

    name: str
    original: str
    label: str = ""
    type: str = "string"
    rows: int = 0
    nulls: int = 0
    empties: int = 0
    shortest: int | None = None
    longest: int | None = None
    least: str | None = Field(default=None, repr=False)
    most: str | None = Field(default=None, repr=False)
    sampled: int = 0
    filled: int = 0
    values: dict[str, int] = Field(default_factory=dict, repr=False)
    patterns: dict[str, int] = Field(default_factory=dict, repr=False)
    examples: tuple[str, ...] = Field(default=(), repr=False)
    dates: dict[str, int] = Field(default_factory=dict)
    leading: int = 0
    trailing: int = 0
    damaged: int = 0
    sentinels: dict[str, int] = Field(default_factory=dict, repr=False)
    hll: str = Field(default="", repr=False)
    kll: str = Field(default="", repr=False)

    @property
    def is_nested(self) -> bool:
        """Whether it has lists or maps, into which no profile looks; fields of structs are columns by their paths."""
        return self.type.startswith(("list<", "large_list<", "map<"))

    def absent(self, rows: int, sampled: int) -> "ColumnProfile":
        """This column in rows that do not have it: it is null there."""
        about = {field: getattr(self, field) for field in ("name", "original", "label", "type")}
        return ColumnProfile(**about, rows=rows, nulls=rows, sampled=sampled)

    def __add__(self, other: "ColumnProfile") -> "ColumnProfile":
        """The column in the rows of both; names and label are the first one's."""
        kind = _joined(self.type, other.type)
        exact = {
            "original": self.original or other.original,
            "label": self.label or other.label,
            "type": kind,
            **{
                field: getattr(self, field) + getattr(other, field) for field in ("rows", "nulls", "empties", "sampled")
            },
            "shortest": min(_known(self.shortest, other.shortest), default=None),
            "longest": max(_known(self.longest, other.longest), default=None),
            "least": min(_known(self.least, other.least), key=_in_order(kind), default=None),
            "most": max(_known(self.most, other.most), key=_in_order(kind), default=None),
        }
        if not self.filled or not other.filled:  # the sample of one says nothing
            return (self if self.filled else other).model_copy(update={"name": self.name, **exact})
        return ColumnProfile(
            name=self.name,
            **exact,
            **{field: getattr(self, field) + getattr(other, field) for field in _COUNTED},
            values=_sum(self.values, other.values, VALUES),
            patterns=_sum(self.patterns, other.patterns, PATTERNS),
            examples=drawn({*self.examples, *other.examples}),
            dates=_sum(self.dates, other.dates),
            sentinels=_sum(self.sentinels, other.sentinels),
            hll=sketches.either(self.hll, other.hll),
            kll=sketches.together(self.kll, other.kll),
        )


_COUNTED = ("filled", "leading", "trailing", "damaged")


class DatasetProfile(BaseModel, frozen=True):
    """One dataset of a drop, or what several parts of one came to; columns by their names in the lake, in order.

    `keys` are columns, or pairs of them, of which no value was met twice in the sample; `pairs` are a code and its
    description: each value of the first had one of the second. Both are candidates: proved in the transform's checks.
    A field of a struct is a column by its path, `patient.name`.
    """

    rows: int = 0
    sampled: int = 0
    columns: dict[str, ColumnProfile] = {}
    keys: tuple[tuple[str, ...], ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: "DatasetProfile") -> "DatasetProfile":
        """Both together; a column that one of them lacks is null in its rows.

        Counts and sketches come to the same in whatever order. Of values and patterns, which are capped, and of `keys`
        and `pairs` this is so as long as no cap is reached, no estimate is near its limit and no part is small (`FEW`).
        """
        if not other.columns or not self.columns:
            return other if not self.columns else self
        columns = {}
        for name in {**self.columns, **other.columns}:
            one, two = self.columns.get(name), other.columns.get(name)
            if one is None or two is None:
                there = one or two
                assert there is not None  # noqa: S101  # for mypy: the name is of one of them
                side = self if one is None else other
                columns[name] = there + there.absent(side.rows, side.sampled)
            else:
                columns[name] = one + two
        return DatasetProfile(
            rows=self.rows + other.rows,
            sampled=self.sampled + other.sampled,
            columns=columns,
            keys=tuple(key for key in _keys(self, other) if _may_be_key([columns[name] for name in key])),
            pairs=_pairs(self, other),
        )


def drawn(values: Iterable[str]) -> tuple[str, ...]:
    """`EXAMPLES` of distinct values, drawn by a hash of each, so that it is the same whatever else is there."""
    return tuple(sorted(values, key=lambda value: (crc32(value.encode(errors="surrogatepass")), value))[:EXAMPLES])


def frequent(counts: Mapping[str, int], most: int | None = None) -> dict[str, int]:
    """Counts in falling order, the first of equals by its text, `most` at most."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])


def _sum(one: Mapping[str, int], other: Mapping[str, int], most: int | None = None) -> dict[str, int]:
    both = dict(one)
    for text, n in other.items():
        both[text] = both.get(text, 0) + n
    return frequent(both, most)


def _known(*values: Any) -> list[Any]:  # noqa: ANN401  # texts or numbers
    return [value for value in values if value is not None]


def _is_number(kind: str) -> bool:
    return kind.startswith(("int", "uint", "float", "double", "halffloat", "decimal"))


def _joined(one: str, other: str) -> str:
    """A type that holds both, as far as a profile asks: numbers stay numbers, all else is text."""
    if one == other:
        return one
    if one.startswith("int") and other.startswith("int"):
        return "int64"
    return "double" if _is_number(one) and _is_number(other) else "string"


def _in_order(kind: str) -> Any:  # noqa: ANN401  # a key for `min`: numbers as numbers, the rest as text
    return Decimal if _is_number(kind) else str


def _may_be_key(columns: Sequence[ColumnProfile]) -> bool:
    """Whether what is a key of each part may be one of all: it has a value in every row; alone, each another one."""
    one = columns[0]
    apart = len(columns) > 1 or sketches.estimate(one.hll) >= DISTINCT * one.sampled
    return apart and not any(column.nulls or column.empties for column in columns)


def _keys(one: DatasetProfile, other: DatasetProfile) -> list[tuple[str, ...]]:
    """What tells the rows of both apart: what has a key of each within it."""
    if not one.sampled or not other.sampled:
        return list(one.keys if one.sampled else other.keys)
    both = {key for key in {*one.keys, *other.keys} if _within(one.keys, key) and _within(other.keys, key)}
    wider = {
        tuple(sorted({*a, *b}))
        for a in one.keys
        for b in other.keys
        if len({*a, *b}) == 2 and not any(_within([key], (*a, *b)) for key in both)
    }
    found = [key for key in both | wider if not any(set(less) < set(key) for less in both)]
    found.sort(key=lambda key: (len(key), key))
    singles = sum(len(key) == 1 for key in found)
    return found[: singles + PAIRS]


def _within(keys: Sequence[tuple[str, ...]], columns: tuple[str, ...]) -> bool:
    return any(set(key) <= set(columns) for key in keys)


def _pairs(one: DatasetProfile, other: DatasetProfile) -> tuple[tuple[str, str], ...]:
    """What each part with enough rows to say so has for a pair."""
    saying = [side for side in (one, other) if side.sampled >= FEW]
    if not saying:
        return ()
    return tuple(pair for pair in saying[0].pairs if pair in saying[-1].pairs)
