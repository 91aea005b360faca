"""What every access method offers: a block that lists and opens."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, runtime_checkable

from prefect.blocks.core import Block
from pydantic import BaseModel

from blocks.errors import NotThere


class RemoteFile(BaseModel, frozen=True):
    """A file at an outside party.

    `name` is relative to the place, with `/`, as `text_of` makes it; `size` in bytes, None where nobody knows it before
    it is read; `mtime` in UTC; `version` is what the server tells one state of the file from another by, such as an
    ETag, if it does.
    """

    name: str
    size: int | None
    mtime: datetime | None = None
    version: str | None = None

    @property
    def identity(self) -> tuple[str, int | None, datetime | str | None]:
        """Equal where the party has not touched the file. Mirrors of one server differ in ETags: a time is better."""
        return (self.name, self.size, self.mtime or self.version)


class Remote(Protocol):
    """An open connection to a place. One thread at a time uses it; connect once more for another.

    With an attribute `stripes` that is False, parts of one file are not to be read over several of them.
    """

    def list(self) -> Iterator[RemoteFile]:
        """Every file below the place's root, in one pass, without a stat for each."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A read-only stream of one file, seekable where the server can; raises `NotThere` or `AccessDenied`."""
        ...


class Page(BaseModel, frozen=True):
    """One answer of an API, its bytes as they came; `after` is where the next one begins, None after the last."""

    data: bytes
    after: str | None


@runtime_checkable
class Paged(Protocol):
    """A `Remote` whose files come in pages, each a request of its own, instead of being opened."""

    def pages(self, name: str, after: str | None = None) -> Iterator[Page]:
        """The pages of one file, from the first or the one that begins at `after`; raises `Changed`."""
        ...


def digests(stream: BinaryIO) -> dict[str, str]:
    """What the server itself says the hashes of the whole file are: hexadecimal, by their names in hashlib."""
    found: dict[str, str] = getattr(getattr(stream, "raw", stream), "digests", {})
    return found


def bound(stream: BinaryIO, stop: int | None) -> None:
    """Say up to where a file will be read next, so that no more is asked for; None, as by default: to its end."""
    raw = getattr(stream, "raw", stream)
    if hasattr(raw, "stop"):
        raw.stop = stop


class Status(NamedTuple):
    """An open file as its server shows it: None for what that does not say; `version` is as in `RemoteFile`."""

    size: int | None = None
    mtime: datetime | None = None
    version: str | None = None

    def shows(self, file: RemoteFile) -> bool:
        """Whether this is the file that was listed.

        Of two ETags the times decide, if there are such: mirrors of one server differ in ETags. A listing without an
        ETag, of a server that gives them, is an index page, whose times are to the minute.
        """
        if self.size is not None and file.size is not None and self.size != file.size:
            return False
        if self.version and self.version == file.version:
            return True
        if self.mtime and file.mtime:
            exact = file.version or not self.version
            return (self.mtime if exact else self.mtime.replace(second=0, microsecond=0)) == file.mtime
        return not (self.version and file.version)


def status(stream: BinaryIO) -> Status:
    """How the server of an open file shows it: now, or, where it answers for one version only, when it was opened."""
    raw = getattr(stream, "raw", stream)
    found: Status = raw.status() if hasattr(raw, "status") else Status()
    return found


class Place(Block, ABC):  # with ABC as a base Prefect does not offer it in the UI
    """A place where an outside party leaves files. Subclasses: one an access method."""

    if TYPE_CHECKING:  # a field of each subclass, where its form wants it
        connections: int = 1

    @property
    def server(self) -> str | None:
        """Name of the server, by which runs that use it at once are limited; None where there is none to spare."""
        return None

    def check(self) -> None:
        """Raise a `PlaceError` that says in one sentence what is wrong, or return."""
        with self.connect() as remote:
            next(iter(remote.list()), None)

    @abstractmethod
    def connect(self) -> AbstractContextManager[Remote]:
        """Open a connection; several may be open at once."""


# A file name is bytes to a server and text to us (pydantic, JSON, Arrow), and not all bytes are UTF-8. A byte
# that is not stands as U+EF80…U+EFFF (the private use that MirBSD's OPTU-8 makes of these code points); where
# a name holds one of these characters itself, its three bytes are written so: the way back is exact.
_TO_PRIVATE = {0xDC00 + byte: 0xEF00 + byte for byte in range(0x80, 0x100)}
_FROM_PRIVATE = {private: surrogate for surrogate, private in _TO_PRIVATE.items()}
_PRIVATE = re.compile("[\uef80-\uefff]")


def text_of(name: bytes) -> str:
    """The text for a file name as a server has it: always valid Unicode, and `bytes_of` gives `name` back."""
    text = _PRIVATE.sub(
        lambda found: found[0].encode().decode("ascii", "surrogateescape"),
        name.decode("utf-8", "surrogateescape"),
    )
    return text.translate(_TO_PRIVATE)


def bytes_of(name: str) -> bytes:
    """The bytes of a file name that `text_of` made."""
    return name.translate(_FROM_PRIVATE).encode("utf-8", "surrogateescape")


def shown(name: bytes) -> str:
    """The text of a name in one line, for a message."""
    text = text_of(name)
    return text if text.isprintable() else repr(text)


def inside(name: str, where: str) -> bytes:
    """The bytes of a name that stays below the root of the place `where`.

    Raises `NotThere` for one that is empty, absolute, or holds `.`, `..`, an empty step or NUL.
    """
    steps = name.split("/")
    if "\0" in name or any(step in {"", ".", ".."} for step in steps):
        raise NotThere(f"{name!r} is not a file name below {where}")
    return bytes_of(name)


def instant(seconds: float | None) -> datetime | None:
    """The UTC instant of a POSIX time; None where the server gives none, or one that no calendar has."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
