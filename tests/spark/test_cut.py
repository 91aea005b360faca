import csv
import io
from itertools import chain
from typing import BinaryIO, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.cutting import Dialect, Plain, Records, cut_lines, records
from spark.cutting import dialect as dialect_module
from spark.errors import Unreadable
from spark.parts import Piece
from spark.readers import Csv
from spark.readers.base import without_bad
from tests.spark.made import Dribble, Made, csv_files


def parsed(data: bytes, delimiter: str) -> list[list[str]]:
    """Python's own reading of the records that are not blank."""
    return [row for row in csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter) if row]


def dribble(data: bytes, most: int) -> BinaryIO:
    return cast(BinaryIO, Dribble(data, most))


def check(pieces: list[Piece], file: bytes, left_out: tuple[int, int]) -> None:
    """Together, the pieces are the file between two offsets, and each says where it stands."""
    assert b"".join(piece.data for piece in pieces) == file[left_out[0] : left_out[1]]
    assert all(file[p.offset : p.offset + len(p.data)] == p.data for p in pieces)
    assert [p.first_record for p in pieces] == [1 + sum(p.records or 0 for p in pieces[:i]) for i in range(len(pieces))]


@given(made=csv_files(), chunk=st.integers(1, 40), size=st.integers(1, 60), read=st.integers(1, 30))
def test_pieces_are_whole_records_and_together_the_file(made: Made, chunk: int, size: int, read: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_READ", read)  # how far the cutter looks at once for the end of a long record
        pieces = list(Csv(delimiter=made.delimiter).cut(dribble(made.plaintext, chunk), size))
    check(pieces, made.plaintext, (made.body, len(made.plaintext)))
    assert all(list(p.columns) == made.columns for p in pieces)
    assert not any(p.bad for p in pieces)
    rows = [parsed(piece.data, made.delimiter) for piece in pieces]  # each for itself: none begins inside a record
    assert list(chain.from_iterable(rows)) == parsed(made.plaintext[made.body :], made.delimiter)
    assert [p.records for p in pieces] == [len(piece_rows) for piece_rows in rows]
    assert len(made.records) == sum(map(len, rows))


@given(made=csv_files(), size=st.integers(1, 60))
def test_pieces_are_at_most_as_large_as_asked_or_one_record(made: Made, size: int) -> None:
    pieces = list(Csv(delimiter=made.delimiter).cut(io.BytesIO(made.plaintext), size))
    longest = max(len(text.encode()) for text in [*made.texts, ""]) + 2
    assert all(len(piece.data) <= max(size, longest) for piece in pieces)


class Case(NamedTuple):
    """A file with records that are refused, in three columns; `good` and `bad` by their ordinals."""

    name: str
    data: bytes
    good: dict[int, bytes]
    bad: dict[int, tuple[str, bytes]]
    max_record: int = 30


LONG = "longer than 30 bytes"
OPEN = "the file ends within its quotes"
CASES = [
    Case(
        "a quote left open, far from the end",
        b'1,"a,x\n' + b"2,b,x\n" * 20,
        dict.fromkeys(range(2, 22), b"2,b,x\n"),
        {1: (LONG, b'1,"a,x\n')},
    ),
    Case("a quote left open at the end", b'1,a,x\n2,"b,x\n', {1: b"1,a,x\n"}, {2: (OPEN, b'2,"b,x\n')}),
    Case("cut off within quotes", b'1,a,x\n2,b,"x', {1: b"1,a,x\n"}, {2: (OPEN, b'2,b,"x')}),
    Case(
        "near the end, it spoils only itself",
        b'1,"a,x\n2,b,x\n3,c,x',
        {2: b"2,b,x\n", 3: b"3,c,x"},
        {1: (OPEN, b'1,"a,x\n')},
    ),
    Case(
        "lines with another number of fields belong to the bad one",
        b'1,"a\nb,c\n\n,,,\n2,"b","x"\n' + b"3,c,y\n" * 6,
        dict.fromkeys(range(2, 8), b"3,c,y\n") | {2: b'2,"b","x"\n'} | {8: b"3,c,y\n"},
        {1: (LONG.replace("30", "12"), b'1,"a\nb,c\n\n,,,\n')},
        12,
    ),
    Case(
        "a field longer than any record may be",
        b"1,a,x\n2," + b"y" * 100 + b",x\n3,c,x\n",
        {1: b"1,a,x\n", 3: b"3,c,x\n"},
        {2: (LONG, b"2," + b"y" * 100 + b",x\n")},
    ),
    Case(
        "a line without an end",
        b"1,a,x\n2," + b"y" * 300,
        {1: b"1,a,x\n"},
        {2: (LONG, b"2," + b"y" * 300)},
    ),
    Case(
        "a long field with newlines in its quotes",
        b'1,a,x\n2,"' + b"y\n" * 50 + b'",x\n3,c,x\n',
        {1: b"1,a,x\n", 3: b"3,c,x\n"},
        {2: (LONG, b'2,"' + b"y\n" * 50 + b'",x\n')},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("size", [1, 7, 40, 10_000])
@pytest.mark.parametrize("read", [1, 10, 1_000])
def test_a_bad_record_rejects_only_itself(case: Case, size: int, read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_READ", read)
    pieces = list(Csv(max_record=case.max_record).cut(io.BytesIO(b"a,b,c\n" + case.data), size))
    check(pieces, b"a,b,c\n" + case.data, (6, 6 + len(case.data)))
    assert all(len(piece.data) <= size + case.max_record for piece in pieces)
    good: dict[int, bytes] = {}
    bad: dict[int, tuple[str, bytes]] = {}
    last = 0
    for piece in pieces:
        data, ordinals, _ = without_bad(piece)
        lines = [data[a:b] for a, b in Dialect().lines(data)]
        lines = lines if b"".join(lines) == data else [*lines, data[len(b"".join(lines)) :]]
        if len(ordinals) == 1:
            lines = [data]
        good |= dict(zip(ordinals.tolist(), lines, strict=True))
        for span in piece.bad:
            text = piece.data[span.start : span.start + span.length]
            last = span.record or last
            bad[last] = (span.reason, (b"" if span.record else bad[last][1]) + text)
    assert bad == case.bad
    assert good == case.good


class Endless(io.RawIOBase):
    """A quote that is never closed."""

    given = 0

    def read(self, size: int = -1, /) -> bytes:
        first, self.given = self.given == 0, self.given + size
        return b'"' + b"x\n" * size if first else b"x\n" * (size // 2 + 1)


def test_a_quote_left_open_for_ever_is_passed_on_piece_by_piece() -> None:
    stream = Endless()
    pieces = Csv(columns=("a", "b"), header=False, max_record=100_000).cut(cast(BinaryIO, stream), 50_000)
    for number in range(20):
        piece = next(pieces)
        assert len(piece.data) <= 150_000
        assert [(bad.start, bad.length, bad.record) for bad in piece.bad] == [(0, len(piece.data), number == 0 or None)]
        assert piece.records == (number == 0)
    assert stream.given < 21 * 50_000 + 1_000_000


@pytest.mark.parametrize("header", [True, 2])
def test_a_header_without_an_end_is_unreadable(header: bool | int) -> None:
    with pytest.raises(Unreadable, match="does not end within 1,048,576 bytes"):
        list(Csv(header=header).cut(cast(BinaryIO, Endless())))


@pytest.mark.parametrize("data", [b'"a,b\n1,2\n', b'a,"'])
def test_a_header_left_in_its_quotes_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable, match="or the file"):
        list(Csv().cut(io.BytesIO(data)))


def test_without_names_a_first_record_that_is_bad_does_not_hide_how_many_columns_there_are() -> None:
    piece = next(Csv(header=False, max_record=10).cut(io.BytesIO(b'1,"2\n' + b"3,4\n" * 5)))
    assert piece.columns == ("column_1", "column_2")
    assert [(bad.length, bad.record) for bad in piece.bad] == [(5, 1)]
    assert piece.records == 6


class Around(NamedTuple):
    """What is left out of a file's beginning and end, and what is no record."""

    name: str
    data: bytes
    reader: Csv
    columns: tuple[str, ...]
    body: bytes
    records: int


AROUND = [
    Around("title lines", b'A "title\n\na,b\n1,2\n', Csv(skip=2), ("a", "b"), b"1,2\n", 1),
    Around("title lines by CRLF", b"A\r\n\r\na,b\r\n1,2\r\n", Csv(skip=2), ("a", "b"), b"1,2\r\n", 1),
    Around("title lines by CR", b"A\r\ra,b\r1,2\r", Csv(skip=2), ("a", "b"), b"1,2\r", 1),
    Around("two header rows", b'x,,"y z"\na,b\n1,2,3\n', Csv(header=2), ("x a", "b", "y z"), b"1,2,3\n", 1),
    Around("no header rows", b"1,2\n", Csv(header=0), ("column_1", "column_2"), b"1,2\n", 1),
    Around("more header rows than there are", b"a,b\n", Csv(header=3), ("a", "b"), b"", 0),
    Around("a trailer", b'a,b\n1,2\n3,"4\n"\nT|2\n', Csv(footer=1), ("a", "b"), b'1,2\n3,"4\n"\n', 2),
    Around("a trailer, unended", b"a,b\n1,2\nT|1", Csv(footer=1), ("a", "b"), b"1,2\n", 1),
    Around("a trailer before blank lines", b"a,b\n1,2\nT|1\n\n\n", Csv(footer=1), ("a", "b"), b"1,2\n", 1),
    Around("two, among blank lines", b"a,b\n1,2\n\n--\n\nT|1\n", Csv(footer=2), ("a", "b"), b"1,2\n\n", 1),
    Around("nothing but a trailer", b"a,b\nT|0\n", Csv(footer=1), ("a", "b"), b"", 0),
    Around("less than the trailer", b"a,b\nT|0\n", Csv(footer=2), ("a", "b"), b"", 0),
    Around(
        "comments",
        b'# a "comment\n#\na,b\n#x,y\n1,"\n#2\n"\n# "\n3,4\n#',
        Csv(comment="#"),
        ("a", "b"),
        b'#x,y\n1,"\n#2\n"\n# "\n3,4\n#',
        2,
    ),
    Around("a comment's mark of two", b"a,b\n//\n/,1\n", Csv(comment="//"), ("a", "b"), b"//\n/,1\n", 1),
    Around("comments by CR", b"a,b\r#,\r1,2\r#", Csv(comment="#"), ("a", "b"), b"#,\r1,2\r#", 1),
]


@pytest.mark.parametrize("around", AROUND, ids=[around.name for around in AROUND])
@pytest.mark.parametrize("size", [1, 6, 1_000])
@pytest.mark.parametrize("read", [1, 5, 1_000])
def test_what_is_left_out(around: Around, size: int, read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_READ", read)
    pieces = list(around.reader.cut(io.BytesIO(around.data), size))
    body = around.data.rindex(around.body) if around.body else pieces[0].offset
    check(pieces, around.data, (body, body + len(around.body)))
    assert {piece.columns for piece in pieces} == {around.columns}
    assert sum(piece.records or 0 for piece in pieces) == around.records


TEXT = "é,b\r\n1,\U0001f600x\r\n\r\n\u0a0d,\u2c22\r\n3,y"
"""Beyond the BMP, and characters whose halves in UTF-16 are line ends, a comma and a quote."""


@pytest.mark.parametrize(
    ("declared", "encoding", "mark"),
    [
        ("utf-8", "utf-16-le", b"\xff\xfe"),
        ("utf-8", "utf-16-be", b"\xfe\xff"),
        ("utf-8", "utf-32-le", b"\xff\xfe\0\0"),
        ("utf-8", "utf-32-be", b"\0\0\xfe\xff"),
        ("utf-16", "utf-16-be", b"\xfe\xff"),
        ("utf-16-le", "utf-16-be", b"\xfe\xff"),
        ("utf-16-le", "utf-16-le", b""),
        ("utf-16-be", "utf-16-be", b""),
        ("UTF-32-LE", "utf-32-le", b""),
        ("gb18030", "gb18030", b""),
        ("utf-8-sig", "utf-8", b"\xef\xbb\xbf"),
    ],
)
@pytest.mark.parametrize("size", [1, 1_000])
def test_wide_encodings_are_cut_as_utf8_with_offsets_of_the_file(
    declared: str, encoding: str, mark: bytes, size: int
) -> None:
    file = mark + TEXT.encode(encoding)
    pieces = list(Csv(encoding=declared).cut(dribble(file, 3), size))
    assert b"".join(p.data for p in pieces).decode() == TEXT.partition("\r\n")[2]
    for piece in pieces:
        text = piece.data.decode()
        assert file[piece.offset :].startswith(text.encode(encoding))
    assert pieces[0].columns == ("é", "b")
    assert sum(piece.records or 0 for piece in pieces) == 3


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_told_from_its_nulls_when_declared_so(encoding: str) -> None:
    piece = next(Csv(encoding="utf-16").cut(io.BytesIO("a,b\n1,2\n".encode(encoding))))
    assert (piece.columns, piece.data, piece.offset) == (("a", "b"), b"1,2\n", 8)


@pytest.mark.parametrize(
    ("data", "encoding", "reason"),
    [
        ("a,b\n1,2\n".encode("utf-16-le"), "utf-8", "every other byte is NUL"),
        ("a,b\n1,2\n".encode("utf-16-be"), "utf-8", "every other byte is NUL"),
        ("\ufeffa,b\n1,2\n".encode("utf-16-le"), "latin-1", "byte order mark of utf-16-le"),
    ],
)
def test_an_encoding_that_cannot_be_the_files_is_unreadable(data: bytes, encoding: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        list(Csv(encoding=encoding).cut(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("middle", "encoding"),
    [(b"\x00\xd8,\0", "utf-16-le"), (b"\xff\xff\xff\x7f,\0\0\0", "utf-32-le"), (b"\x80,", "shift_jis")],
)
def test_what_cannot_be_decoded_spoils_its_record_alone(middle: bytes, encoding: str) -> None:
    before, after = "a,b\n1,2\n".encode(encoding), "\n3,é\n".encode(encoding, "ignore")
    file = before + middle + after
    for size in (1, 1_000):
        pieces = list(Csv(encoding=encoding).cut(io.BytesIO(file), size))
        assert [(b.record, b.reason) for p in pieces for b in p.bad] == [(2, f"not {encoding}")]
        assert sum(piece.records or 0 for piece in pieces) == 3
        assert pieces[-1].offset == (
            len(before) + len(middle) + 1 * len("\n".encode(encoding)) if size == 1 else 4 * len("\n".encode(encoding))
        )


def test_a_file_of_utf16_cut_off_within_a_character_loses_only_its_last_record() -> None:
    pieces = list(Csv(encoding="utf-16-le").cut(io.BytesIO("a,b\n1,2\n3,4".encode("utf-16-le")[:-1])))
    assert [(p.records, [b.record for b in p.bad]) for p in pieces] == [(2, [2])]


def strays(text: str, dialect: Dialect) -> list[int]:
    """Where closing quotes with more than blanks behind stand, one character after the other."""
    delimiter, found = dialect.delimiter.decode(), []
    at, state, closed = 0, "start", 0
    while at < len(text):
        if state == "quoted":
            if text.startswith('""', at):
                at += 1
            elif text[at] == '"':
                state, closed = "closed", at
        elif text[at] in "\r\n":
            state = "start"
        elif text.startswith(delimiter, at):
            state, at = "start", at + len(delimiter) - 1
        elif state == "start" and text[at] == '"':
            state = "quoted"
        elif state == "closed" and text[at] != " ":
            found.append(closed)
            state = "bare"
        elif state == "start":
            state = "bare"
        at += 1
    return found


@given(
    marks=st.lists(st.sampled_from(['"', '"', "D", "D", "\n", "\r\n", " ", "a", "|"]), max_size=80),
    delimiter=st.sampled_from([",", " ", "||"]),
    dense=st.sampled_from([0, 10**9]),
)
def test_stray_quotes_are_found_as_by_one_character_after_the_other(
    marks: list[str], delimiter: str, dense: int
) -> None:
    text = "".join(delimiter if mark == "D" else mark for mark in marks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialect_module, "_DENSE", dense)  # positions or words
        found = Dialect(delimiter.encode()).ends(text.encode(), final=True)
    assert found.strays.tolist() == strays(text, Dialect(delimiter.encode()))


SWALLOWED = [
    (b'1,"a,x\n2,"b",x\n3,c,x\n', [(1, b'1,"a,x\n')], 3),
    (b'1,a,"\n2,"b",x\n3,c,x\n', [(1, b'1,a,"\n')], 3),
    (b'1,a,"\n2,"b",x\n' * 9, [(n, b'1,a,"\n') for n in range(1, 18, 2)], 18),
    (b'1,"a\nb" c,x\n4\n3,c,x\n', [(1, b'1,"a\nb" c,x\n')], 3),
]


@pytest.mark.parametrize(("data", "bad", "count"), SWALLOWED)
@pytest.mark.parametrize("size", [1, 9, 1_000])
@pytest.mark.parametrize("again", [1, 64 * 1024])
def test_a_record_with_a_stray_quote_swallows_no_other(
    data: bytes, bad: list[tuple[int, bytes]], count: int, size: int, again: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_AGAIN", again)
    pieces = list(Csv().cut(io.BytesIO(b"a,b,c\n" + data), size))
    check(pieces, b"a,b,c\n" + data, (6, 6 + len(data)))
    spans = [(span.record, p.data[span.start : span.start + span.length]) for p in pieces for span in p.bad]
    assert spans == bad
    assert sum(piece.records or 0 for piece in pieces) == count


LINES = [
    (b"one\ntwo\n\nthree", {}, [b"one\ntwo\n\nthree"], 3),
    (b'{"a":"\\n"}\r\n{"b":1}\r\n', {}, [b'{"a":"\\n"}\r\n{"b":1}\r\n'], 2),
    (b'"\n"\n', {}, [b'"\n"\n'], 2),
    (b"title\n  1\n  2\n", {"skip": 1}, [b"  1\n  2\n"], 2),
    (b"one\rtwo\r", {}, [b"one\rtwo\r"], 2),
    (b"one\rtwo\n", {"line_end": "lf"}, [b"one\rtwo\n"], 1),
    (b"1\n2\nEND 2\n", {"footer": 1}, [b"1\n2\n"], 2),
    (b"1\n\n2\nEND 2\n", {"footer": 1, "trailer": r"END (?P<records>\d+)"}, [b"1\n\n2\n"], 2),
    (b"", {}, [b""], 0),
    (b"\xef\xbb\xbfone\n", {}, [b"one\n"], 1),
]


@pytest.mark.parametrize(("data", "options", "pieces", "count"), LINES)
def test_lines(data: bytes, options: dict[str, int], pieces: list[bytes], count: int) -> None:
    found = list(cut_lines(io.BytesIO(data), **options))  # type: ignore[arg-type]
    assert [piece.data for piece in found] == pieces
    assert sum(piece.records or 0 for piece in found) == count


@pytest.mark.parametrize("size", [1, 10, 1_000])
def test_a_line_longer_than_any_may_be_is_bad(size: int) -> None:
    data = b"one\n" + b"x" * 95 + b"\ntwo\n"
    pieces = list(cut_lines(io.BytesIO(data), size, max_record=20))
    check(pieces, data, (0, len(data)))
    assert [bad.record for piece in pieces for bad in piece.bad if bad.record] == [2]
    assert sum(bad.length for piece in pieces for bad in piece.bad) == 96
    assert sum(piece.records or 0 for piece in pieces) == 3
    assert all(len(piece.data) <= size + 20 for piece in pieces)


def test_records_are_read_one_by_one_before_pieces() -> None:
    found = Records(Plain(io.BytesIO(b'"\n\n"a"\nb,c\r\nd')), Dialect())
    assert (found.line(), found.one(), found.offset) == (b'"\n', b'"a"\n', 7)
    assert (found.peek(), found.one(), found.one(), found.one(), found.line()) == (
        b"b,c\r\n",
        b"b,c\r\n",
        b"d",
        b"",
        b"",
    )
