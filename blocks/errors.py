"""What goes wrong with places and secrets.

PlaceError
├── Unreachable          the server does not answer (retryable)
├── Interrupted          the connection broke while bytes were moving (retryable)
├── HostKeyMismatch      the server is not the one the block names
├── AccessDenied         the server knows us and says no, or does not know us
├── NotThere             no such file, folder, bucket or key
├── Misconfigured        the block cannot be used as it is filled in
├── NoRoom               the lake is full
├── Changed              a file changed while it was read (retryable)
├── Replaced             a file is no longer the one that was listed
├── ChecksumMismatch     the bytes are not those whose checksum the party published
└── Conflict             somebody else wrote the object first (retryable)
"""

from typing import ClassVar


class PlaceError(Exception):
    """Something is wrong with a place or a secret. `what` names the place; `todo` says what to do."""

    todo: ClassVar[str] = "Read the message and check the block"
    retryable: ClassVar[bool] = False

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what}. {self.todo}"


class Unreachable(PlaceError):
    """The server does not answer."""

    todo = "Check host, port and network; the run tries again by itself"
    retryable = True


class Interrupted(PlaceError):
    """The connection broke while bytes were moving."""

    todo = "Nothing was committed; the run tries again by itself"
    retryable = True


class HostKeyMismatch(PlaceError):
    """The server's host key is not the one in the block."""

    todo = "Ask the party for its new key over another channel; put it into the block only if they confirm it"


class AccessDenied(PlaceError):
    """The server refuses our credentials or our request."""

    todo = "Check user, key, password and permissions in the block"


class NotThere(PlaceError):
    """There is no such file, folder, bucket or key."""

    todo = "Check the path in the block against what the party offers"


class Misconfigured(PlaceError):
    """The block cannot be used as it is filled in."""

    todo = "Correct the block"


class NoRoom(PlaceError):
    """The lake is full."""

    todo = "Make room, then run it again: it goes on where it stopped"


class Changed(PlaceError):
    """A file changed while it was read."""

    todo = "The party is probably still writing it; the next run reads it whole"
    retryable = True


class Replaced(PlaceError):
    """A file is no longer the one that was listed."""

    todo = "The party is probably still writing it; the next run lists it anew and takes it once it holds still"


class ChecksumMismatch(PlaceError):
    """The bytes that came are not those whose checksum the party published."""

    todo = "Run it again; if it stays, ask the party whether the file or its checksum is wrong"


class Conflict(PlaceError):
    """Somebody else wrote the object first."""

    todo = "Another run is working on the same drop; the next try reads what it wrote"
    retryable = True
