"""The stages on single files, without a lake, a drop or a server: what the `inlet` command does."""

import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from uuid import uuid4

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, SecretStr, ValidationError

from blocks.pgp import PgpKey
from spark.convert import REJECTED, parse, raw_schema, rejected_table, with_constants
from spark.errors import UnexpectedMember, UnknownFormat
from spark.parts import Piece
from spark.readers import READERS, Csv, Excel
from tasks.decrypt import Decrypt, decrypter
from tasks.wrappings import Member, peel

_BY_ENDING = {"csv": "csv", "tsv": "csv", "txt": "csv", "dat": "csv", "xlsx": "excel", "xls": "excel", "ods": "excel"}


class Conversion(BaseModel, frozen=True):
    """What `convert_file` did: records = rows + rejected; columns as the lake names them."""

    file: str
    records: int
    rows: int
    rejected: int
    reasons: dict[str, int]
    columns: list[str]


class ColumnLook(BaseModel, frozen=True):
    """Counts of one column's values, exact over all rows; lengths in characters. Shows no value."""

    name: str
    original: str
    nulls: int
    empties: int
    distinct: int
    shortest: int | None
    longest: int | None


class Look(BaseModel, frozen=True):
    """What a file holds, by counts."""

    file: str
    rows: int
    rejected: int
    reasons: dict[str, int]
    columns: list[ColumnLook]


def reader_for(name: str, fmt: str | None = None, options: Mapping[str, str] | None = None) -> Csv | Excel:
    """The reader of a format, by its name or else by the file's ending, with options as text.

    Raises `UnknownFormat` where there is none and for options that it does not know.
    """
    ending = name.rpartition(".")[2].lower()
    chosen = fmt or _BY_ENDING.get(ending)
    if chosen not in READERS:
        raise UnknownFormat(f"{name}: no reader for {chosen or ending!r}; there are {', '.join(READERS)}")
    given: dict[str, str] = {**({"delimiter": "\t"} if ending == "tsv" and chosen == "csv" else {}), **(options or {})}
    given = {
        key: value.encode().decode("unicode_escape") if key == "delimiter" else value for key, value in given.items()
    }
    try:
        return READERS[chosen].model_validate({k: None if v == "" else v for k, v in given.items()})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(READERS[chosen].model_fields)
        raise UnknownFormat(f"{name}: {chosen} cannot be read with these options ({wrong}); it knows {known}") from None


@contextmanager
def keyring(key: Path | None) -> Iterator[Decrypt | None]:
    """How PGP messages are opened with an armored private key; its passphrase comes from INLET_PASSPHRASE."""
    if key is None:
        yield None
        return
    passphrase = os.environ.get("INLET_PASSPHRASE")
    block = PgpKey(private_key=SecretStr(key.read_text()), passphrase=SecretStr(passphrase) if passphrase else None)
    with block.home() as home:
        yield decrypter(home)


def convert_file(file: str, out: str, reader: Csv | Excel | None = None, rejects: str | None = None) -> Conversion:
    """Convert one file, peeled of its wrappings, to one Parquet file, and what does not parse to another.

    Raises what peeling and reading raise; then neither file is left.
    """
    reasons: Counter[str] = Counter()
    rows = 0
    with ExitStack() as stack:
        member, pieces, reader, nothing_else = stack.enter_context(_opened(file, reader))
        first = next(pieces)
        schema = raw_schema(first.columns).remove(0)  # there is no drop here
        into = stack.enter_context(_parquet(out, schema))
        aside = stack.enter_context(_parquet(rejects, REJECTED.remove(0))) if rejects else None
        for table, rejected in parse(chain([first], pieces), reader, member.path):
            into.write_table(with_constants(table, {"_file": member.path}).cast(schema))
            rows += table.num_rows
            reasons.update(r.reason for r in rejected)
            if aside and rejected:
                aside.write_table(rejected_table(rejected, "", member.path).drop_columns("_drop"))
        nothing_else()
    rejected_count = reasons.total()
    return Conversion(
        file=file,
        records=rows + rejected_count,
        rows=rows,
        rejected=rejected_count,
        reasons=dict(reasons),
        columns=schema.names[2:],
    )


def look(file: str, reader: Csv | Excel | None = None) -> Look:
    """Count what one file, peeled of its wrappings, holds; raises what peeling and reading raise."""
    reasons: Counter[str] = Counter()
    parts: list[pa.Table] = []
    with _opened(file, reader) as (member, pieces, chosen, nothing_else):
        first = next(pieces)
        for table, rejected in parse(chain([first], pieces), chosen, member.path):
            parts.append(table)
            reasons.update(r.reason for r in rejected)
        nothing_else()
    whole = pa.concat_tables(parts)
    names = zip(whole.column_names[1:], first.columns, strict=True)
    return Look(
        file=file,
        rows=whole.num_rows,
        rejected=reasons.total(),
        reasons=dict(reasons),
        columns=[_look_at(whole[name], name, original) for name, original in names],
    )


def _look_at(column: pa.ChunkedArray, name: str, original: str) -> ColumnLook:
    lengths = pc.min_max(pc.utf8_length(column)).as_py()
    return ColumnLook(
        name=name,
        original=original,
        nulls=column.null_count,
        empties=pc.sum(pc.equal(column, "")).as_py() or 0,
        distinct=pc.count_distinct(column).as_py(),
        shortest=lengths["min"],
        longest=lengths["max"],
    )


@contextmanager
def _opened(
    file: str, reader: Csv | Excel | None
) -> Iterator[tuple[Member, Iterator[Piece], Csv | Excel, Callable[[], None]]]:
    """The one plain file in `file`, cut; its reader; and a check, for the end, that there is nothing else in it."""
    name = posixpath.basename(file)
    with fsspec.open(file, "rb") as stream, closing(peel(stream, name)) as members:
        member, plain = next(members, (None, None))
        if member is None or plain is None:
            raise UnexpectedMember(f"{file} holds no file")

        def nothing_else() -> None:
            if other := next(members, None):
                raise UnexpectedMember(f"{file} holds {member.name}, {other[0].name} and maybe more")

        chosen = reader or reader_for(member.name)
        yield member, chosen.cut(plain), chosen, nothing_else


@contextmanager
def _parquet(path: str, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A Parquet file that has its name only once it is whole."""
    fs, target = fsspec.core.url_to_fs(path)
    scratch = f"{target}.{uuid4().hex[:8]}.part"
    try:
        with fs.open(scratch, "wb") as sink, pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            yield writer
        fs.mv(scratch, target)
    except BaseException:
        with suppress(FileNotFoundError):
            fs.rm(scratch)
        raise
