"""What every reader can do."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, BinaryIO, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import AfterValidator, BaseModel
from typing_extensions import TypeIs

from spark.cutting import canonical
from spark.errors import Unreadable
from spark.parts import PART, Piece, Rejected

Ordinals = npt.NDArray[np.int64]


def _known(name: str) -> str:
    try:
        "".encode(canonical(name))  # there are codecs that are not for text
    except LookupError:
        raise ValueError(f"{name!r} is no text encoding that Python knows") from None
    return name


Encoding = Annotated[str, AfterValidator(_known)]
"""The name of a text encoding that Python knows."""


class Reader(Protocol):
    """A format and its dialect."""

    def cut(self, stream: BinaryIO, size: int = PART) -> Iterator[Piece]:
        """Cut a forward-only stream into pieces of about `size` bytes; at least one, so that columns are known."""
        ...

    def read(self, piece: Piece) -> tuple[pa.Table, list[Rejected]]:
        """Parse one piece.

        The table has the file's columns under their original names and, first, `_record` (int64, ordinal from 1).
        Rows plus rejected are the piece's records.
        """
        ...


class Structured(Reader, Protocol):
    """A format, such as JSON, whose records have fields with types and structure: declared, or drafted from records.

    Its pieces have no `columns`: what `read` gives is of `schema`. A field within a field has the name that the lake
    gives it, the file's in its metadata `name`. What does not fit stands in `_special`, under its path, as it came.
    """

    @property
    def schema(self) -> pa.Schema | None:
        """Of the tables that `read` gives: `_record`, the fields under the file's names, `_special`; None undrafted."""
        ...

    def drafted(self, pieces: Iterable[Piece]) -> Self:
        """This reader with fields that hold the records of these pieces; itself where its fields are declared."""
        ...


class Description(Protocol):
    """What a file says before its rows are read: the schema of the batches, `_record` first, and how many rows."""

    @property
    def schema(self) -> pa.Schema:
        """Columns under the file's names, `_special`, if the reader has it, last."""
        ...

    @property
    def rows(self) -> int:
        """As the file's header counts them."""
        ...


class FileReader(Protocol):
    """A format that is sought in, with types of its own: its files are staged whole."""

    def describe(self, file: BinaryIO) -> Description:
        """Read what stands before the rows."""
        ...

    def spans(self, file: BinaryIO, rows: int) -> Sequence[tuple[int, ...]]:
        """The file's rows in consecutive ranges of at least `rows`, for workers side by side."""
        ...

    def batches(self, file: BinaryIO, *span: Any, **options: Any) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
        """The rows of one span in batches of bounded size, `_record` (int64, ordinal from 1) first."""
        ...


SPECIAL = "_special"
"""A reader's own column, which keeps what a cell's type cannot hold: a map from column to text."""


def cuts(reader: Reader | FileReader) -> TypeIs[Reader]:
    """Whether a reader's format can be cut; else its files are staged whole, for it to seek in."""
    return hasattr(reader, "cut")


def is_structured(reader: object) -> TypeIs[Structured]:
    """Whether a reader's records have fields that are declared or drafted."""
    return hasattr(reader, "drafted")


class Shell(BaseModel, frozen=True, extra="forbid"):
    """What a reader of a format that is cut has for use by hand."""

    def batches(
        self, stream: BinaryIO, rejected: list[Rejected] | None = None, size: int = 8 * 1024 * 1024
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a stream, `_record` (int64, ordinal from 1) first, as the reader makes them of `size` bytes.

        Records that do not parse are appended to `rejected`; without such a list the first one raises `Unreadable`.
        """
        reader: Any = self
        for piece in reader.cut(stream, size):
            if is_structured(reader):
                reader = reader.drafted([piece])  # from the first; then it stays as it is
            table, wrong = reader.read(piece)
            if wrong and rejected is None:
                first = min(wrong, key=lambda bad: bad.record)
                raise Unreadable(f"record {first.record:,}: {first.reason}")
            if rejected is not None:
                rejected.extend(wrong)
            yield from table.combine_chunks().to_batches()


def without_bad(piece: Piece, encoding: str = "utf-8") -> tuple[bytes, Ordinals, list[Rejected]]:
    """The piece's data without the spans that its cutter refuses, the ordinal of each record left, and those refused.

    Their text is what this piece holds of them, bytes that are not `encoding` written with a backslash.
    """
    ordinals = np.arange(piece.first_record, piece.first_record + (piece.records or 0), dtype=np.int64)
    if not piece.bad:
        return piece.data, ordinals, []
    good, at = [], 0
    for bad in piece.bad:
        good.append(piece.data[at : bad.start])
        at = bad.start + bad.length
    good.append(piece.data[at:])
    rejected = [
        Rejected(
            record=bad.record,
            reason=bad.reason,
            text=piece.data[bad.start : bad.start + bad.length].decode(encoding, "backslashreplace"),
        )
        for bad in piece.bad
        if bad.record is not None
    ]
    return b"".join(good), np.setdiff1d(ordinals, [r.record for r in rejected], assume_unique=True), rejected
