"""The splitter against a machine that reads one byte after the other, and against Arrow's parser.

For longer runs: `HYPOTHESIS_MAX_EXAMPLES=100000 pytest tests/spark/test_cut_fuzz.py`.
"""

import io
import os
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spark.cutting import Dialect, LineEnd, dialect, records
from spark.errors import Unreadable
from spark.readers import Csv
from tests.spark.made import Dribble

fuzz = settings(deadline=None, max_examples=int(os.environ.get("HYPOTHESIS_MAX_EXAMPLES", "150")))

Field = tuple[str, bool]


class Naive(NamedTuple):
    """What the machine found: where records end, which are none, the fields of each, whether a quote is left open."""

    ends: list[int]
    filled: list[bool]
    fields: list[list[Field]]
    quoted: bool


def naive(text: str, reader: Csv) -> Naive:
    """Read by Arrow's rules, one character after the other."""
    ends, filled, fields = list[int](), list[bool](), list[list[Field]]()
    at = start = 0
    state, value, was_quoted = "start", "", False
    record: list[Field] = []
    quoted = False
    while at < len(text):
        if at == start and reader.comment and text.startswith(reader.comment, at):
            while at < len(text) and not line_end(text, at, reader.line_end):
                at += 1
            at += line_end(text, at, reader.line_end) or 0
            ends.append(at)
            filled.append(False)
            start = at
            continue
        ending = 0 if state == "quoted" else line_end(text, at, reader.line_end)
        if ending:
            at += ending
            ends.append(at)
            filled.append(at - start > ending)
            if filled[-1]:
                fields.append([*record, (value, was_quoted)])
            start, state, value, was_quoted, record = at, "start", "", False, []
        elif reader.escape and text[at] == reader.escape:
            value += text[at + 1 : at + 2] or reader.escape  # at the very end it escapes nothing
            state = "bare" if state == "start" else state
            at += 2
        elif state == "start" and reader.quote and text[at] == reader.quote:
            state, was_quoted = "quoted", True
            at += 1
        elif state == "quoted" and text[at] == reader.quote:
            if text[at + 1 : at + 2] == reader.quote:
                value += reader.quote
                at += 1
            else:
                state = "bare"
            at += 1
        elif state != "quoted" and text.startswith(reader.delimiter, at):
            record.append((value, was_quoted))
            state, value, was_quoted = "start", "", False
            at += len(reader.delimiter)
        else:
            value += text[at]
            state = "bare" if state == "start" else state
            at += 1
    at = min(at, len(text))
    if start < at:
        quoted = state == "quoted"
        if not quoted:
            ends.append(at)
            filled.append(True)
            fields.append([*record, (value, was_quoted)])
    return Naive(ends, filled, fields, quoted)


def line_end(text: str, at: int, kind: LineEnd) -> int:
    """Length of the line end that stands here, 0 for none."""
    if text.startswith("\r\n", at) and kind in {"any", "lf", "crlf"}:
        return 2
    if text.startswith("\n", at) and kind in {"any", "lf"}:
        return 1
    if text.startswith("\r", at) and (kind in {"any", "cr"} or at + 1 == len(text)):
        return 1  # at the end of a file it is half of a CRLF
    return 0


@st.composite
def readers(draw: st.DrawFn) -> Csv:
    quote = draw(st.sampled_from(['"', '"', '"', "'", None]))
    delimiter = draw(st.sampled_from([",", ",", "|", "\t", "\x01", "||", "~|~", "¦", "\0"]))
    escape = draw(st.sampled_from([None, None, "\\"])) if len(delimiter) == 1 else None
    return Csv(
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        comment=draw(st.sampled_from([None, None, "#", "//"])),
        line_end=draw(st.sampled_from(["any", "any", "any", "lf", "crlf", "cr"])),
        header=False,
        columns=("a", "b", "c"),
    )


@st.composite
def texts(draw: st.DrawFn, reader: Csv) -> str:
    """Text in which what a dialect makes special is frequent."""
    special = [reader.delimiter, *reader.delimiter, "\n", "\r\n", "\r"]
    special += [mark for mark in (reader.quote, reader.quote, reader.escape, reader.comment) if mark]
    made = draw(st.lists(st.sampled_from([*special, "a", "é", "#", "/", '"', "''"]), max_size=60))
    if draw(st.booleans()):  # records of the right length among them
        quote = reader.quote or ""
        record = reader.delimiter.join(["x", f"{quote}y{quote}", ""]) + "\n"
        made = [piece for mark in made for piece in (mark, *[record] * draw(st.integers(0, 1)))]
    return "".join(made)


def of_dialect(reader: Csv) -> Dialect:
    return reader._utf8


@fuzz
@given(data=st.data(), reader=readers(), dense=st.sampled_from([0, 64, 10**9]), few=st.sampled_from([1, 2, 100]))
def test_the_splitter_agrees_with_the_machine(data: st.DataObject, reader: Csv, dense: int, few: int) -> None:
    text = data.draw(texts(reader))
    expected = naive(text, reader)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialect, "_DENSE", dense)  # positions or words
        patch.setattr(dialect, "_FEW", few)
        found = of_dialect(reader).ends(text.encode(), final=True)
    offsets = [len(text[:end].encode()) for end in expected.ends]
    assert found.quoted == expected.quoted
    assert found.ends.tolist() == offsets
    assert found.filled.tolist() == expected.filled
    starts = [0, *offsets]
    spans = [text.encode()[a:b] for a, b, filled in zip(starts, offsets, expected.filled, strict=False) if filled]
    split = [of_dialect(reader).split(record) for record in spans]
    assert [[(f.value.decode(), f.quoted) for f in fields or ()] for fields in split] == expected.fields


@fuzz
@given(data=st.data(), reader=readers(), at=st.integers(0, 60))
def test_what_is_found_before_the_end_is_read_is_never_taken_back(data: st.DataObject, reader: Csv, at: int) -> None:
    block = data.draw(texts(reader)).encode()
    whole = of_dialect(reader).ends(block, final=True)
    begun = of_dialect(reader).ends(block[:at])
    assert whole.ends[: len(begun.ends)].tolist() == begun.ends.tolist()
    assert whole.filled[: len(begun.ends)].tolist() == begun.filled.tolist()


def arrow_counts(block: bytes, reader: Csv, columns: int) -> int:
    """Rows and invalid rows of Arrow's parser."""
    invalid = []

    def skip(row: pacsv.InvalidRow) -> str:
        invalid.append(row)
        return "skip"

    if not block.strip(b"\r\n"):
        return 0
    names = [str(i) for i in range(columns)]
    table = pacsv.read_csv(
        pa.BufferReader(block),
        read_options=pacsv.ReadOptions(use_threads=False, column_names=names),
        parse_options=pacsv.ParseOptions(
            delimiter=reader.delimiter,
            quote_char=reader.quote or False,
            escape_char=reader.escape or False,
            newlines_in_values=True,
            invalid_row_handler=skip,
        ),
        convert_options=pacsv.ConvertOptions(check_utf8=False, column_types=dict.fromkeys(names, pa.string())),
    )
    return int(table.num_rows) + len(invalid)


@fuzz
@given(data=st.data(), reader=readers(), columns=st.integers(1, 4))
def test_records_cut_are_rows_and_invalid_rows_of_arrow(data: st.DataObject, reader: Csv, columns: int) -> None:
    assume(reader.delimiter in {",", "|", "\t", "\x01"})  # one byte, which is not NUL
    reader = reader.model_copy(update={"comment": None, "line_end": "any"})
    block = data.draw(texts(reader)).encode()
    found = reader._dialect("utf-8").ends(block, final=True)
    assert found.records + found.quoted == arrow_counts(block, reader, columns)


@fuzz
@given(data=st.data(), reader=readers(), size=st.integers(1, 80), read=st.integers(1, 40), most=st.integers(1, 90))
def test_every_record_is_a_row_with_its_values_or_rejected(
    data: st.DataObject, reader: Csv, size: int, read: int, most: int
) -> None:
    reader = Csv.model_validate(reader.model_dump() | {"max_record": most})
    text = data.draw(texts(reader))
    file = text.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_READ", read)
        pieces = list(reader.cut(Dribble(file, 7), size))  # type: ignore[arg-type]
    assert b"".join(piece.data for piece in pieces) == file
    assert all(file[p.offset : p.offset + len(p.data)] == p.data for p in pieces)
    assert all(len(piece.data) <= size + most for piece in pieces)
    rows: dict[int, tuple[str | None, ...]] = {}
    rejected: dict[int, str] = {}
    for piece in pieces:
        table, rejects = reader.read(piece)
        assert table.num_rows + len(rejects) == piece.records
        rows |= {record: values for record, *values in zip(*(c.to_pylist() for c in table.columns), strict=True)}
        rejected |= {reject.record: reject.reason for reject in rejects}
    count = sum(piece.records or 0 for piece in pieces)
    assert sorted([*rows, *rejected]) == list(range(1, count + 1))
    if any(piece.bad for piece in pieces):
        return
    fields = naive(text, reader).fields
    right = {
        ordinal: [value if value or quoted else None for value, quoted in record]
        for ordinal, record in enumerate(fields, 1)
        if len(record) == 3
    }
    assert rows == right
    assert count == len(fields)


@fuzz
@given(content=st.binary(max_size=200), encoding=st.sampled_from(["utf-8", "latin-1", "utf-16", "utf-32", "gb18030"]))
def test_any_bytes_are_records_that_can_be_traced(content: bytes, encoding: str) -> None:
    try:
        pieces = list(Csv(encoding=encoding, header=False, columns=("a",)).cut(io.BytesIO(content), 20))
    except Unreadable:
        return
    assert [p.offset for p in pieces] == sorted(p.offset for p in pieces)
    assert all(0 <= piece.offset <= len(content) for piece in pieces)
