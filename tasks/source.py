"""What a source and a drop are."""

import hashlib
import importlib
import pkgutil
import re
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from blocks.place import RemoteFile
from spark.readers import Csv, Excel
from tasks.cadence import Cadence
from tasks.delivery import KINDS, Delivery, FileList, Kind

__all__ = ["KINDS", "Cadence", "Dataset", "Delivery", "Drop", "FileList", "Kind", "Offered", "Source"]


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


class Dataset(BaseModel, frozen=True):
    """One table inside a source: which plain files, by their own names, are its, and how they read.

    `members` None: those in files whose names' group `dataset` says so.
    """

    members: str | None = None
    reader: Csv | Excel

    def holds(self, name: str) -> bool:
        """Whether a plain file of this name is this dataset's."""
        return self.members is not None and re.fullmatch(self.members, name) is not None


class Source(BaseModel, frozen=True):
    """One outside party's feed.

    `at` names the block, of whatever access method, that says where it is. `zone` is the time zone of the dates in its
    names. `ignores` are plain files that are no data. `quiet` is how long files must have held still; None where every
    file shows by itself, or by a done-file, that it is whole. `cadence` says for each kind of drop when it is expected;
    a run that looks for what is new fails where such a drop is overdue. `absent` says what it means that a full drop
    lacks a key. `reject_limit` is the share of a dataset's records that may be rejected in one drop. `pgp_key` names
    the block of the key that the party encrypts to.
    """

    slug: str
    at: str
    deliveries: tuple[Delivery, ...]
    datasets: dict[str, Dataset]
    phi: Literal["yes", "no", "unknown"]
    ignores: tuple[str, ...] = ()
    zone: str = "UTC"
    quiet: timedelta | None = timedelta(minutes=10)
    cadence: dict[Kind, Cadence] = {}
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

    def dataset(self, name: str, of: str | None = None) -> str | None:
        """The dataset that a plain file, in the delivered file `of`, belongs to; None where it belongs to none."""
        by_name = next((key for key, dataset in self.datasets.items() if dataset.holds(name)), None)
        return by_name or (self.named_for(of) if of else None)

    def named_for(self, delivered: str) -> str | None:
        """The dataset that the group `dataset` in a delivered file's name says; None where there is none."""
        found = next(filter(None, (delivery.groups(delivered) for delivery in self.deliveries)), {})
        said = found.get("dataset", "").lower()
        return said if said in self.datasets else None

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
