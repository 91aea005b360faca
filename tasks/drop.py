"""What a drop is: apart from its source, which takes the readers of its formats, and so Arrow, to declare."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from blocks.place import RemoteFile
from tasks.delivery import KINDS, Kind


class Offered(RemoteFile, frozen=True):
    """A file of a drop, with what the party says of it elsewhere: its hash, such as md5:900150…, and its records."""

    checksum: str | None = None
    records: int | None = None


class Drop(BaseModel, frozen=True):
    """One delivery of a source: `key` is a name only, `as_of` the UTC instant up to which it speaks.

    `part` is the part of the source's data that it speaks of. `at` names the block that says where its files are, where
    that is not the source's.
    """

    source: str
    key: str
    as_of: datetime
    kind: Kind
    revision: int
    files: tuple[Offered, ...]
    part: str = ""
    at: str | None = None

    @property
    def order(self) -> tuple[datetime, int, int]:
        """By what drops are ordered: never by spelling or arrival."""
        return (self.as_of, KINDS.index(self.kind), self.revision)

    @property
    def bytes(self) -> int:
        """Size of its files as they are delivered, without those whose size nobody knows yet."""
        return sum(file.size or 0 for file in self.files)

    def __str__(self) -> str:
        return self.key


def order(mark: Mapping[str, Any]) -> tuple[datetime, int, int]:
    """`Drop.order` of the drop that a mark in Raw or Transformed speaks of."""
    return (datetime.fromisoformat(mark["as_of"]), KINDS.index(mark["kind"]), mark["revision"])


def fingerprint(*inputs: object) -> str:
    """16 hexadecimal digits over the JSON of models and the text of anything else: equal inputs, equal fingerprint."""
    digest = hashlib.sha256()
    for value in inputs:
        text = f"{type(value).__name__}{value.model_dump_json()}" if isinstance(value, BaseModel) else repr(value)
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:16]
