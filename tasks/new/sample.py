"""What a sample's files are: unwrapped, each plain file with the reader that reads it, and its first rows."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from io import SEEK_END
from itertools import chain, takewhile
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple, cast

import pyarrow as pa
from pydantic import SecretStr

from spark.convert import parse, read_whole, schema_of
from spark.detect import Detected, detect
from spark.errors import DataError, Miscounted, Undecryptable, UnknownFormat
from spark.readers import X12, AnyReader, Csv, Excel, Fixed, Json, cuts
from spark.readers.base import is_structured
from spark.readers.excel import first_rows
from tasks.formats import HEAD, choose
from tasks.gpg import Decrypt
from tasks.new.names import dated
from tasks.new.place import Sample
from tasks.new.records import columns_of_lines, json_rows, list_of_lines, ruled_columns, tables, xml_rows
from tasks.wrappings import Member, peel

ROWS = 20_000
"""Rows of a plain file that are looked at."""

NEWEST = 3
"""Files that are opened of those whose names differ in digits alone."""

MISCOUNTED = "its envelope counts other than what came"
CUT = "its lines are of one length; the columns are a draft"
SHEETS = "other sheets hold no table"
"""What speaks for a reader that somebody is to look at."""

_BYTES = 64 * 1024 * 1024  # of a file that can be cut
_END = 8 * 1024  # of a long file, in which a trailer shows
_STEP = 1024 * 1024
_ROWS_OF_SHEET = 200  # in which a table shows where it begins
_BESIDE = re.compile(
    r"(?i)(.*/)?(read_?me\b.*|licen[cs]e\b.*|thumbs\.db|desktop\.ini|\..*"
    r"|.*\.(pdf|docx?|rtf|md|html?|dtd|xsd|xsl|sas|sql|py|r|log|png|jpe?g|gif|msg|eml|pptx?|sas7bcat))"
)
_CONTROL = re.compile(
    r"(?i)(.*/)?(_SUCCESS|.*\.(md5|sha\d+|sha\d+sum|md5sum|done|ok|ctl|trg|flg|sig)|(md5|sha\d+)sums?.*)"
)


class Options(NamedTuple):
    """What the engineer knows of the files: the reader's format and options, and what opens them."""

    format: str | None = None
    options: tuple[str, ...] = ()
    decrypt: Decrypt | None = None
    passwords: tuple[SecretStr, ...] = ()


class Plain(NamedTuple):
    """A plain file, and what its reader makes of its first rows, under the lake's names with `_record` first.

    `kind` names the rows where the file has several kinds; `rejected` counts records that do not parse, by reason.
    `text` is all of a small X12 file, whose like is made up segment by segment.
    """

    member: Member
    kind: str
    reader: AnyReader
    schema: pa.Schema
    table: pa.Table
    rejected: Counter[str]
    evidence: tuple[str, ...] = ()
    text: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the file's own columns in the lake."""
        return tuple(self.schema.names[3:])

    @property
    def share(self) -> float:
        """The share of its records that do not parse."""
        records = self.table.num_rows + self.rejected.total()
        return self.rejected.total() / records if records else 0


Read = tuple[str, AnyReader, tuple[str, ...]]
"""A kind of rows, how they are read, and what speaks for it."""


class Looked(NamedTuple):
    """What was found: files that are data, by which names they were delivered; files that are not, and why."""

    plains: tuple[Plain, ...]
    data: tuple[str, ...]
    beside: dict[str, str]
    control: tuple[str, ...]
    locked: bool


def look(sample: Sample, given: Options) -> Looked:
    """Open the newest files of each shape of name; all others that read like them are taken to be like them.

    Raises what opening and reading the first file that is none raises, where none is data.
    """
    names = [file.name for file in sample.files]
    control = tuple(name for name in names if _CONTROL.fullmatch(name))
    documents = [name for name in names if name not in control and _BESIDE.fullmatch(name)]
    candidates = [name for name in names if name not in control and name not in documents] or documents
    plains: list[Plain] = []
    data: list[str] = []
    beside = dict.fromkeys((name for name in documents if name not in candidates), "a document, by its name")
    errors: list[Exception] = []
    locked = False
    for group in _alike(candidates):
        found = list[Plain]()
        for name in group[:NEWEST]:
            try:
                these, others, by_password = _opened(sample, name, given)
            except (DataError, UnicodeError) as error:
                errors.append(error)
                beside[name] = str(error)
                continue
            found += these
            locked |= by_password
            beside |= others
        if found:
            plains += found
            data += group
    if not plains:
        raise errors[0] if errors else UnknownFormat(f"{sample.title}: none of its files is data{_said(beside)}")
    return Looked(tuple(plains), tuple(sorted(data)), beside, control, locked)


def _said(beside: dict[str, str]) -> str:
    said = "; ".join(why if name in why else f"{name} is {why}" for name, why in list(beside.items())[:5])
    return f" ({said})" if said else ", as there is none inside"


def _alike(names: Sequence[str]) -> Iterator[list[str]]:
    """Names of one shape, the newest by what they say first."""
    groups = defaultdict(list)
    for one in dated(names):
        groups[one.words].append(one)
    for group in groups.values():
        yield [one.name for one in sorted(group, key=lambda one: (str(one.day), one.name), reverse=True)]


def _opened(sample: Sample, name: str, given: Options) -> tuple[list[Plain], dict[str, str], bool]:
    """The data in a delivered file, what else is in it, and whether a password was wanted."""
    try:
        return (*_peeled(sample, name, given._replace(passwords=())), False)
    except Undecryptable:
        if not given.passwords:
            raise
        return (*_peeled(sample, name, given), True)


def _peeled(sample: Sample, name: str, given: Options) -> tuple[list[Plain], dict[str, str]]:
    plains, beside = list[Plain](), dict[str, str]()
    error: DataError | None = None
    with ExitStack() as stack:
        stream = stack.enter_context(sample.open(name))
        members = peel(stream, name, spool=_spooled, decrypt=given.decrypt, passwords=given.passwords)
        for member, plain in stack.enter_context(closing(members)):
            if member.wrappings and _BESIDE.fullmatch(member.name):
                beside[member.name] = "a document, by its name"
                continue
            with _spooled(plain, _BYTES) as some:
                try:
                    plains += _read(member, some, plain, given)
                except (UnknownFormat, UnicodeError) as wrong:
                    beside[member.name] = str(wrong)
                    error = wrong if isinstance(wrong, DataError) else error
    header = {plain.columns for plain in plains if plain.table.num_rows}
    for empty in [p for p in plains if not p.table.num_rows and (p.columns in header or _is_header(p.member.name))]:
        if len(plains) > 1:
            plains.remove(empty)
            beside[empty.member.name] = "the header of another file"
    if not plains and error and not any(member for member in beside if member != name):
        raise error
    return plains, beside


def _is_header(name: str) -> bool:
    return re.search(r"(?i)file_?header", name) is not None


def _spooled(stream: BinaryIO, most: int | None = None) -> BinaryIO:
    """A copy of a stream, or of its beginning, in a file without a name, that can be sought in."""
    file = cast(BinaryIO, TemporaryFile())  # noqa: SIM115  # the caller's to close
    try:
        while (most is None or file.tell() < most) and (data := stream.read(_STEP)):
            file.write(data)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _read(member: Member, stream: BinaryIO, rest: BinaryIO, given: Options) -> list[Plain]:
    """A plain file by every reader that it wants; `rest` goes on where `stream`, its beginning, ends."""
    head = stream.read(HEAD)
    plains = []
    readers = list(_readers(member.name, head, given, whole=len(head) < HEAD))
    if len(readers) == 1 and len(head) == HEAD and (both := _with_its_end(head, stream)):
        readers = _with_footer(readers[0], _readers(member.name, both, given, whole=True))
    if not all(cuts(reader) for _, reader, _ in readers):
        stream.seek(0, SEEK_END)
        copyfileobj(rest, stream, _STEP)
    if not given.options and any(isinstance(reader, Excel) for _, reader, _ in readers):
        readers = _sheets(stream) or readers
    for kind, reader, evidence in readers:
        stream.seek(0)
        try:
            plain = _rows(member, kind, reader, stream)
        except Miscounted:
            if not isinstance(reader, X12) or not reader.counts:
                raise
            stream.seek(0)
            plain = _rows(member, kind, reader.model_copy(update={"counts": False}), stream)
            evidence = (*evidence, MISCOUNTED)
        text = head.decode(reader.encoding, "replace") if isinstance(reader, X12) and len(head) < HEAD else ""
        plains.append(plain._replace(evidence=evidence, text=text))
    return plains


def _with_its_end(head: bytes, stream: BinaryIO) -> bytes | None:
    """The first and the last lines of a text; None where its end is not at hand, or it is none."""
    size, begin = stream.seek(0, SEEK_END), head[: head.rfind(b"\n") + 1]
    if size >= _BYTES or not begin or b"\0" in head:
        return None
    stream.seek(max(len(begin), size - _END))
    end = stream.read()
    return begin + (end if size - _END <= len(begin) else end[end.find(b"\n") + 1 :])


def _with_footer(found: Read, again: Iterator[Read]) -> list[Read]:
    """A reader with the footer that the last lines show, where they show nothing else."""
    kind, reader, evidence = found
    with suppress(UnknownFormat):
        for _, other, _ in again if isinstance(reader, Csv | Fixed) else ():
            if isinstance(other, Csv | Fixed) and other.model_copy(update={"footer": 0, "trailer": None}) == reader:
                return [(kind, other, evidence)]
    return [found]


def _readers(name: str, head: bytes, given: Options, *, whole: bool) -> Iterator[Read]:
    """How a file reads: by what is known of it, else by its content. A kind names the rows where there are several."""
    if not (given.format or given.options) and (ruled := ruled_columns(head, whole=whole)):
        yield "", ruled, ("a line of dashes rules its columns",)
        return
    try:
        choice = choose(name, head, whole=whole, fmt=given.format, options=given.options)
    except UnknownFormat as error:
        if given.format or given.options:
            raise
        if error.of == "xml" and (several := xml_rows(head)):
            for xml in several:
                yield (xml.row if len(several) > 1 else ""), xml, (f"<{xml.row}> is what its records are",)
        elif error.of == "text" and (likely := _delimited(head, whole=whole)):
            yield "", likely.reader, likely.evidence
        elif error.of == "text" and (listed := list_of_lines(head)):
            yield "", listed, ("its lines are of one shape: a list",)
        elif error.of == "text" and (fixed := columns_of_lines(head, whole=whole)):
            yield "", fixed, (CUT,)
        else:
            raise
        return
    if isinstance(choice.reader, Json) and choice.reader.at is None and not given.options and (rows := json_rows(head)):
        for key, json in rows.items():
            yield (key if len(rows) > 1 else ""), json, (f"its records are in the array {key}",)
        return
    yield "", choice.reader, choice.evidence


def _sheets(workbook: BinaryIO) -> list[Read]:
    """The tables of a workbook; a kind is a sheet's name where there are several."""
    sheets = first_rows(workbook, _ROWS_OF_SHEET)
    found = tables(sheets)
    evidence = (SHEETS,) if len(found) < sum(any(map(any, rows)) for rows in sheets.values()) else ()
    return [(name if len(found) > 1 else "", reader, evidence) for name, reader in found.items()]


def _delimited(head: bytes, *, whole: bool) -> Detected | None:
    """Delimited text that only its frame, or a letter, makes doubtful: nearly all records have as many fields."""
    found = detect(head, whole=whole)
    sure = found.width > 2 and found.reader.delimiter != " " and found.share >= 0.95
    return found if sure and head.count(b"\n") > 2 else None


def _rows(member: Member, kind: str, reader: AnyReader, stream: BinaryIO) -> Plain:
    """The first rows, as the conversion makes them; raises what it raises."""
    tables: list[pa.Table] = []
    rejected = Counter[str]()
    if cuts(reader):
        pieces = reader.cut(stream, _STEP)
        first = next(pieces)
        settled = reader.drafted([first]) if is_structured(reader) else reader
        schema = schema_of(settled, first.columns)

        some = takewhile(lambda piece: piece.offset < _BYTES // 2, chain([first], pieces))
        for table, wrong in parse(some, settled, member.path):
            tables.append(table)
            rejected.update(bad.reason for bad in wrong)
            if sum(table.num_rows for table in tables) + rejected.total() >= ROWS:
                break
    else:
        schema, batches = read_whole(stream, reader, member.path)
        for table in batches:
            tables.append(table)
            if sum(table.num_rows for table in tables) >= ROWS:
                break
    rows = pa.concat_tables(tables).slice(0, ROWS) if tables else None
    if rows is None:
        rows = pa.schema([("_record", pa.int64()), *list(schema)[3:]]).empty_table()
    return Plain(member, kind, reader, schema, rows, rejected)
