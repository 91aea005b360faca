import csv
import io
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark import cut
from spark.errors import Unreadable
from spark.readers import Csv
from tests.spark.made import Dribble, Made, csv_files


def parsed(data: bytes, delimiter: str) -> list[list[str]]:
    """Python's own reading of the records that are not blank."""
    return [row for row in csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter) if row]


@given(made=csv_files(), chunk=st.integers(1, 40), size=st.integers(1, 60), read=st.integers(1, 30))
def test_pieces_are_whole_records_and_together_the_file(made: Made, chunk: int, size: int, read: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut, "_READ", read)  # how far the cutter looks at once for the end of a long record
        patch.setattr(cut, "_FIRST", read)
        pieces = list(Csv(delimiter=made.delimiter).cut(Dribble(made.plaintext, chunk), size))  # type: ignore[arg-type]
    body = made.plaintext[made.body :]
    assert b"".join(piece.data for piece in pieces) == body
    assert all(made.plaintext[p.offset : p.offset + len(p.data)] == p.data for p in pieces)
    assert all(list(p.columns) == made.columns for p in pieces)
    rows = [parsed(piece.data, made.delimiter) for piece in pieces]  # each for itself: none begins inside a record
    assert list(chain.from_iterable(rows)) == parsed(body, made.delimiter)
    assert [p.records for p in pieces] == [len(piece_rows) for piece_rows in rows]
    assert [p.first_record for p in pieces] == [1 + sum(map(len, rows[:i])) for i in range(len(rows))]
    assert len(made.records) == sum(map(len, rows))


@given(made=csv_files(), size=st.integers(1, 60))
def test_pieces_are_about_as_large_as_asked(made: Made, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut, "_READ", 1)
        patch.setattr(cut, "_FIRST", 1)
        pieces = list(Csv(delimiter=made.delimiter).cut(io.BytesIO(made.plaintext), size))
    longest = max(len(text.encode()) for text in [*made.texts, ""]) + 2
    assert all(len(piece.data) <= size + max(size, longest) for piece in pieces)


class Endless(io.RawIOBase):
    """A quote that is never closed."""

    given = 0

    def read(self, size: int = -1, /) -> bytes:
        first, self.given = self.given == 0, self.given + size
        assert self.given < 1_000_000, "it is looked for for ever"
        return b'"' + b"x\n" * size if first else b"x\n" * (size // 2 + 1)


@pytest.mark.parametrize("header", [True, False])
def test_a_quote_left_open_is_not_looked_for_for_ever(header: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "MAX_RECORD", 100_000)
    monkeypatch.setattr(cut, "_READ", 1_000)
    stream = Endless()
    with pytest.raises(Unreadable, match="byte 0 does not end within 100,000 bytes"):
        list(Csv(header=header).cut(stream, 50))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data", [b'"a,b\n1,2\n', b'a,b\n1,"x\n2,3\n', b'a,b\n1,2\n3,"cut of'], ids=["header", "record", "truncated"]
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_file_that_ends_within_quotes_is_unreadable(data: bytes, size: int) -> None:
    # Arrow would give everything after the quote as one field, and the counts would agree.
    with pytest.raises(Unreadable, match="ends within quotes"):
        list(Csv().cut(io.BytesIO(data), size))


def test_a_long_record_below_the_bound_is_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "MAX_RECORD", 5_000)
    monkeypatch.setattr(cut, "_READ", 10)
    monkeypatch.setattr(cut, "_FIRST", 10)
    long = b'1,"' + b"x\n" * 2_000 + b'"\n'
    pieces = list(Csv().cut(io.BytesIO(b"a,b\n" + long + b"2,y\n" * 100), 10))
    assert pieces[0].data.startswith(long)
    assert len(pieces[0].data) < len(long) + 20
    assert sum(piece.records or 0 for piece in pieces) == 101
