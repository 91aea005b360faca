"""What every reader can do."""

from collections.abc import Iterator
from typing import BinaryIO, Protocol

import pyarrow as pa

from spark.parts import PART, Piece, Rejected


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
