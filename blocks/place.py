"""What every access method offers: a block that lists and opens."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import BinaryIO, Protocol

from prefect.blocks.core import Block
from pydantic import BaseModel


class RemoteFile(BaseModel, frozen=True):
    """A file at an outside party. `name` is relative to the place, with `/`; `size` in bytes; `mtime` in UTC."""

    name: str
    size: int
    mtime: datetime | None = None


class Remote(Protocol):
    """An open connection to a place."""

    def list(self) -> Iterator[RemoteFile]:
        """Every file below the place's root, in one pass, without a stat for each."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A seekable, read-only stream of one file; raises `NotThere` or `AccessDenied`."""
        ...


class Place(Block):
    """A place where an outside party leaves files. Subclasses: one an access method."""

    _is_abstract = True

    def check(self) -> None:
        """Raise a `PlaceError` that says in one sentence what is wrong, or return."""
        with self.connect() as remote:
            next(iter(remote.list()), None)

    def connect(self) -> AbstractContextManager[Remote]:
        """Open a connection; several may be open at once."""
        raise NotImplementedError
