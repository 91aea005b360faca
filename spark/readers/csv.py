"""Delimited text: cut at record ends, parsed by Arrow's C++ reader, kept as strings."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise, zip_longest
from operator import not_
from typing import Annotated, BinaryIO, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from pydantic import AfterValidator, Field, model_validator

from spark.cutting import (
    MAX_RECORD,
    Dialect,
    LineEnd,
    Plain,
    Records,
    canonical,
    holds_ascii,
    is_utf8,
    unused,
)
from spark.cutting.records import trailer_pattern
from spark.errors import CountMismatch
from spark.parts import PART, Piece, Rejected
from spark.readers.base import Encoding, Ordinals, Shell, without_bad

_BOM = b"\xef\xbb\xbf"
_BLOCK = 8 * 1024 * 1024  # how much Arrow parses at once
_ASCII = r"^[\x01-\x09\x0b\x0c\x0e-\x7f]$"  # one byte in the file, and no line end
_NO_LINE_END = r"^[^\r\n]+$"


class _Odd(NamedTuple):
    """A record of another number of fields, and its text."""

    fields: int
    record: int
    text: str


Parsed = tuple[pa.Table, list[Rejected]]


class Csv(Shell, frozen=True, extra="forbid"):
    """A delimited text format.

    Bare empty is null, quoted empty is "". A quote opens only at the start of a field; elsewhere it is data. Blank
    lines are no records, nor are lines that begin with `comment`. A record with another number of fields than the
    header is rejected, and so is one longer than `max_record` bytes or left within its quotes by the end of the file.
    More than blanks behind a closing quote is a stray quote, one that was not doubled or should not be there: what then
    is a field is a guess, so that the record is rejected, too, and alone: where the next line in it is a record of the
    right number of fields, it ends there.

    - `delimiter`: one character or several
    - `escape`: makes the next character data, in quotes and outside; beside it a doubled quote is one quote as well
    - `line_end`: `any` of LF, CRLF and CR; where one of them is data outside quotes, what a line does end by: `lf` (LF
      or CRLF), `crlf`, `cr`
    - `skip`: lines above the header, whatever they hold; `footer`: records at the end that are none, as a trailer
    - `trailer`: a regular expression that one of the footer's records must match from its beginning on; its group
      `records`, where it has one, must be the number of records, and `lines` that of all lines: those skipped, header
      rows, records and footer (blank lines and comments are no lines, a record with newlines in quotes is one)
    - `header`: rows that hold names; of several, a column's cells are joined by a blank, empty ones left out
    - `columns`: names in place of the header's
    - `trailing`: a file's records may end with a delimiter more than its header, all or none, as the first of a right
      length shows: the field behind it must be empty and is dropped
    - `pad`: a record of fewer fields is taken for one whose last fields are null, as in a file of several kinds of
      records, where `columns` are those of the longest
    - `encoding`: UTF-8, unless a byte order mark says UTF-16 or UTF-32; or any that Python knows
    - `fallback`: how a line is decoded whose bytes are not `encoding`; without one its record is rejected
    """

    delimiter: str = Field(default=",", max_length=16, pattern=_NO_LINE_END)
    quote: str | None = Field(default='"', pattern=_ASCII)
    escape: str | None = Field(default=None, pattern=_ASCII)
    comment: str | None = Field(default=None, max_length=16, pattern=_NO_LINE_END)
    line_end: LineEnd = "any"
    skip: int = Field(default=0, ge=0)
    header: bool | int = Field(default=True, ge=0)
    footer: int = Field(default=0, ge=0)
    trailer: Annotated[str, AfterValidator(trailer_pattern)] | None = None
    columns: tuple[str, ...] = ()
    trailing: bool = False
    pad: bool = Field(default=False, exclude_if=not_)  # what was read without it need not be read again
    encoding: Encoding = "utf-8"
    fallback: Encoding | None = None
    max_record: int = Field(default=MAX_RECORD, gt=0, le=1024**3)

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Self:
        if len(self.delimiter) > 1 and self.escape:
            raise ValueError("an escape needs a delimiter of one character")
        if self.trailer is not None and not self.footer:
            raise ValueError("a trailer needs a `footer`, the number of records at the end that are none")
        if self.trailing and not (self.header or self.columns):
            raise ValueError("a trailing delimiter needs a header or `columns`, else it may be one between fields")
        if self.pad and (self.trailing or not (self.header or self.columns)):
            raise ValueError("padding needs a header or `columns`, and knows no trailing delimiter")
        specials = [self.delimiter, self.quote, self.escape]
        if any(one and other and (one in other) for i, one in enumerate(specials) for other in specials[:i]):
            raise ValueError("delimiter, quote and escape must differ")
        if self.quote and self.quote in self.delimiter:
            raise ValueError("a delimiter cannot hold the quote")
        if self.fallback and not (holds_ascii(canonical(self.encoding)) and holds_ascii(canonical(self.fallback))):
            raise ValueError("a fallback is for encodings that hold ASCII as it is, and must be one")
        try:
            self._dialect(self._cut_encoding)
        except UnicodeEncodeError:
            raise ValueError(f"delimiter or comment cannot be written in {self.encoding}") from None
        return self

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """See `Reader.cut`. Raises `Unreadable` where the header does not end or has a stray quote, where `encoding`
        cannot be the file's, and where no trailer is there; `Miscounted` where it says another number.

        A piece's data are bytes of the file; of one whose encoding does not hold ASCII as it is, as UTF-16, they are
        its UTF-8. Offsets are always the file's.
        """
        plain = Plain(stream, self.encoding)
        encoding = "utf-8" if plain.recoded else self._cut_encoding
        records = Records(plain, self._dialect(encoding), self.max_record, trailing=self.trailing, ragged=self.pad)
        for _ in range(self.skip):
            records.line()
        rows = [self._names(records.one(), encoding) for _ in range(int(self.header))]
        columns = tuple(" ".join(filter(None, cells)) for cells in zip_longest(*rows, fillvalue=""))
        if not self.header and not self.columns:
            columns = tuple(f"column_{i + 1}" for i in range(len(self._names(records.peek(), encoding))))
        columns, above = self.columns or columns, self.skip + int(self.header)
        ends_so = self.trailing and len(self._names(records.peek(len(columns)), encoding)) == len(columns) + 1
        for piece in records.checked(size, columns, self.footer, self.trailer, above, encoding):
            yield piece.model_copy(update={"trailing": True}) if ends_so else piece

    def read(self, piece: Piece) -> Parsed:
        """See `Reader.read`. What Arrow cannot read, or reads otherwise than it was cut, is read record by record.

        Raises `CountMismatch` where a piece does not hold the records that its cutter counted.
        """
        data, ordinals, rejected = without_bad(piece, self._cut_encoding)
        data, ordinals, undecodable = self._as_utf8(data, ordinals)
        rejected += undecodable
        comment = self._utf8.comment
        if not (self._misreadable(data) or (comment and comment in data)):
            table, rejects = self._at_once(data, ordinals, piece)
            return table, rejected + rejects
        records = _split(data, self._utf8, len(ordinals))
        slow = np.array([self._is_misread(record) for record in records], bool)
        data = b"".join(record for record, is_slow in zip(records, slow, strict=True) if not is_slow)
        table, rejects = self._at_once(data, ordinals[~slow], piece)
        few = [record for record, is_slow in zip(records, slow, strict=True) if is_slow]
        more, more_rejects = self._by_record(few, ordinals[slow], piece)
        table = pa.concat_tables([table, more])
        order = pc.sort_indices(table.column(0))  # by position, as the file may have a column `_record`, too
        return table.take(order), rejected + rejects + more_rejects

    def _at_once(self, data: bytes, ordinals: Ordinals, of: Piece) -> Parsed:
        """Parse records of a piece by Arrow, or one by one where it cannot."""
        parsed = self._by_arrow(data, ordinals, of)
        return parsed or self._by_record(_split(data, self._utf8, len(ordinals)), ordinals, of)

    def _by_arrow(self, data: bytes, ordinals: Ordinals, of: Piece) -> Parsed | None:
        """Parse records at once; None where Arrow cannot, or counts otherwise than the cutter, or something is behind a
        trailing delimiter.
        """
        columns = of.columns
        names = [str(i) for i in range(len(columns) + of.trailing)]  # positions, as a header may repeat a name
        if not len(ordinals) and not data.strip(b"\r\n"):
            return _table(ordinals, [pa.array([], pa.string())] * len(columns), columns), []
        if data.startswith(_BOM):
            data = b"\n" + data  # within a file it is data, which Arrow would pass over
        if not data.endswith(b"\n"):
            data += b"\n"  # at the end of data Arrow takes a bare empty field after a quoted one for quoted
        delimiter, stand_in = self.delimiter, None
        if not (delimiter.isascii() and len(delimiter) == 1 and delimiter != "\0"):
            stand_in = unused(data)
            if stand_in is None:
                return None
            data = data.replace(self._utf8.delimiter, stand_in)
            delimiter = stand_in.decode()
        wrong: list[pacsv.InvalidRow] = []

        def skip(row: pacsv.InvalidRow) -> str:
            wrong.append(row)
            return "skip"

        for block in (_BLOCK, len(data) + 1):  # a record may be longer than the first
            wrong.clear()
            try:
                table = pacsv.read_csv(
                    pa.BufferReader(data),
                    read_options=pacsv.ReadOptions(use_threads=False, block_size=block, column_names=names),
                    parse_options=pacsv.ParseOptions(
                        delimiter=delimiter,
                        quote_char=self.quote or False,
                        escape_char=self.escape or False,
                        newlines_in_values=bool(self.quote or self.escape),
                        invalid_row_handler=skip,
                    ),
                    convert_options=pacsv.ConvertOptions(
                        check_utf8=False,  # made sure of in _as_utf8
                        column_types=dict.fromkeys(names, pa.string()),
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                        null_values=[""],
                    ),
                )
                break
            except pa.ArrowInvalid:
                continue
        else:
            return None
        if table.num_rows + len(wrong) != len(ordinals):
            return None
        values, texts = table.columns, [row.text for row in wrong]
        if of.trailing and values.pop().null_count < table.num_rows:
            return None
        if stand_in:
            values = [_replaced(column, delimiter, self.delimiter) for column in values]
            texts = [text.replace(delimiter, self.delimiter) for text in texts]
        table = _table(np.delete(ordinals, [row.number - 1 for row in wrong]), values, columns)
        odd = [
            _Odd(row.actual_columns, int(ordinals[row.number - 1]), text)
            for row, text in zip(wrong, texts, strict=True)
        ]
        rejected = [
            Rejected(record=one.record, reason=f"{one.fields} fields where {len(names)} belong", text=one.text)
            for one in odd
            if not self.pad or one.fields > len(names)
        ]
        return self._padded(table, [one for one in odd if self.pad and one.fields < len(names)], rejected, of)

    def _padded(self, table: pa.Table, short: list[_Odd], rejected: list[Rejected], of: Piece) -> Parsed:
        """Rows, and beside them records of fewer fields, by the number of these."""
        if not short:
            return table, rejected
        tables, end = [table], {"cr": "\r", "crlf": "\r\n"}.get(self.line_end, "\n")
        for width in sorted({one.fields for one in short}):
            some = [one for one in short if one.fields == width]
            data = "".join(f"{one.text}{end}" for one in some).encode()
            narrow = of.model_copy(update={"columns": of.columns[:width]})
            rows, wrong = self._at_once(data, np.array([one.record for one in some], np.int64), narrow)
            nulls = [pa.nulls(rows.num_rows, pa.string())] * (len(of.columns) - width)
            tables.append(_table(rows[0].to_numpy(), [*rows.columns[1:], *nulls], of.columns))
            rejected += wrong
        both = pa.concat_tables(tables)
        return both.take(pc.sort_indices(both.column(0))), rejected

    def _by_record(self, records: list[bytes], ordinals: Ordinals, of: Piece) -> Parsed:
        """Parse records one by one, slowly: each is a row, or rejected alone."""
        columns, width = of.columns, len(of.columns) + of.trailing
        rows: list[list[str | None]] = []
        kept, rejected = [], []
        for ordinal, record in zip(ordinals.tolist(), records, strict=True):
            fields = self._utf8.split(record)
            if fields is None:
                reason = "it ends within quotes"
            elif len(fields) > width or (len(fields) < width and not self.pad):
                reason = f"{len(fields)} fields where {width} belong"
            elif of.trailing and fields[-1] != (b"", False):
                reason = f"the last of {width} fields is not empty"
            else:
                kept.append(ordinal)
                row = [field.value.decode() if field.value or field.quoted else None for field in fields]
                rows.append([*row, *[None] * (width - len(row))][: len(columns)])
                continue
            text = self._utf8.bare(record).decode()
            rejected.append(Rejected(record=ordinal, reason=reason, text=text))
        values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
        return _table(np.array(kept, np.int64), [pa.array(column, pa.string()) for column in values], columns), rejected

    def _misreadable(self, data: bytes) -> bool:
        """Whether Arrow would read a record otherwise than this dialect says.

        To Arrow every bare CR and LF outside quotes ends a line, and an escape at the very end is nothing.
        """
        if self._utf8.escape and data.endswith(self._utf8.escape):
            return True
        pairs = data.count(b"\r\n") if self.line_end in {"lf", "crlf"} else 0
        match self.line_end:
            case "any":
                return False
            case "lf" if data.count(b"\r") == pairs:
                return False
            case "crlf" if data.count(b"\r") == data.count(b"\n") == pairs:
                return False
            case "cr" if b"\n" not in data:
                return False
        if self._utf8.bare(data[-2:]).endswith((b"\r", b"\n")):
            return True
        arrows = replace(self._utf8, line_end="any")
        return not np.array_equal(self._utf8.ends(data, final=True).ends, arrows.ends(data, final=True).ends)

    def _is_misread(self, record: bytes) -> bool:
        """Whether one record may be; a bare CR or LF may stand in quotes, which is as well."""
        bare = self._utf8.bare(record)
        bare_end = self.line_end != "any" and (b"\r" in bare or b"\n" in bare)
        return bare_end or (self._utf8.escape is not None and bare.endswith(self._utf8.escape))

    def _as_utf8(self, data: bytes, ordinals: Ordinals) -> tuple[bytes, Ordinals, list[Rejected]]:
        """The records in UTF-8, the ordinal of each, and those that cannot be decoded."""
        encoding = self._cut_encoding
        if encoding == "utf-8" and is_utf8(data):
            return data, ordinals, []
        if encoding != "utf-8":
            try:
                return data.decode(encoding).encode(), ordinals, []
            except UnicodeDecodeError:
                pass
        records = _split(data, self._dialect(encoding), len(ordinals))
        recoded = [self._recoded(record, encoding) for record in records]
        good = np.array([record is not None for record in recoded], bool)
        rejected = [
            Rejected(
                record=int(ordinals[i]),
                reason=f"not {self.encoding}",
                text=records[i].decode(encoding, "backslashreplace"),
            )
            for i in np.flatnonzero(~good)
        ]
        return b"".join(record for record in recoded if record is not None), ordinals[good], rejected

    def _recoded(self, record: bytes, encoding: str) -> bytes | None:
        """The record in UTF-8, each of its lines by `encoding` or else `fallback`; None where neither fits."""
        try:
            return record.decode(encoding).encode()
        except UnicodeDecodeError:
            if not self.fallback:
                return None
        try:
            return b"\n".join(_decoded(line, encoding, self.fallback).encode() for line in record.split(b"\n"))
        except UnicodeDecodeError:
            return None

    def _names(self, record: bytes, encoding: str) -> tuple[str, ...]:
        """The fields of a header, or of a record that stands for one."""
        if not record:
            return ()
        recoded = self._recoded(record, encoding)
        text = recoded if recoded is not None else record.decode(encoding, "replace").encode()
        return tuple(field.value.decode() for field in self._utf8.split(text) or ())

    @property
    def _cut_encoding(self) -> str:
        """What the bytes of pieces are in."""
        encoding = canonical(self.encoding)
        return encoding if holds_ascii(encoding) else "utf-8"

    @cached_property
    def _utf8(self) -> Dialect:
        return self._dialect("utf-8")

    def _dialect(self, encoding: str) -> Dialect:
        return Dialect(
            delimiter=self.delimiter.encode(encoding),
            quote=self.quote.encode() if self.quote else None,
            escape=self.escape.encode() if self.escape else None,
            comment=self.comment.encode(encoding) if self.comment else None,
            line_end=self.line_end,
        )


def _split(data: bytes, dialect: Dialect, records: int) -> list[bytes]:
    """Each record in `data`, with its line end. Raises `CountMismatch` where they are not as many as were cut."""
    found = dialect.ends(data, final=True)
    if found.records != records:
        raise CountMismatch(f"{records:,} records were cut, but {found.records:,} are found")
    spans = zip(pairwise([0, *found.ends.tolist()]), found.filled.tolist(), strict=True)
    return [data[start:end] for (start, end), filled in spans if filled]


def _table(ordinals: Ordinals, values: Sequence[pa.Array | pa.ChunkedArray], columns: Sequence[str]) -> pa.Table:
    return pa.table([pa.array(ordinals, pa.int64()), *values], names=["_record", *columns])


def _replaced(column: pa.ChunkedArray, old: str, new: str) -> pa.ChunkedArray:
    return pc.replace_substring(column, old, new) if pc.any(pc.match_substring(column, old)).as_py() else column


def _decoded(line: bytes, encoding: str, fallback: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return line.decode(fallback)
