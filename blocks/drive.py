"""A mounted folder: a network drive, a volume of the cluster, a folder on a laptop."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pydantic import Field

from blocks.errors import AccessDenied, Interrupted, Misconfigured, NotThere
from blocks.place import Place, RemoteFile, Status, inside, instant, shown, text_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Drive(Place):
    """A mounted folder that a party leaves files in.

    Example:
        List what is there:
        ```python
        from blocks.drive import Drive

        drive = Drive.load("BLOCK_NAME")
        with drive.connect() as remote:
            for file in remote.list():
                ...
        ```
    """

    _block_type_name = "Drive"
    _block_type_slug = "drive"
    _description = "A mounted folder that a party leaves files in."

    path: Path = Field(description="Absolute path of the folder, where the worker sees it.")
    connections: int = Field(
        default=2, ge=1, le=16, description="How many files, or parts of one, a transfer may read from it at once."
    )

    @contextmanager
    def connect(self) -> Iterator["DriveFiles"]:
        """Open the folder. Raises `NotThere`, `AccessDenied`, or `Misconfigured` for a relative path."""
        if not self.path.is_absolute():
            raise Misconfigured(f"The folder {self.path} is not an absolute path")
        with _sayings(str(self.path)):
            root = os.path.realpath(os.fsencode(self.path), strict=True)
            os.scandir(root).close()
        yield DriveFiles(root)


class DriveFiles:
    """The files of a mounted folder; `root` is its real path."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def list(self) -> Iterator[RemoteFile]:
        """Every regular file, folder by folder.

        A link to a file within the root counts as a file; links to folders (loops) and links that lead out
        of the root are passed over, and so are sockets, pipes and devices.
        """
        folders = [b""]
        while folders:
            folder = folders.pop()
            with _sayings(self._say(folder)):
                try:
                    entries = list(os.scandir(os.path.join(self._root, folder)))
                except FileNotFoundError:
                    if folder:
                        continue  # removed since its parent was listed
                    raise
            for entry in entries:
                name = os.path.join(folder, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                elif file := self._file(entry, name):
                    yield file

    def open(self, name: str) -> BinaryIO:
        """A buffered stream of one file.

        Raises `AccessDenied`, and `NotThere` also for a name or a link that leads out of the root; reading
        raises `Interrupted`.
        """
        asked = inside(name, self._say(b""))
        with _sayings(self._say(asked)):
            real = os.path.realpath(os.path.join(self._root, asked), strict=True)
            if not self._holds(real):
                raise NotThere(f"{name!r} leads out of {self._say(b'')}")
            # O_NONBLOCK: a pipe would wait for its writer. O_NOFOLLOW: `real` may have become a link since.
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise NotThere(f"{name!r} in {self._say(b'')} is not a file")
        return io.BufferedReader(_Stream(descriptor, self._say(asked)), 1 << 18)

    def _file(self, entry: os.DirEntry[bytes], name: bytes) -> RemoteFile | None:
        if entry.is_symlink() and not self._holds(os.path.realpath(entry.path)):
            return None
        with _sayings(self._say(name)):
            try:
                status = entry.stat()  # the one stat: scandir gives the type, not the size
            except FileNotFoundError:
                return None  # removed since, or a link that leads nowhere
        if not stat.S_ISREG(status.st_mode):
            return None
        return RemoteFile(name=text_of(name), size=status.st_size, mtime=instant(status.st_mtime))

    def _holds(self, real: bytes) -> bool:
        return real.startswith(os.path.join(self._root, b""))

    def _say(self, name: bytes) -> str:
        return shown(os.path.join(self._root, name))


class _Stream(io.FileIO):
    """A file whose disk or mount may go away while it is read; `what` is its name in errors."""

    def __init__(self, descriptor: int, what: str) -> None:
        super().__init__(descriptor)
        self._what = what

    def status(self) -> Status:
        with _sayings(self._what):
            found = os.fstat(self.fileno())
        return Status(found.st_size, instant(found.st_mtime))

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        with _sayings(self._what):
            return super().readinto(buffer)


@contextmanager
def _sayings(what: str) -> Iterator[None]:
    """Turn an `OSError` about `what` into a `PlaceError`."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotThere(f"{what} is not there") from error
    except PermissionError as error:
        raise AccessDenied(f"{what} may not be read by this user") from error
    except OSError as error:
        raise Interrupted(f"Reading {what} failed: {error.strerror or error}") from error
