"""The values that travel from unwrapping to Parquet: small, frozen, JSON-serialisable."""

from typing import NamedTuple

from pydantic import BaseModel

PART = 64 * 1024 * 1024
"""Bytes of plaintext in one part: large enough for C++ to be busy, small enough to hold several."""


class Bad(BaseModel, frozen=True):
    """A span of a piece that its cutter refuses, as a record longer than `max_record`; the reader must not parse it.

    `start` and `length` are bytes of the piece's `data`; `record` is its ordinal in the file, None where the span only
    goes on from the piece before, which has counted it.
    """

    start: int
    length: int
    record: int | None
    reason: str


class Piece(BaseModel, frozen=True):
    """A record-aligned piece of one file's plaintext, as a reader cuts it.

    `data` holds whole records without the header; `offset` is where it begins in the file's plaintext, in bytes;
    `first_record` is the ordinal, from 1, of its first record; `records` is the cutter's own count, `bad` ones
    included, or None where the format knows no cutting and the piece is the whole file. All pieces' `data` together are
    what stands in the file between its header (or what else comes before the first record) and its footer: the same
    bytes, or their UTF-8 where ASCII bytes are not what they seem, as in UTF-16. `offset` is the file's in both cases.
    `trailing`: the file's records end with a delimiter more than `columns` have between them.
    """

    data: bytes
    offset: int
    first_record: int
    records: int | None
    bad: tuple[Bad, ...] = ()
    columns: tuple[str, ...] = ()
    trailing: bool = False


class Step(NamedTuple):
    """A piece within a part: where it begins in the file's plaintext, its bytes in the part, its records."""

    offset: int
    bytes: int
    records: int | None


class Part(BaseModel, frozen=True):
    """Consecutive pieces that stand in the lake as one, zstd-compressed; `bytes` is their plaintext's length.

    `steps` are the pieces, of a few MiB, by which it is read again: what is read must not grow with the part. There are
    none where the part is a whole file, or one piece. `trailing` is the pieces'.
    """

    path: str
    offset: int
    first_record: int
    records: int | None
    bytes: int
    bad: tuple[Bad, ...] = ()
    steps: tuple[Step, ...] = ()
    trailing: bool = False


class StagedFile(BaseModel, frozen=True):
    """One plain file, cut into parts: `file` is its name in the drop (`outer.zip/inner.csv`)."""

    file: str
    columns: tuple[str, ...]
    parts: tuple[Part, ...]


class DataFile(BaseModel, frozen=True):
    """One Parquet file that a worker wrote: its URL, rows and bytes."""

    url: str
    rows: int
    bytes: int


class Rejected(BaseModel, frozen=True):
    """A record that does not parse: its ordinal in the file, why, and its text as it came."""

    record: int
    reason: str
    text: str
