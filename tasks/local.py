"""The stages on single files, without a lake, a drop or a server: what the `inlet` command does."""

import os
import posixpath
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from errno import EISDIR, ENOENT
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, cast
from uuid import uuid4

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from pydantic import BaseModel, SecretStr

from blocks.pgp import PgpKey
from spark.convert import REJECTED, named, parse, read_whole, rejected_table, schema_of, with_constants
from spark.errors import UnexpectedMember
from spark.parts import Rejected
from spark.profiling.counts import Exact
from spark.readers import AnyReader, cuts
from spark.readers.base import SPECIAL, is_structured
from spark.writer import ROW_GROUP
from tasks.formats import HEAD, Choice, choose, shown
from tasks.gpg import Decrypt, decrypter
from tasks.wrappings import ARCHIVES, Member, peel

DISTINCT = 10_000
"""How many values of one column are told apart."""

_LISTED = 20


class Input(BaseModel, frozen=True):
    """A file and what is known of it: the rest is found.

    `member` is the one to read of an archive that holds several: its path in there, or a glob for that or for its name,
    in whatever case. `format` and `options`, each `name=value`, are those of `tasks.formats.choose`; `reader` stands in
    their place.
    """

    file: str
    member: str | None = None
    format: str | None = None
    options: tuple[str, ...] = ()
    reader: AnyReader | None = None


class ReadBy(BaseModel, frozen=True):
    """What was read, and the reader that was taken, as its format and its options but for the default ones.

    `evidence` is what speaks for it; `confidence`, from 0 to 1, is that of a dialect that was found.
    """

    file: str
    member: str
    reader: dict[str, object]
    evidence: list[str]
    confidence: float | None


class Conversion(ReadBy, frozen=True):
    """What `convert_file` did: records = rows + rejected; columns as the lake names them."""

    records: int
    rows: int
    rejected: int
    reasons: dict[str, int]
    columns: list[str]


class ColumnLook(BaseModel, frozen=True):
    """Counts of one column's values, exact over all rows; lengths in characters. Shows no value.

    `distinct` is None where there are more than `DISTINCT`, and in columns of lists, structs and maps.
    """

    name: str
    original: str
    type: str
    nulls: int
    empties: int
    distinct: int | None
    shortest: int | None
    longest: int | None


class Look(ReadBy, frozen=True):
    """What a file holds, by counts."""

    rows: int
    rejected: int
    reasons: dict[str, int]
    columns: list[ColumnLook]


@contextmanager
def keyring(key: Path | None, signer: str | None = None) -> Iterator[Decrypt | None]:
    """How PGP messages are opened: with an armored private key, or by a passphrase alone; None with neither.

    The key's passphrase, or the messages' own, comes from INLET_PASSPHRASE. The key's file may hold public keys too:
    that of `signer`, a fingerprint, who must have signed every message where one is given.
    """
    passphrase = os.environ.get("INLET_PASSPHRASE")
    if key is None and not passphrase:
        yield None
        return
    block = PgpKey(
        private_key=SecretStr(key.read_text()) if key else None,
        passphrase=SecretStr(passphrase) if passphrase else None,
    )
    with block.home() as home:
        yield decrypter(home, signer=signer)


def known_passwords() -> tuple[SecretStr, ...]:
    """Passwords of archives: what INLET_PASSPHRASE says."""
    passphrase = os.environ.get("INLET_PASSPHRASE")
    return (SecretStr(passphrase),) if passphrase else ()


def convert_file(given: Input, out: str, rejects: str | None = None, decrypt: Decrypt | None = None) -> Conversion:
    """Convert one file, peeled of its wrappings, to one Parquet file, and what does not parse to another.

    Memory is bounded by one piece and one row group. Raises what choosing a reader, peeling and reading raise; then
    neither file is left, and one that stood there before still does.
    """
    reasons: Counter[str] = Counter()
    rows = 0
    with ExitStack() as stack:
        opened = stack.enter_context(_opened(given, decrypt))
        into = stack.enter_context(_ParquetFile(out, opened.schema.remove(0)))  # there is no drop here
        aside = stack.enter_context(_ParquetFile(rejects, REJECTED.remove(0))) if rejects else None
        for table, rejected in opened.tables:
            into.write(with_constants(table, {"_file": opened.member}))
            rows += table.num_rows
            reasons.update(r.reason for r in rejected)
            if aside and rejected:
                aside.write(rejected_table(rejected, "", opened.member).drop_columns("_drop"))
        written = [into, *([aside] if aside else [])]
        for file in written:
            file.close()
        for file in written:  # both, or neither
            file.commit()
    return Conversion(
        records=rows + reasons.total(),
        rows=rows,
        rejected=reasons.total(),
        reasons=dict(reasons.most_common()),
        columns=opened.schema.names[3:],
        **_read_by(given, opened),
    )


def look(given: Input, decrypt: Decrypt | None = None) -> Look:
    """Count what one file, peeled of its wrappings, holds; raises what peeling and reading raise."""
    reasons: Counter[str] = Counter()
    rows = 0
    with _opened(given, decrypt) as opened:
        fields = [column for column in list(opened.schema)[3:] if column.name != SPECIAL]
        counts = [_Counts(column) for column in fields]
        for table, rejected in opened.tables:
            rows += table.num_rows
            reasons.update(r.reason for r in rejected)
            for count in counts:
                count.add(table[count.column.name])
    return Look(
        rows=rows,
        rejected=reasons.total(),
        reasons=dict(reasons.most_common()),
        columns=[count.look() for count in counts],
        **_read_by(given, opened),
    )


def _read_by(given: Input, opened: "_Opened") -> dict[str, Any]:
    """The fields of `ReadBy`."""
    choice = opened.choice
    return {
        "file": given.file,
        "member": opened.member,
        "reader": shown(choice),
        "evidence": list(choice.evidence),
        "confidence": choice.confidence,
    }


class _Counts:
    """Counts of one column, piece by piece."""

    def __init__(self, column: pa.Field) -> None:
        self.column = column
        self._exact = Exact(column.type)
        # those seen, up to DISTINCT
        self._values = None if pa.types.is_nested(column.type) else pa.array([], column.type)

    def add(self, values: pa.ChunkedArray) -> None:
        """Count another piece's values."""
        self._exact.add(values.combine_chunks(), bounds=False)
        if self._values is not None:
            seen = pa.chunked_array([self._values, pc.unique(values.drop_null())])
            self._values = pc.unique(seen) if len(seen) <= 2 * DISTINCT else None
            if self._values is not None and len(self._values) > DISTINCT:
                self._values = None

    def look(self) -> ColumnLook:
        """What they came to."""
        return ColumnLook(
            name=self.column.name,
            original=self.column.metadata[b"name"].decode(),
            type=str(self.column.type),
            nulls=self._exact.nulls,
            empties=self._exact.empties,
            distinct=None if self._values is None else len(self._values),
            shortest=self._exact.shortest,
            longest=self._exact.longest,
        )


class _Opened(NamedTuple):
    """The one plain file of an input: its path, its schema in Raw, its rows under the lake's names with `_record` in
    front and what does not parse, and the reader.
    """

    member: str
    schema: pa.Schema
    tables: Iterator[tuple[pa.Table, list[Rejected]]]
    choice: Choice


@contextmanager
def _opened(given: Input, decrypt: Decrypt | None) -> Iterator[_Opened]:
    with _the_member(given, decrypt) as (member, plain), ExitStack() as stack, named(member.path):
        choice = _choice(given, member, plain)
        reader = choice.reader
        if cuts(reader):
            pieces = reader.cut(plain)
            first = next(pieces)
            if is_structured(reader):
                reader = reader.drafted([first])
                choice = choice._replace(reader=reader)
            schema = schema_of(reader, first.columns)
            yield _Opened(member.path, schema, parse(chain([first], pieces), reader, member.path), choice)
        else:
            if not plain.seekable():
                plain = stack.enter_context(closing(_sought(plain)))
            schema, tables = read_whole(plain, reader, member.path)
            yield _Opened(member.path, schema, ((table, []) for table in tables), choice)


def _choice(given: Input, member: Member, plain: BinaryIO) -> Choice:
    if given.reader is not None:
        return Choice(type(given.reader).__name__.lower(), given.reader)
    if plain.seekable():
        head = plain.read(HEAD)
        plain.seek(0)
    else:
        head = plain.peek(HEAD)[:HEAD]  # type: ignore[attr-defined]  # always buffered
    return choose(member.path, head, whole=len(head) < HEAD, fmt=given.format, options=given.options)


@contextmanager
def _the_member(given: Input, decrypt: Decrypt | None) -> Iterator[tuple[Member, BinaryIO]]:
    """The plain file to be read; behind it the rest of what is round it is read, for the checks that come last.

    A file that is not wrapped is sought in as far as its place allows it.
    """
    path = _the_path(given, decrypt)
    with fsspec.open(given.file, "rb") as stream, closing(_peeled(given, stream, decrypt)) as members:
        member, plain = next(((member, plain) for member, plain in members if member.path == path), (None, None))
        if member is None or plain is None:
            raise UnexpectedMember(f"{given.file} held {path}, and then did not")
        if not member.wrappings and stream.seekable():
            stream.seek(0)
            plain = stream
        yield member, plain
        for _ in members:
            pass


def _the_path(given: Input, decrypt: Decrypt | None) -> str:
    """The path of the file to be read; of an archive all members are listed. Raises `UnexpectedMember`."""
    with fsspec.open(given.file, "rb") as stream, closing(_peeled(given, stream, decrypt)) as members:
        found: list[Member] = []
        for member, _ in members:
            found.append(member)
            if not set(member.wrappings) & set(ARCHIVES):
                break
    inside = {"/".join(member.names[1:]) or member.name: member for member in found}
    fitting = _fitting(inside, given.member) if given.member else list(inside)
    if len(fitting) == 1:
        return inside[fitting[0]].path
    listed = ", ".join((fitting or list(inside))[:_LISTED]) + (" …" if len(fitting or inside) > _LISTED else "")
    if not inside:
        raise UnexpectedMember(f"{given.file} holds no file")
    if not fitting:
        raise UnexpectedMember(f"{given.file} holds no {given.member}, but {listed}")
    raise UnexpectedMember(f"{given.file} holds {len(fitting):,} files, one is chosen by --member: {listed}")


def _fitting(inside: dict[str, Member], pattern: str) -> list[str]:
    """The paths that a pattern fits; a path itself fits no other."""
    if pattern in inside:
        return [pattern]
    glob = pattern.lower()
    return [
        path
        for path, member in inside.items()
        if any(fnmatchcase(n.lower(), glob) for n in (path, *member.names[1:], *map(posixpath.basename, member.names)))
    ]


def _peeled(given: Input, stream: BinaryIO, decrypt: Decrypt | None) -> Generator[tuple[Member, BinaryIO], None, None]:
    name = posixpath.basename(given.file)
    return peel(stream, name, spool=_sought, decrypt=decrypt, passwords=known_passwords())


def _sought(stream: BinaryIO) -> BinaryIO:
    """A copy of a stream, in a file without a name, that can be sought in."""
    file = cast(BinaryIO, TemporaryFile())  # noqa: SIM115  # the caller's to close
    try:
        copyfileobj(stream, file, 1 << 20)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


class _ParquetFile:
    """A Parquet file that has its name only once it is committed, in row groups of about `ROW_GROUP` bytes."""

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._fs, self._path = fsspec.core.url_to_fs(path)
        if self._fs.isdir(self._path):
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR), path)
        if isinstance(self._fs, LocalFileSystem) and not self._fs.isdir(posixpath.dirname(self._path)):
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), posixpath.dirname(self._path))
        self._schema = schema
        self._pending: list[pa.Table] = []
        self._scratch = f"{self._path}.{uuid4().hex[:8]}.part"
        self._is_local = isinstance(self._fs, LocalFileSystem)  # elsewhere an upload is nothing before it is committed
        self._sink: Any = None
        self._writer: Any = None
        self._committed = False

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._pending.append(table.select(self._schema.names).cast(self._schema))
        if sum(pending.nbytes for pending in self._pending) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if rows := sum(table.num_rows for table in self._pending):
            self._writer.write_table(pa.concat_tables(self._pending), row_group_size=rows)
        self._pending = []

    def close(self) -> None:
        """Write the rest."""
        self._flush()
        self._writer.close()
        self._sink.close()

    def commit(self) -> None:
        """Give the file its name."""
        if self._is_local:
            Path(self._scratch).replace(self._path)
        else:
            self._sink.commit()
        self._committed = True

    def __enter__(self) -> Self:
        try:
            at_once = {} if self._is_local else {"autocommit": False}
            self._sink = self._fs.open(self._scratch if self._is_local else self._path, "wb", **at_once)
            self._writer = pq.ParquetWriter(
                self._sink, self._schema, compression="zstd", write_page_index=True, write_page_checksum=True
            )
        except BaseException:  # an interrupt, too
            self._undo()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if not self._committed:
            self._undo()

    def _undo(self) -> None:
        with suppress(Exception):  # the error that led here is the one to be told
            self._writer.close()
        with suppress(Exception):
            self._sink.close() if self._is_local else self._sink.discard()
        if self._is_local:
            Path(self._scratch).unlink(missing_ok=True)
