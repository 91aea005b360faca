"""XML: cut at row elements, nested fields kept as structs and lists of strings."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Self
from xml.parsers import expat

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from spark.cutting import MAX_RECORD, cut_elements, element_spans
from spark.errors import CountMismatch, Unreadable
from spark.parts import PART, Piece, Rejected
from spark.readers.base import Encoding, Ordinals, Shell, without_bad
from spark.readers.xml_columns import Columns
from spark.readers.xml_draft import Draft
from spark.readers.xml_fields import Fields, Paths, checked, schema_of
from spark.readers.xml_nodes import fitted, parsed

_BLOCK = 4 * 1024 * 1024  # bytes of rows that are looked at at once, as arrays of them stay in the cache


class Xml(Shell, frozen=True, extra="forbid"):
    """XML whose rows are the elements of one name, at whatever depth; one inside another is its part.

    Every value is text, as nothing is guessed. An element that is empty is "", one that is absent null, and so is one
    that says `xsi:nil="true"`. What does not fit the fields stands in `_special` as it came, under its path: an element
    or attribute that is not declared (`Article/Suffix`, `PMID/@Version`), another occurrence of one that is not `many`
    (`Title[2]`), an element with elements inside where text is declared, text among elements where no markup is
    (`Abstract/#markup`: all that the element holds). A row that is not well-formed is rejected alone.

    Not kept outside of markup: white space where no text is declared, comments, instructions, the order of elements
    with different names, how a character is written (reference, CDATA, line end), prefixes where a field is declared
    without, and declarations of namespaces.

    - `row`: the rows' name; without a prefix, under any. Another reader with another `row` makes another dataset of
      the same file
    - `fields`: of a row; see `Element`. Where there are none, `drafted` finds them
    - `encoding`: unless a byte order mark or the XML declaration says it
    """

    row: str = Field(pattern=r"""^[^\s<>/@#!?="'&;]+$""")
    fields: Fields | None = None
    encoding: Encoding | None = None
    max_record: int = Field(default=MAX_RECORD, gt=0, le=1024**3)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        checked(self.fields or ())
        return self

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """As it would be written by hand."""
        for option in [name for name in type(self).model_fields if name in self.model_fields_set]:
            value = getattr(self, option)
            if option == "fields" and value is not None:
                value = tuple(one.name if one.is_plain else one for one in value)
            yield option, value

    @property
    def schema(self) -> pa.Schema | None:  # type: ignore[override]  # pydantic's is deprecated
        """See `Structured.schema`."""
        return None if self.fields is None else schema_of(self.fields)

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """See `Reader.cut`. Raises `Unreadable` as `cut_elements` does."""
        yield from cut_elements(stream, self.row, size, encoding=self.encoding, max_record=self.max_record)

    def drafted(self, pieces: Iterable[Piece]) -> Self:
        """See `Structured.drafted`.

        An element in which text stands beside elements is markup, and so is one within another of its name that holds
        elements, one with more than 1,000 different ones, and one that is 16 deep.
        """
        if self.fields is not None:
            return self
        draft = Draft(self.row)
        for piece in pieces:
            data, _, _ = without_bad(piece)
            draft.add(_with_line_feeds(data))
        return self.model_copy(update={"fields": draft.fields()})

    def read(self, piece: Piece) -> tuple[pa.Table, list[Rejected]]:
        """See `Reader.read`.

        Raises `CountMismatch` where a piece does not hold the rows that its cutter counted, and `Unreadable` where
        fields are neither declared nor drafted.
        """
        if self.fields is None:
            raise Unreadable("its fields are neither declared nor drafted")
        data, ordinals, rejected = without_bad(piece)
        lines = _with_line_feeds(data)
        tables, wrong, at = [self._table([], [])], list[Rejected](), 0
        for rows in Columns(self._paths).read(lines, _BLOCK):
            mine = ordinals[at : at + rows.total]
            at += rows.total
            if len(mine) < rows.total:
                break
            tables.append(pa.Table.from_arrays([pa.array(mine[rows.good]), *rows.columns], schema=self._schema))
            more, bad = self._one_by_one(rows.odd, mine[rows.odd_at])
            if more.num_rows:
                tables.append(more)
            wrong += bad
        if at != len(ordinals):
            raise CountMismatch(f"{len(ordinals):,} rows were cut, but {at:,} or more are there")
        if wrong and lines is not data:
            wrong = _as_they_came(wrong, data, self.row, ordinals)
        table = pa.concat_tables(tables)
        if not pc.all(pc.less(table["_record"][:-1], table["_record"][1:])).as_py():
            table = table.take(pc.sort_indices(table["_record"]))
        return table, rejected + wrong

    def _one_by_one(self, rows: Sequence[bytes], ordinals: Ordinals) -> tuple[pa.Table, list[Rejected]]:
        """Read single rows, slowly."""
        values, records, rejected = [], [], []
        root, names = self._paths[0], self._schema.names[1:-1]
        for row, ordinal in zip(rows, ordinals.tolist(), strict=True):
            try:
                found, special = fitted(row, parsed(row), root)
            except expat.ExpatError as error:
                reason = f"it is not well-formed XML: {expat.errors.messages[error.code]}"
                rejected.append(Rejected(record=ordinal, reason=reason, text=row.decode("utf-8", "backslashreplace")))
                continue
            records.append(ordinal)
            values.append([*(found.get(name) for name in names), sorted(special.items()) or None])
        return self._table(records, values), rejected

    def _table(self, records: Sequence[int], values: Sequence[Sequence[object]]) -> pa.Table:
        columns = [records, *(zip(*values, strict=True) if values else [()] * (len(self._schema) - 1))]
        arrays = [pa.array(column, kind) for column, kind in zip(columns, self._schema.types, strict=True)]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    @property
    def _schema(self) -> pa.Schema:
        return _compiled(self.row, self.fields or ())[0]

    @property
    def _paths(self) -> Paths:
        return _compiled(self.row, self.fields or ())[1]


@lru_cache(maxsize=64)
def _compiled(row: str, fields: Fields) -> tuple[pa.Schema, Paths]:
    """Not kept on the reader, as a copy of it with other fields would have them still."""
    return schema_of(fields), Paths(row, fields)


def _with_line_feeds(data: bytes) -> bytes:
    """The text as an XML parser hands it on, whose line ends are LF."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def _as_they_came(rejected: Sequence[Rejected], data: bytes, row: str, ordinals: Ordinals) -> list[Rejected]:
    spans = dict(zip(ordinals.tolist(), element_spans(data, row), strict=True))
    texts = (data[slice(*spans[one.record])].decode("utf-8", "backslashreplace") for one in rejected)
    return [one.model_copy(update={"text": text}) for one, text in zip(rejected, texts, strict=True)]
