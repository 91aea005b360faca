"""What a source and a drop are."""

import importlib
import pkgutil
import re
from datetime import UTC, datetime, timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, field_validator, model_validator

from spark.drift import Policy
from spark.names import normalise
from spark.privacy import Decision
from spark.profiling.expectations import Expectations
from spark.readers import AnyReader
from tasks.cadence import Cadence
from tasks.delivery import KINDS, Delivery, FileList, Kind
from tasks.drop import Drop, Offered, fingerprint
from tasks.wrappings import Bounds

__all__ = [
    "KINDS",
    "Cadence",
    "Contents",
    "Dataset",
    "Delivery",
    "Drop",
    "FileList",
    "Kind",
    "Offered",
    "Source",
    "fingerprint",
]


class Dataset(BaseModel, frozen=True):
    """One table inside a source: which plain files, by their own names, are its, and how they read.

    `members` None: those in files whose names' group `dataset` says so. `drift` says what becomes of columns that are
    not those of the table: it gains them (`evolve`), it stays as it is and they are kept in `_special` (`freeze`), or
    the drop is refused where its columns are not those of the drop before (`stop`). `privacy` says for columns, by
    their names in the lake, and for fields within them, by their paths, what of them goes on to Transformed
    (`spark.privacy`); Raw keeps them as they came.
    `expect` are limits in numbers that each drop must keep before it is published (`inlet expect` drafts them).
    """

    members: str | None = None
    reader: AnyReader
    drift: Policy = Field(default="evolve", repr=False)  # nor in fingerprints: what is in Raw is no other for it
    expect: Expectations | None = Field(default=None, repr=False)  # nor this, which a failed drop's mark has
    privacy: dict[str, Decision] = Field(default={}, repr=False)  # nor this, which transform's fingerprints have

    @field_validator("privacy")
    @classmethod
    def _as_in_the_lake(cls, privacy: dict[str, Decision]) -> dict[str, Decision]:
        for path in privacy:
            names = path.split(".")
            called = [normalise([name])[0] for name in names]
            if path != "_special" and called != names:
                raise ValueError(f"privacy: in the lake {path} is called {'.'.join(called)}")
            above = [".".join(names[:n]) for n in range(1, len(names))]
            if decided := [one for one in above if one in privacy and privacy[one].kind != "keep"]:
                raise ValueError(f"privacy: {path} is within {decided[0]}, on which as a whole something is decided")
        return privacy

    def holds(self, name: str) -> bool:
        """Whether a plain file of this name is this dataset's."""
        return self.members is not None and re.fullmatch(self.members, name) is not None


class Contents(BaseModel, frozen=True):
    """A list that the party puts inside the wrapping: how many records each file beside it has, and how long they are.

    It is a dataset of its own, so that Raw keeps what it says: `dataset`. The others are columns of that, as Raw has
    them: `name` holds the names of files, `records` their numbers of records, `length` the columns of a record of fixed
    width. `files` has the names in it that are not the files' own, each with a pattern that theirs match.
    """

    dataset: str
    name: str
    records: str | None = None
    length: str | None = None
    files: dict[str, str] = {}

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        for pattern in self.files.values():
            re.compile(pattern)  # a mistake shows here, not in a run
        return self


class Source(BaseModel, frozen=True):
    """One outside party's feed.

    A plain file is read by every one of `datasets` whose `members` fits its name, as XML with several kinds of rows.
    `at` names the block, of whatever access method, that says where it is, but for deliveries that name another. `zone`
    is the time zone of the dates in its names. `ignores` are plain files that are no data. `contents` is the party's
    own list of what is in a wrapping: every delivered file holds one, and a drop that is not as they say is refused
    until somebody accepts it (a list of what is delivered is `Delivery.manifest`). `quiet` is how long files must have
    held still; None where every file shows by itself, or by a done-file, that it is whole. `cadence` says for each kind
    of drop when it is expected; a run that looks for what is new fails where such a drop is overdue. `absent` says what
    it means that a full drop lacks a key of its part (`Delivery.part`). `reject_limit` is the share of a dataset's
    records that may be rejected in one drop. `pgp_key` names the block of the key that the party encrypts to;
    `pgp_signer` is the fingerprint of the key, or of its primary key, that must have signed every message, or `any` of
    those in that block: its public key is there. `archive_password` names the block of the password of its zip and 7z
    files. `bounds` say how far its files may expand.
    """

    slug: str
    at: str
    deliveries: tuple[Delivery, ...]
    datasets: dict[str, Dataset]
    phi: Literal["yes", "no", "unknown"]
    ignores: tuple[str, ...] = ()
    contents: Contents | None = None
    zone: str = "UTC"
    quiet: timedelta | None = timedelta(minutes=10)
    cadence: dict[Kind, Cadence] = {}
    absent: Literal["kept", "deleted"] = "kept"
    reject_limit: float = 0.01
    pgp_key: str | None = None
    pgp_signer: str | None = Field(default=None, pattern=r"^any$|^([0-9A-Fa-f]{4} ?){10}$|^[0-9A-Fa-f]{64}$")
    archive_password: str | None = None
    bounds: Bounds = Bounds()

    @model_validator(mode="after")
    def _signer_has_a_key(self) -> Self:
        if self.pgp_signer and not self.pgp_key:
            raise ValueError("pgp_signer wants pgp_key: that block holds the signer's public key")
        return self

    @model_validator(mode="after")
    def _contents_are_a_dataset(self) -> Self:
        if self.contents and self.contents.dataset not in self.datasets:
            raise ValueError(f"contents: there is no dataset {self.contents.dataset}")
        return self

    @property
    def places(self) -> tuple[str, ...]:
        """The blocks that say where its files are, each once."""
        return tuple(dict.fromkeys(self.place_of(delivery) for delivery in self.deliveries))

    def place_of(self, of: Delivery | Drop) -> str:
        """The block that says where the files of a delivery, or of a drop, are."""
        return of.at or self.at

    def deliveries_at(self, place: str) -> tuple[Delivery, ...]:
        """The deliveries whose files are at a place."""
        return tuple(delivery for delivery in self.deliveries if self.place_of(delivery) == place)

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

    def datasets_of(self, name: str, of: str | None = None) -> tuple[str, ...]:
        """The datasets that read a plain file, in the delivered file `of`; none where it belongs to none."""
        by_name = tuple(key for key, dataset in self.datasets.items() if dataset.holds(name))
        named = self.named_for(of) if of and not by_name else None
        return (named,) if named else by_name

    def named_for(self, delivered: str) -> str | None:
        """The dataset that the group `dataset` in a delivered file's name says; None where there is none."""
        found = next(filter(None, (delivery.groups(delivered) for delivery in self.deliveries)), {})
        said = found.get("dataset", "").lower()
        return said if said in self.datasets else None

    def ignored(self, name: str) -> bool:
        """Whether a plain file is declared to be no data."""
        return any(re.fullmatch(pattern, name) for pattern in self.ignores)


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
