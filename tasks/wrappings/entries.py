"""What the archives have in common."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """An entry of an archive: its contained name, its size in bytes where the archive says it, what it holds.

    `chunks` is None for a folder. `sequential` says that it is to be read to its end before the next one.
    """

    name: str
    size: int | None = None
    chunks: Iterator[bytes] | None = None
    sequential: bool = True
