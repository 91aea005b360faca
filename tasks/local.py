"""The stages on single files, without a lake, a drop or a server: what the `inlet` command does."""

import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO, cast
from uuid import uuid4

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, SecretStr, ValidationError

from blocks.pgp import PgpKey
from spark.convert import REJECTED, parse, read_whole, rejected_table, schema_of, with_constants
from spark.errors import UnexpectedMember, UnknownFormat
from spark.parts import Rejected
from spark.readers import READERS, AnyReader, cuts
from spark.readers.base import SPECIAL, is_structured
from tasks.gpg import Decrypt, decrypter
from tasks.wrappings import peel

_BY_ENDING = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "dat": "csv",
    "xlsx": "excel",
    "xls": "excel",
    "ods": "excel",
    "xpt": "sas",
    "sas7bdat": "sas",
    "parquet": "parquet",
    "orc": "orc",
}


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


def reader_for(name: str, fmt: str | None = None, options: Mapping[str, str] | None = None) -> AnyReader:
    """The reader of a format, by its name or else by the file's ending, with options as text.

    Raises `UnknownFormat` where there is none and for options that it does not know.
    """
    ending = name.rpartition(".")[2].lower()
    chosen = fmt or _BY_ENDING.get(ending)
    if chosen not in READERS:
        raise UnknownFormat(f"{name}: no reader for {chosen or ending!r}; there are {', '.join(READERS)}")
    given: dict[str, str] = {**({"delimiter": "\t"} if ending == "tsv" and chosen == "csv" else {}), **(options or {})}
    given = {
        key: value.encode("latin-1", "backslashreplace").decode("unicode_escape") if key == "delimiter" else value
        for key, value in given.items()
    }
    try:
        return READERS[chosen].model_validate({k: None if v == "" else v for k, v in given.items()})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(READERS[chosen].model_fields)
        raise UnknownFormat(f"{name}: {chosen} cannot be read with these options ({wrong}); it knows {known}") from None


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


def convert_file(file: str, out: str, reader: AnyReader | None = None, rejects: str | None = None) -> Conversion:
    """Convert one file, peeled of its wrappings, to one Parquet file, and what does not parse to another.

    Raises what peeling and reading raise; then neither file is left.
    """
    reasons: Counter[str] = Counter()
    rows = 0
    with ExitStack() as stack:
        name, opened, tables = stack.enter_context(_opened(file, reader))
        schema = opened.remove(0)  # there is no drop here
        into = stack.enter_context(_parquet(out, schema))
        aside = stack.enter_context(_parquet(rejects, REJECTED.remove(0))) if rejects else None
        for table, rejected in tables:
            into.write_table(with_constants(table, {"_file": name}).cast(schema))
            rows += table.num_rows
            reasons.update(r.reason for r in rejected)
            if aside and rejected:
                aside.write_table(rejected_table(rejected, "", name).drop_columns("_drop"))
    rejected_count = reasons.total()
    return Conversion(
        file=file,
        records=rows + rejected_count,
        rows=rows,
        rejected=rejected_count,
        reasons=dict(reasons),
        columns=schema.names[2:],
    )


def look(file: str, reader: AnyReader | None = None) -> Look:
    """Count what one file, peeled of its wrappings, holds; raises what peeling and reading raise."""
    reasons: Counter[str] = Counter()
    with _opened(file, reader) as (_, schema, tables):
        parts = [schema.empty_table().drop_columns(["_drop", "_file"])]
        for table, rejected in tables:
            parts.append(table.cast(parts[0].schema))
            reasons.update(r.reason for r in rejected)
    whole = pa.concat_tables(parts)
    fields = [field for field in list(schema)[3:] if field.name != SPECIAL]
    return Look(
        file=file,
        rows=whole.num_rows,
        rejected=reasons.total(),
        reasons=dict(reasons),
        columns=[_look_at(whole[field.name], field.name, field.metadata[b"name"].decode()) for field in fields],
    )


def _look_at(column: pa.ChunkedArray, name: str, original: str) -> ColumnLook:
    text = pa.types.is_string(column.type)
    lengths = pc.min_max(pc.utf8_length(column)).as_py() if text else {"min": None, "max": None}
    return ColumnLook(
        name=name,
        original=original,
        nulls=column.null_count,
        empties=pc.sum(pc.equal(column, "")).as_py() or 0 if text else 0,
        distinct=pc.count_distinct(column).as_py(),
        shortest=lengths["min"],
        longest=lengths["max"],
    )


Read = Iterator[tuple[pa.Table, list[Rejected]]]
"""Rows under the lake's names, `_record` first, and what does not parse."""


@contextmanager
def _opened(file: str, reader: AnyReader | None) -> Iterator[tuple[str, pa.Schema, Read]]:
    """The one plain file in `file`: name, schema in Raw, and its rows, which end by a check that it is alone."""
    name = posixpath.basename(file)
    with (
        fsspec.open(file, "rb") as stream,
        closing(peel(stream, name, passwords=known_passwords())) as members,
        ExitStack() as stack,
    ):
        member, plain = next(members, (None, None))
        if member is None or plain is None:
            raise UnexpectedMember(f"{file} holds no file")
        chosen = reader or reader_for(member.name)
        if cuts(chosen):
            pieces = chosen.cut(plain)
            first = next(pieces)
            if is_structured(chosen):
                chosen = chosen.drafted([first])
            schema = schema_of(chosen, first.columns)
            rows = parse(chain([first], pieces), chosen, member.path)
        else:
            if not plain.seekable():
                plain = stack.enter_context(_sought(plain))
            schema, tables = read_whole(plain, chosen, member.path)
            rows = ((table, []) for table in tables)

        def alone() -> Read:
            yield from rows
            if other := next(members, None):
                raise UnexpectedMember(f"{file} holds {member.name}, {other[0].name} and maybe more")

        yield member.path, schema, alone()


@contextmanager
def _sought(stream: BinaryIO) -> Iterator[BinaryIO]:
    """A copy of a stream, in a file without a name, that can be sought in."""
    with TemporaryFile() as file:
        copyfileobj(stream, file, 1 << 20)
        yield cast(BinaryIO, file)


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
