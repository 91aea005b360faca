"""What a source and a drop are."""

import hashlib
import importlib
import pkgutil
import re
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from blocks.place import RemoteFile
from spark.readers import Csv, Excel

Kind = Literal["full", "incremental", "deletions"]
KINDS: tuple[Kind, ...] = ("full", "incremental", "deletions")
"""What a drop speaks of, in the order in which drops of one instant are applied."""


class Offered(RemoteFile, frozen=True):
    """A file of a drop, with what the party says of it elsewhere: its hash, such as md5:900150…, and its records."""

    checksum: str | None = None
    records: int | None = None


class Drop(BaseModel, frozen=True):
    """One delivery of a source: `key` is a name only, `as_of` the UTC instant up to which it speaks."""

    source: str
    key: str
    as_of: datetime
    kind: Kind
    revision: int
    files: tuple[Offered, ...]

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


class Delivery(BaseModel, frozen=True):
    """How the names of one kind of drop read.

    `names` matches a whole file name, with a group `date` as `dated` (strptime); `key` names the drop (strftime). Names
    without a date (`dated` None) are dated by the day on which the party last wrote the file.
    Where the instant stands only in the name of a member of a zip, `inside` matches that, with a group `date` as
    `inside_dated`. Of two deliveries that give one key the one declared first counts.
    """

    kind: Kind
    names: str
    dated: str | None
    key: str = "%Y-%m-%d"
    inside: str | None = None
    inside_dated: str = "%Y%m%d"

    @cached_property
    def _names(self) -> re.Pattern[str]:
        return re.compile(self.names)

    def date(self, file: RemoteFile) -> datetime | None:
        """The date of a file, without a zone, or None where it is not this delivery's."""
        found = self._names.fullmatch(file.name.rpartition("/")[2])
        if not found:
            return None
        if self.dated:
            with suppress(ValueError):  # 20260231: not one of ours, and it must not stop those that are
                return datetime.strptime(found["date"], self.dated)
            return None
        return datetime.combine(file.mtime, time.min) if file.mtime else None

    def date_inside(self, members: list[str]) -> datetime | None:
        """The date in the name of the first member that `inside` matches."""
        for member in members:
            if found := re.fullmatch(self.inside or "", member.rpartition("/")[2]):
                return datetime.strptime(found["date"], self.inside_dated)
        return None


class Dataset(BaseModel, frozen=True):
    """One table inside a source: which plain files, by their own names, are its, and how they read."""

    members: str
    reader: Csv | Excel

    def holds(self, name: str) -> bool:
        """Whether a plain file of this name is this dataset's."""
        return re.fullmatch(self.members, name) is not None


class Source(BaseModel, frozen=True):
    """One outside party's feed.

    `at` names the block, of whatever access method, that says where it is. `zone` is the time zone of the dates in its
    names. `ignores` are plain files that are no data. `quiet` is how long files must have held still; None where every
    file shows by itself that it is whole. `absent` says what it means that a full drop lacks a key. `reject_limit` is
    the share of a dataset's records that may be rejected in one drop. `pgp_key` names the block of the key that the
    party encrypts to.
    """

    slug: str
    at: str
    deliveries: tuple[Delivery, ...]
    datasets: dict[str, Dataset]
    phi: Literal["yes", "no", "unknown"]
    ignores: tuple[str, ...] = ()
    zone: str = "UTC"
    quiet: timedelta | None = timedelta(minutes=10)
    absent: Literal["kept", "deleted"] = "kept"
    reject_limit: float = 0.01
    pgp_key: str | None = None

    @property
    def module(self) -> str:
        """The slug as Python and tables spell it."""
        return self.slug.replace("-", "_")

    def table(self, zone: Literal["raw", "rejected"], dataset: str) -> str:
        """Name of a dataset's table, such as `raw.nppes_npidata`."""
        return f"{zone}.{self.module}_{dataset}"

    def instant(self, date: datetime) -> datetime:
        """The UTC instant of a date in the source's zone."""
        return date.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def dataset(self, name: str) -> str | None:
        """The dataset that a plain file belongs to; None where it belongs to none."""
        return next((key for key, dataset in self.datasets.items() if dataset.holds(name)), None)

    def ignored(self, name: str) -> bool:
        """Whether a plain file is declared to be no data."""
        return any(re.fullmatch(pattern, name) for pattern in self.ignores)


def fingerprint(*inputs: object) -> str:
    """16 hexadecimal digits over the JSON of models and the text of anything else: equal inputs, equal fingerprint."""
    digest = hashlib.sha256()
    for value in inputs:
        text = f"{type(value).__name__}{value.model_dump_json()}" if isinstance(value, BaseModel) else repr(value)
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:16]


def sources() -> dict[str, Source]:
    """Every source that a module in `flows` declares, by slug.

    The one place that looks up from tasks to flows, and by name: whoever runs sources does not import them.
    """
    found = {}
    for module in pkgutil.iter_modules(importlib.import_module("flows").__path__):
        for value in vars(importlib.import_module(f"flows.{module.name}")).values():
            if isinstance(value, Source):
                found[value.slug] = value
    return found
