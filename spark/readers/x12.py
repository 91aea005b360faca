"""X12 claims (837) and payments (835), a row for each service line; and any other, a row for each segment."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import BinaryIO, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field

from spark.errors import Miscounted, Unreadable
from spark.parts import PART, Piece, Rejected
from spark.readers.base import Encoding, Shell
from spark.readers.x12_build import Builder, element, fields, name_of
from spark.readers.x12_columns import ANY, LEVELS
from spark.readers.x12_envelope import (
    ISA,
    LENIENT,
    ROLES,
    SEGMENTS,
    Cutter,
    Roles,
    Separators,
    blank,
    counted,
    separators,
)

_BLANKS = " \t\n\r\f\v"  # others may be separators
_ROWS = 1 << 14  # from which on they are made Arrow: until then each of their values is an object
_PIECE = 4 * 1024 * 1024  # bytes that become 50 MB of Arrow, and take three times as much on the way
_GUIDES = {"222": "837P", "223": "837I", "224": "837D", "098": "837P", "096": "837I", "097": "837D", "221": "835"}
_GUIDE = re.compile(r"00[45]010X(\d{3})")
_BALANCED = {"837": ("claim_balanced",), "835": ("payment_balanced", "claim_balanced", "line_balanced")}
_OF_SEGMENT = (
    pa.field("position", pa.int64(), metadata={"doc": "its place in the transaction, ST being 1"}),
    pa.field("segment", pa.string(), metadata={"doc": "its name"}),
    pa.field("elements", pa.list_(pa.string()), metadata={"doc": "its elements, composite ones with their separators"}),
)
_ABOUT = {
    "payment_balanced": "whether BPR02 is the sum of CLP04 less that of PLB",
    "claim_balanced": "whether CLM02 is the sum of the lines' charges, or CLP03 less CLP04 that of CAS, its lines' too",
    "line_balanced": "whether SVC02 less SVC03 is the sum of its CAS",
}


class X12(Shell, frozen=True, extra="forbid"):
    """Interchanges of X12 claims (837, professional, institutional and dental) or payments (835), 4010 or 5010.

    A row is a service line, with the columns of its claim, the levels above (billing provider, subscriber, patient) and
    its transaction (submitter; payer and payee) repeated. A claim without lines is a row, and so is a transaction
    without claims, as a payment of nothing but provider adjustments. All values are text as it came. Columns are named
    after what they hold and say in their comment where it stands (`CLM01`); what repeats is a list of structs. Every
    segment stands, as it came, in one of the columns `…_segments`, so what no column has is there: other payers' loops
    of a claim (2320 and below) among them. Only TA1, GE and IEA, which say nothing of claims, are left out.

    - `kind`: 837 or 835; else it is the first transaction's, and others are refused. `segments` takes transactions of
      any set, as enrollments (834), premiums (820), eligibility (270, 271), claim status (276, 277) and acknowledgments
      (999): a row is a segment from ST to SE, with its place, its name and its elements as they came, null where they
      are empty
    - `counts`: SE01, GE01 and IEA01 must be as many as came, else nothing of the file is taken: what is missing may be
      claims. False is for a party whose counts are wrong by habit
    - `encoding`: of the text; separators are ASCII
    - `max_transaction`: bytes of a transaction at most. It is read at once, and takes some 40 times its size in memory;
      the guides recommend up to 5,000 claims, which are 2 to 5 MB

    Amounts that do not add up are the party's statement and no damage: `claim_balanced`, `line_balanced` and
    `payment_balanced` say so, null where an amount is missing or no number.
    """

    kind: Literal["837", "835", "segments"] | None = None
    counts: bool = True
    encoding: Encoding = "utf-8"
    max_transaction: int = Field(default=32 * 1024 * 1024, gt=0)

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """See `Reader.cut`: pieces end behind a transaction, and are of 4 MiB where `size` is more, as rows are large.

        A piece that does not begin with an interchange begins with a copy of the ISA and GS segments that its first
        transaction stands in; its offset is that of what follows them. Consecutive pieces may be read as one.

        Raises `Unreadable` for what is no X12, `UnknownFormat` for another transaction set, `Damaged` where the
        envelope does not hold together, `Miscounted` where it counts otherwise.
        """
        size = min(size, _PIECE)
        yield from Cutter(stream, size, kind=self.kind, counts=self.counts, limit=self.max_transaction).pieces()

    @property
    def schema(self) -> pa.Schema | None:  # type: ignore[override]  # pydantic's own is deprecated
        """See `Structured.schema`."""
        return _schema(self.kind) if self.kind else None

    def drafted(self, pieces: Iterable[Piece]) -> Self:
        """See `Structured.drafted`."""
        if self.kind is None:
            for piece in pieces:
                for split, texts in self._transactions(piece.data):
                    kind = element(texts[2].split(split.element), 1)
                    if kind in ROLES:
                        return self.model_copy(update={"kind": kind})
        return self

    def read(self, piece: Piece) -> tuple[pa.Table, list[Rejected]]:
        """See `Reader.read`. Raises `Miscounted` where SE01 counts otherwise, `Unreadable` for bytes not `encoding`."""
        schema = self.schema
        if self.kind is None or schema is None:
            raise Unreadable("whether these are claims (837) or payments (835) is neither declared nor drafted")
        tables = [schema.empty_table()]
        made = _rows(self.kind, schema)
        for split, texts in self._transactions(piece.data):
            if self.counts:
                _assert_counted(texts, split)
            made.add(texts, split)
            if made.count >= _ROWS:
                tables.append(made.table())
                made = _rows(self.kind, schema)
        table = pa.concat_tables([*tables, made.table()])
        record = pa.array(np.arange(piece.first_record, piece.first_record + table.num_rows), pa.int64())
        return table.set_column(0, schema.field(0), record), []

    def _transactions(self, data: bytes) -> Iterator[tuple[Separators, list[str]]]:
        """Each transaction: how it is separated, and its segments, ISA and GS in front."""
        at = blank(data, 0)
        while at < len(data):
            split = separators(data, at)
            end = split.segment.encode()
            trailer = re.compile(re.escape(end) + rb"\s*IEA" + re.escape(split.element.encode()))
            found = trailer.search(data, at + ISA - 1)
            stop = data.find(end, found.end()) + 1 if found else len(data)
            yield from self._of_interchange(data[at:stop], split)
            at = blank(data, stop)

    def _of_interchange(self, data: bytes, split: Separators) -> Iterator[tuple[Separators, list[str]]]:
        try:
            texts = [text.lstrip(_BLANKS) for text in data.decode(self.encoding).split(split.segment)]
        except UnicodeDecodeError as error:
            raise Unreadable(f"it is not {self.encoding} at byte {error.start:,} of an interchange") from error
        group, begin = "", 0
        for number, text in enumerate(texts):
            match name_of(text, split):
                case "GS":
                    group = text
                case "ST":
                    begin = number
                case "SE":
                    yield split, [texts[0], group, *filter(None, texts[begin : number + 1])]


@cache
def _schema(kind: str) -> pa.Schema:
    if kind == SEGMENTS:
        return pa.schema([pa.field("_record", pa.int64()), *fields(ANY), *_OF_SEGMENT])
    form = pa.field("form", pa.string(), metadata={"doc": "837P, 837I, 837D or 835, by GS08"})
    flags = [pa.field(name, pa.bool_(), metadata={"doc": _ABOUT[name]}) for name in _BALANCED[kind]]
    columns = [form, *(column for level in LEVELS[kind] for column in fields(level)), *flags]
    return pa.schema([pa.field("_record", pa.int64()), *columns])


def _assert_counted(texts: Sequence[str], split: Separators) -> None:
    says, there = element(texts[-1].split(split.element), 1), len(texts) - 2
    if (says or "").strip().lstrip("0") != str(there):
        raise Miscounted(f"SE01 of a transaction counts {counted(says)} segments, but {there} came{LENIENT}")


@dataclass
class _Claim:
    own: list[str]
    levels: list[str]
    lines: list[list[str]] = field(default_factory=list)


class _Transaction:
    """A transaction's segments by where they belong."""

    def __init__(self, roles: Roles, texts: Sequence[str], split: Separators) -> None:
        self.header: list[str] = []
        self.claims: list[_Claim] = []
        self.behind: list[str] = []
        into, above, open_ = self.header, list[str](), False
        levels: list[_Opened] = []
        for text in texts:
            name = name_of(text, split)
            if name == roles.level:
                code = (element(text.split(split.element), 3) or "") if name == "HL" else ""
                while levels and levels[-1].code >= code:
                    self._leave(levels.pop())
                into, open_ = [text], False
                levels.append(_Opened(code, into))
                above = []
            elif name == roles.claim:
                for level in levels:
                    level.used = True
                above = above or [text for level in levels for text in level.texts]
                into, open_ = [text], True
                self.claims.append(_Claim(into, above))
            elif name == roles.line and open_:
                into = [text]
                self.claims[-1].lines.append(into)
            elif name in (roles.behind, "SE"):
                while levels:
                    self._leave(levels.pop(0))
                into, open_, above = self.behind, False, []
                into.append(text)
            else:
                into.append(text)

    def _leave(self, level: "_Opened") -> None:
        """What belongs to no claim stands behind them."""
        if not level.used:
            self.behind += level.texts


@dataclass
class _Opened:
    """A level that claims may stand in, and whether one has."""

    code: str
    texts: list[str]
    used: bool = False


class _Rows:
    """The rows of transactions in the making: values once per transaction, level, claim and line, and who has which."""

    def __init__(self, kind: str, schema: pa.Schema) -> None:
        self._kind, self._schema = kind, schema
        self._levels = [Builder(level) for level in LEVELS[kind]]
        self._of_row: list[list[int | None]] = [[] for _ in self._levels]
        self._forms: list[str] = []
        self._flags: list[list[bool | None]] = [[] for _ in _BALANCED[kind]]

    @property
    def count(self) -> int:
        """Rows."""
        return len(self._forms)

    def add(self, texts: Sequence[str], split: Separators) -> None:
        """Add a transaction's rows."""
        transaction = _Transaction(ROLES[self._kind], texts, split)
        top, levels, claims, lines, behind = self._levels
        at: list[int | None] = [None] * len(self._levels)
        at[0], at[4] = top.add(transaction.header, split), behind.add(transaction.behind, split)
        guide = _GUIDE.match(top.value("version") or "")
        form = _GUIDES.get(guide[1], self._kind) if guide else self._kind
        first, paid = self.count, list[str | None]()
        above: list[str] | None = None
        for claim in transaction.claims:
            if claim.levels is not above:
                above, at[1] = claim.levels, levels.add(claim.levels, split)
            at[2], at[3] = claims.add(claim.own, split), None
            begin, sums = self.count, _Sums(self._kind, claims)
            for line in claim.lines:
                at[3] = lines.add(line, split)
                self._row(at, form, sums.line(lines))
            if not claim.lines:
                self._row(at, form, None)
            self._flags[-2 if self._kind == "835" else 0][begin:] = [sums.claim()] * (self.count - begin)
            paid.append(claims.value("claim_paid") if self._kind == "835" else None)
        if not transaction.claims:
            self._row(at, form, None)
        if self._kind == "835":
            kept = [amount for *_, amount in behind.values("provider_adjustments")]
            balanced = _equal(_sum([top.value("payment_amount")]), _less(_total(paid), _total(kept)))
            self._flags[0][first:] = [balanced] * (self.count - first)

    def table(self) -> pa.Table:
        """All of them; `_record` is not known here."""
        arrays = [pa.nulls(self.count, pa.int64()), pa.array(self._forms, pa.string())]
        for level, indices in zip(self._levels, self._of_row, strict=True):
            wanted = pa.array(indices, pa.int32())
            arrays += [array.take(wanted) for array in level.arrays()]
        arrays += [pa.array(flags, pa.bool_()) for flags in self._flags]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def _row(self, at: Sequence[int | None], form: str, balanced: bool | None) -> None:
        for indices, index in zip(self._of_row, at, strict=True):
            indices.append(index)
        self._forms.append(form)
        for flags in self._flags:
            flags.append(None)
        if self._kind == "835":
            self._flags[-1][-1] = balanced


class _Segments:
    """The rows of transactions of any set in the making, one for each segment."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._above = Builder(ANY)
        self._of_row: list[int] = []
        self._places: list[int] = []
        self._names: list[str] = []
        self._elements: list[list[str | None]] = []

    @property
    def count(self) -> int:
        """Rows."""
        return len(self._places)

    def add(self, texts: Sequence[str], split: Separators) -> None:
        """Add a transaction's rows."""
        isa, group, *own = texts
        above = self._above.add([isa, group, own[0]], split)
        for place, text in enumerate(own, 1):
            name, *elements = text.split(split.element)
            self._of_row.append(above)
            self._places.append(place)
            self._names.append(name)
            self._elements.append([value or None for value in elements])

    def table(self) -> pa.Table:
        """All of them; `_record` is not known here."""
        wanted = pa.array(self._of_row, pa.int32())
        above = [array.take(wanted) for array in self._above.arrays()]
        own = zip([self._places, self._names, self._elements], _OF_SEGMENT, strict=True)
        arrays = [pa.nulls(self.count, pa.int64()), *above, *(pa.array(values, of.type) for values, of in own)]
        return pa.Table.from_arrays(arrays, schema=self._schema)


def _rows(kind: str, schema: pa.Schema) -> _Rows | _Segments:
    return _Segments(schema) if kind == SEGMENTS else _Rows(kind, schema)


class _Sums:
    """What a claim and its lines add up to."""

    def __init__(self, kind: str, claims: Builder) -> None:
        self._is_payment = kind == "835"
        self._charge = claims.value("claim_charge")
        self._charges: list[str | None] = []
        if self._is_payment:
            self._paid = claims.value("claim_paid")
            self._adjusted = [amount for *_, amount, _ in claims.values("claim_adjustments")]

    def line(self, lines: Builder) -> bool | None:
        """Take the line that was added last; whether it is balanced."""
        if not self._is_payment:
            self._charges.append(lines.value("line_charge"))
            return None
        adjusted = [amount for *_, amount, _ in lines.values("line_adjustments")]
        self._adjusted += adjusted
        difference = _less(_sum([lines.value("line_charge")]), _total([lines.value("line_paid")]))
        return _equal(difference, _total(adjusted))

    def claim(self) -> bool | None:
        """Whether the claim, all of whose lines are taken, is balanced."""
        if self._is_payment:
            return _equal(_less(_sum([self._charge]), _total([self._paid])), _total(self._adjusted))
        return _equal(_sum([self._charge]), _sum(self._charges)) if self._charges else None


def _sum(amounts: Sequence[str | None]) -> Decimal | None:
    """The sum of amounts; None where one is missing or no number."""
    try:
        return sum((Decimal(amount or "") for amount in amounts), Decimal())
    except InvalidOperation:
        return None


def _total(amounts: Sequence[str | None]) -> Decimal | None:
    """The sum of amounts, a missing one counting as 0; None where one is no number."""
    return _sum([amount for amount in amounts if amount is not None])


def _less(amount: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if amount is None or other is None else amount - other


def _equal(amount: Decimal | None, other: Decimal | None) -> bool | None:
    return None if amount is None or other is None else amount == other
