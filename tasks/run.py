"""The run that tasks work for: whose drops, in which lake, by whose order. Set by `ingest`, read by every task."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from blocks.api import JsonApi
from blocks.drive import Drive
from blocks.errors import Misconfigured
from blocks.ftp import FtpServer
from blocks.http import HttpServer
from blocks.lake import Lake
from blocks.place import Place
from blocks.s3 import S3Folder
from blocks.sftp import SftpServer
from tasks.server import patient

if TYPE_CHECKING:
    from spark.tables import Tables
    from tasks.source import Drop, Source

PLACES: tuple[type[Place], ...] = (SftpServer, HttpServer, S3Folder, FtpServer, JsonApi, Drive)
"""The access methods, in the order in which a block of a source's name is looked for."""

Zone = Literal["landed", "raw", "transformed"]
ZONES: tuple[Zone, ...] = ("landed", "raw", "transformed")


class Step(BaseModel, frozen=True):
    """What a stage would do with a drop: `why` it is to be done, None where it is up to date; `bytes` that it reads.

    Bytes are counted as they stand in the lake, or are offered; of what an earlier stage is yet to make there are none.
    """

    drop: str
    stage: str
    why: str | None
    bytes: int = 0


@dataclass(frozen=True)
class Run:
    """One run of a source's flow. `id` stands in paths of what it writes, so that runs never meet.

    Where `dry` is a list, stages do nothing: each adds what it would do, and answers with what is known of the result,
    of which the fingerprint alone counts. `instead` holds, by the key of a drop that could not be had any more, the one
    that landed in its place.
    """

    source: "Source"
    lake: Lake
    id: str
    start_from: Zone | None = None
    force: bool = False
    dry: list[Step] | None = None
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    instead: dict[str, "Drop"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Have all that is written for the source say whether it may hold people's data."""
        object.__setattr__(self, "lake", self.lake.tagged(phi=self.source.phi))

    @cached_property
    def tables(self) -> "Tables":
        """The lake's tables."""
        # pyiceberg takes most of a second to load, and a transfer does not need it
        from spark.still import Still
        from spark.tables import Tables

        kind = Tables if self.dry is None else Still
        return kind(self.lake.catalog_properties(), self.lake.url())

    def place(self, name: str | None = None) -> Place:
        """The block of this name, else the source's, that says where files are; raises `Misconfigured` without one."""
        return load_place(name or self.source.at)

    def landed_as(self, drop: "Drop") -> "Drop":
        """The drop, or the one that landed in its place."""
        return self.instead.get(drop.key, drop)

    def redoes(self, zone: Zone | None) -> bool:
        """Whether the stage that reads `zone`, None for the outside, is done again though it is up to date."""
        return self.force and (ZONES.index(zone) if zone else -1) >= (
            ZONES.index(self.start_from) if self.start_from else 0
        )

    def mark(self, fingerprint: str, **more: object) -> dict[str, Any]:
        """The content of a mark."""
        return {"fingerprint": fingerprint, "run": self.id, **more}


_current: ContextVar[Run] = ContextVar("run")


def current() -> Run:
    """The run that the calling task works for."""
    return _current.get()


@contextmanager
def running(run: Run) -> Iterator[Run]:
    """Make `run` the current one."""
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)


def load_place(name: str) -> Place:
    """The block of this name among all access methods; raises `Misconfigured` where there is none."""
    for kind in PLACES:
        try:
            return kind.load(name)  # type: ignore[return-value]
        except ValueError:
            continue
    kinds = ", ".join(str(kind._block_type_slug) for kind in PLACES)
    raise Misconfigured(f"there is no block named {name!r} of a type that says where files are ({kinds})")


@patient
def load_lake() -> Lake:
    """The lake's block: the one named by `INLET_LAKE`, else `lake`; raises `Misconfigured` where there is none."""
    name = os.environ.get("INLET_LAKE", "lake")
    try:
        return Lake.load(name)  # type: ignore[return-value]
    except ValueError as error:
        raise Misconfigured(f"there is no lake block named {name!r}") from error
