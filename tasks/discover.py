"""discover: which complete drops a source offers that the lake does not have."""

import json
import posixpath
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import zstandard
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel

from blocks.errors import Changed, Conflict, PlaceError
from blocks.lake import Lake
from blocks.place import Remote, RemoteFile
from tasks.control import Controls, Incomplete, Said
from tasks.manifest import Manifest, folder, landed, now
from tasks.retrying import RETRY
from tasks.run import current
from tasks.source import Delivery, Drop, Offered, Source


class Pending(BaseModel, frozen=True):
    """A drop that is not taken yet, and why; of a file whose drop cannot be told, `key` is the name."""

    key: str
    reason: str


class Offer(BaseModel, frozen=True):
    """What a source offers: drops to take, in their order, and those that are not complete.

    `nothing` says what there is instead where no file there is the source's.
    """

    drops: tuple[Drop, ...]
    pending: tuple[Pending, ...]
    nothing: str = ""


@dataclass
class _Group:
    """The files of one key in a listing, and the names of the control files that are about them."""

    delivery: Delivery
    as_of: datetime
    files: list[RemoteFile] = field(default_factory=list)
    controls: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """All names of them."""
        return [*(file.name for file in self.files), *sorted(self.controls)]


@dataclass(frozen=True)
class _Look:
    """A listing, made `at` an instant of our clock: the files that count, and since when each has looked like this.

    `gone` are the keys of drops that had one more file in the listing before, which it names.
    """

    at: datetime
    files: Mapping[str, RemoteFile]
    since: Mapping[str, datetime]
    gone: Mapping[str, str]


@task(task_run_name="discover", cache_policy=NO_CACHE, **RETRY)
def discover() -> Offer:
    """List what the running source offers; where it is forced, also what has landed and is still there."""
    run = current()
    with run.place().connect() as remote:
        return offered(run.source, remote, run.lake, again=run.redoes(None))


def offered(source: Source, remote: Remote, lake: Lake, *, again: bool = False, at: datetime | None = None) -> Offer:
    """List a source once and keep the listing in the lake, where the next run compares with it.

    A landed drop is offered anew where a file of it has changed or come, or where a control file says something else
    of it. What the party has taken away since stays part of it; a drop that is wholly gone is nothing new. `again`
    offers landed drops as they are listed too. One bad file stops no drop but its own: an error of the place is raised
    only where it may pass and nothing else was found. `at` is the time by our clock, if it is not now.
    """
    at = at or now()
    listing = {file.name: file for file in remote.list()}
    controls = Controls(source.deliveries, listing, remote)
    groups, unread = _grouped(source, listing.values(), controls)
    counted = {*unread, *(name for group in groups.values() for name in group.names)}
    look = _look(source, at, listing, counted, controls, lake)
    have = landed(lake, source)
    drops, errors = [], []
    pending = [Pending(key=name, reason=reason) for name, reason in unread.items()]
    for key, group in groups.items():
        try:
            if drop := _drop(source, key, group, have.get(key), look, controls, remote, again=again):
                drops.append(drop)
        except (Incomplete, PlaceError) as error:
            pending.append(Pending(key=key, reason=str(error)))
            if isinstance(error, PlaceError) and error.retryable and not isinstance(error, Changed):
                errors.append(error)
    if errors and not drops:
        raise errors[0]
    nothing = "" if groups or unread else _nothing(len(listing), len(have))
    return Offer(drops=tuple(sorted(drops, key=lambda drop: drop.order)), pending=tuple(pending), nothing=nothing)


def pending(source: Source, lake: Lake) -> list[str]:
    """Keys of the drops in the last listing that have not landed; asks nobody outside."""
    files, _, _ = _last(source, lake)
    groups, unread = _grouped(source, files.values(), Controls(source.deliveries, files))
    have = landed(lake, source)
    return sorted([*unread, *(key for key, group in groups.items() if not _has(have.get(key), group.files))])


def _nothing(listed: int, landed: int) -> str:
    there = f"none of the {listed:,} files there is named as the source says" if listed else "no file is there"
    return f"{there}, where {landed:,} drops came from" if landed else there


def _has(manifest: Manifest | None, files: Iterable[RemoteFile]) -> bool:
    """Whether these files have landed as they are; there may have been more, which the party has taken away."""
    return manifest is not None and {f.identity for f in files} <= {f.identity for f in manifest.latest.offered}


def _drop(
    source: Source,
    key: str,
    group: _Group,
    manifest: Manifest | None,
    look: _Look,
    controls: Controls,
    remote: Remote,
    *,
    again: bool,
) -> Drop | None:
    """The drop that a group of files is, None where there is nothing new in it; raises `Incomplete`."""
    delivery, has = group.delivery, _has(manifest, group.files)
    changed = manifest and any(look.since[name] > manifest.latest.landed_at for name in group.controls)
    if has and not changed and not again:
        return None
    if source.quiet:
        _still(key, group, look, source.quiet, fresh=manifest is None)
    before = {file.name: file for file in manifest.latest.offered} if manifest else {}
    kept = [f for f in before.values() if f.name not in look.files and delivery.groups(f.name) is not None]
    _expected(delivery, [*group.files, *kept])
    said = controls.said(delivery, group.files, lambda name: _key(source, delivery, name) == key)
    files = [_offered(file, before.get(file.name), said[file.name]) for file in group.files]
    same = has and all(
        (file.checksum, file.records) == (before[file.name].checksum, before[file.name].records) for file in files
    )
    if same and not again:
        return None  # the control files say what they said
    as_of = max(_date_inside(delivery, remote, file) for file in group.files) if delivery.inside else group.as_of
    return Drop(
        source=source.slug,
        key=key,
        as_of=max([source.instant(as_of), *([manifest.latest.as_of] if manifest and kept else [])]),
        kind=delivery.kind,
        revision=(manifest.latest.number if manifest else 0) + (not same),
        files=tuple(sorted([*files, *kept], key=lambda file: file.name)),
    )


def _key(source: Source, delivery: Delivery, name: str) -> str | None:
    """The key of the drop that a file of this name would belong to, where the name alone tells it."""
    with suppress(ValueError):
        if named := delivery.read(RemoteFile(name=name, size=None), ZoneInfo(source.zone)):
            return named.key
    return None


def _offered(file: RemoteFile, before: Offered | None, said: Said) -> Offered:
    """A file with what is said of it; what was said of it before still counts where nothing is said now."""
    old = before if before and before.identity == file.identity else Offered(**vars(file))
    records = old.records if said.records is None else said.records
    return Offered(**{**vars(file), "checksum": said.checksum or old.checksum, "records": records})


def _still(key: str, group: _Group, look: _Look, quiet: timedelta, *, fresh: bool) -> None:
    """Raise `Incomplete` where a file has changed, come or, of a fresh drop, gone within the quiet period."""
    unsized = {file.name for file in group.files if file.size is None}  # made when asked for: it cannot be growing
    for name in group.names:
        if name not in unsized and look.at - look.since[name] < quiet:
            raise Incomplete(f"{name} has not held still for {quiet} yet")
    if fresh and key in look.gone:
        raise Incomplete(f"{look.gone[key]} has gone since the last look")


def _expected(delivery: Delivery, files: list[RemoteFile]) -> None:
    """Raise `Incomplete` where there are not all the files that a delivery must have."""
    if isinstance(delivery.expected, int):
        if len(files) < delivery.expected:
            raise Incomplete(f"{len(files)} of {delivery.expected} files are there")
        return
    for pattern in delivery.expected:
        names = (file.name if "/" in pattern else posixpath.basename(file.name) for file in files)
        if not any(re.fullmatch(pattern, name) for name in names):
            raise Incomplete(f"no file is there that is named {pattern}")


def _date_inside(delivery: Delivery, remote: Remote, file: RemoteFile) -> datetime:
    """The date in a zip member's name. A zip's directory stands at its end: one that opens is whole."""
    with remote.open(file.name) as stream:
        if not stream.seekable():
            raise Incomplete(f"{file.name}: the server gives no ranges, by which the date inside is read")
        try:
            with zipfile.ZipFile(stream) as archive:
                return delivery.date_inside(archive.namelist())
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error) as error:
            raise Incomplete(f"{file.name} is not whole: {error}") from error


def _grouped(
    source: Source, files: Iterable[RemoteFile], controls: Controls
) -> tuple[dict[str, _Group], dict[str, str]]:
    """The files of each drop by its key, those of the delivery declared first where several give one key.

    And the names of files that are a delivery's, but whose date cannot be told, with the reason.
    """
    zone = ZoneInfo(source.zone)
    found: dict[tuple[str, int], _Group] = {}
    unread = {}
    for file in sorted(files, key=lambda f: f.name):
        if file.name in controls.all:
            continue
        for rank, delivery in enumerate(source.deliveries):
            try:
                named = delivery.read(file, zone)
            except ValueError as error:
                unread[file.name] = str(error)
                break
            if named:
                group = found.setdefault((named.key, rank), _Group(delivery, named.as_of))
                group.as_of = max(group.as_of, named.as_of)
                group.files.append(file)
                if controls.all:
                    group.controls |= controls.about(delivery, file.name)
                break
    first: dict[str, _Group] = {}
    for key, rank in sorted(found, key=lambda at: at[1]):
        first.setdefault(key, found[key, rank])
    return first, unread


def _look(
    source: Source,
    at: datetime,
    listing: Mapping[str, RemoteFile],
    counted: Iterable[str],
    controls: Controls,
    lake: Lake,
) -> _Look:
    """Of the listing what counts, which the next run finds in the lake; it is written where it has changed."""
    before, held, version = _last(source, lake)
    files = {name: listing[name] for name in sorted(counted)}
    same = {name for name, file in files.items() if name in before and before[name].identity == file.identity}
    since = {name: held[name] if name in same else at for name in files}
    if not len(same) == len(files) == len(before):
        rows = [
            (name, file.size, file.mtime and file.mtime.isoformat(), file.version, since[name].isoformat())
            for name, file in files.items()
        ]
        data = zstandard.ZstdCompressor().compress(json.dumps(rows).encode())
        with suppress(Conflict):  # another run has just listed the same place, and its listing serves as well
            lake.put(_path(source, lake), data, version)
    gone, _ = _grouped(source, (file for name, file in before.items() if name not in listing), controls)
    return _Look(at, files, since, {key: group.files[0].name for key, group in gone.items()})


def _last(source: Source, lake: Lake) -> tuple[dict[str, RemoteFile], dict[str, datetime], str | None]:
    """The listing that the lake has: the files, since when each has looked like this, and its version."""
    found = lake.read(_path(source, lake))
    if found is None:
        return {}, {}, None
    files, since = {}, {}
    for name, size, mtime, version, held in json.loads(zstandard.ZstdDecompressor().decompress(found[0])):
        files[name] = RemoteFile(name=name, size=size, mtime=mtime, version=version)
        since[name] = datetime.fromisoformat(held)
    return files, since, found[1]


def _path(source: Source, lake: Lake) -> str:
    return lake.path(*folder(source.slug), "_seen.json.zst")
