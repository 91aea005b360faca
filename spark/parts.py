"""The values that travel from unwrapping to Parquet: small, frozen, JSON-serialisable."""

from pydantic import BaseModel

PART = 64 * 1024 * 1024
"""Bytes of plaintext in one part: large enough for C++ to be busy, small enough to hold several."""


class Piece(BaseModel, frozen=True):
    """A record-aligned piece of one file's plaintext, as a reader cuts it.

    `data` holds whole records without the header; `offset` is where it begins in the file's plaintext, in bytes;
    `first_record` is the ordinal, from 1, of its first record; `records` is the cutter's own count, or None where
    the format knows no cutting and the piece is the whole file.
    """

    data: bytes
    offset: int
    first_record: int
    records: int | None
    columns: tuple[str, ...] = ()


class Part(BaseModel, frozen=True):
    """A piece that stands in the lake, zstd-compressed; `bytes` is its plaintext's length."""

    path: str
    offset: int
    first_record: int
    records: int | None
    bytes: int


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
