"""discover: which complete drops a source offers that the lake does not have."""

import json
import posixpath
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
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
from tasks.run import Run, current
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
    parts: set[str] = field(default_factory=set)
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


@dataclass(frozen=True)
class _Place:
    """A place of a source as it was listed: how many files there were, and of what counts all that is known."""

    remote: Remote
    files: int
    controls: Controls
    look: _Look


@task(task_run_name="discover", cache_policy=NO_CACHE, **RETRY)
def discover() -> Offer:
    """List what the running source offers; where it is forced, also what has landed and is still there."""
    run = current()
    with ExitStack() as stack:
        remotes = {name: _connected(run, name, stack) for name in run.source.places}
        return offered(run.source, remotes, run.lake, again=run.redoes(None))


def _connected(run: Run, name: str, stack: ExitStack) -> Remote | PlaceError:
    """A connection to a place, or why there is none."""
    try:
        return stack.enter_context(run.place(name).connect())
    except PlaceError as error:
        return error


def offered(
    source: Source,
    remotes: Mapping[str, Remote | PlaceError],
    lake: Lake,
    *,
    again: bool = False,
    at: datetime | None = None,
) -> Offer:
    """List each place of a source once and keep the listings in the lake, where the next run compares with them.

    `remotes` are connections, by the names of their places; an error where there is none. A place that cannot be listed
    waits as a drop does, under its own name, and stops no other; but it is not missed where all that was seen there has
    landed and no cadence expects more, as a drive whose history is in the lake. With no place left its error is raised.

    A landed drop is offered anew where a file of it has changed or come, or where a control file says something else
    of it. What the party has taken away since stays part of it; a drop that is wholly gone is nothing new. `again`
    offers landed drops as they are listed too. One bad file stops no drop but its own: an error of the place is raised
    only where it may pass and nothing else was found. `at` is the time by our clock, if it is not now.
    """
    at = at or now()
    there: dict[str, _Place] = {}
    broken: dict[str, PlaceError] = {}
    found: dict[tuple[str, int], _Group] = {}
    pending = []
    for name, remote in remotes.items():
        try:
            if isinstance(remote, PlaceError):
                raise remote
            listing = {file.name: file for file in remote.list()}
        except PlaceError as error:
            broken[name] = error
            continue
        controls = Controls(source.deliveries_at(name), listing, remote)
        groups, unread = _grouped(source, name, listing.values(), controls)
        counted = {*unread, *(name for group in groups.values() for name in group.names)}
        there[name] = _Place(remote, len(listing), controls, _look(source, name, at, listing, counted, controls, lake))
        found |= groups
        pending += [Pending(key=file, reason=reason) for file, reason in unread.items()]
    have = landed(lake, source)
    missed = {name: error for name, error in broken.items() if _missed(source, name, have, lake)}
    if not there:
        raise next(iter((missed or broken).values()))
    drops, errors = [], [error for error in missed.values() if error.retryable]
    waits = [Pending(key=name, reason=str(error)) for name, error in missed.items()]
    for key, group in _first(found).items():
        if key in have and source.place_of(have[key].as_drop()) in broken:
            continue  # it is that place's drop, which nobody can see
        try:
            if drop := _drop(source, key, group, have, there[source.place_of(group.delivery)], again=again):
                drops.append(drop)
        except (Incomplete, PlaceError) as error:
            pending.append(Pending(key=key, reason=str(error)))
            if isinstance(error, PlaceError) and error.retryable and not isinstance(error, Changed):
                errors.append(error)
    if errors and not drops:
        raise errors[0]
    nothing = "" if found or pending else _nothing(sum(place.files for place in there.values()), len(have))
    pending = [*waits, *pending]
    return Offer(drops=tuple(sorted(drops, key=lambda drop: drop.order)), pending=tuple(pending), nothing=nothing)


def asked(source: Source, lake: Lake) -> bool:
    """Whether the source was ever asked what it offers."""
    return any(lake.fs().exists(_path(source, place, lake)) for place in source.places)


def pending(source: Source, lake: Lake) -> list[str]:
    """Keys of the drops in the last listing that have not landed; asks nobody outside."""
    found: dict[tuple[str, int], _Group] = {}
    unread: list[str] = []
    for name in source.places:
        groups, without = _seen(source, name, lake)
        found |= groups
        unread += without
    have = landed(lake, source)
    return sorted([*unread, *(key for key, group in _first(found).items() if not _has(have.get(key), group.files))])


def _seen(source: Source, place: str, lake: Lake) -> tuple[dict[tuple[str, int], _Group], dict[str, str]]:
    """What `_grouped` makes of the last listing of a place."""
    files, _, _ = _last(source, place, lake)
    return _grouped(source, place, files.values(), Controls(source.deliveries_at(place), files))


def _missed(source: Source, place: str, have: Mapping[str, Manifest], lake: Lake) -> bool:
    """Whether drops may still come from a place: some are expected, one waits, or none has landed from it."""
    if {delivery.kind for delivery in source.deliveries_at(place)} & source.cadence.keys():
        return True
    groups, _ = _seen(source, place, lake)
    waits = any(not _has(have.get(key), group.files) for key, group in _first(groups).items())
    return waits or all(source.place_of(manifest.as_drop()) != place for manifest in have.values())


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
    have: Mapping[str, Manifest],
    place: _Place,
    *,
    again: bool,
) -> Drop | None:
    """The drop that a group of files is, None where there is nothing new in it; raises `Incomplete`."""
    manifest = have.get(key)
    delivery, look, has = group.delivery, place.look, _has(manifest, group.files)
    changed = manifest and any(look.since[name] > manifest.latest.landed_at for name in group.controls)
    if has and not changed and not again:
        return None
    if source.quiet:
        _still(key, group, look, source.quiet, fresh=manifest is None)
    if len(group.parts) > 1:
        raise Incomplete(f"its files are of several parts: {', '.join(sorted(group.parts))}")
    (part,) = group.parts
    before = {file.name: file for file in manifest.latest.offered} if manifest else {}
    kept = [f for f in before.values() if f.name not in look.files and delivery.groups(f.name) is not None]
    _expected(delivery, [*group.files, *kept])
    if delivery.gapless:
        landed_too = (file for one in have.values() for file in one.latest.offered)
        _gapless(source, delivery, [*group.files, *kept], [*look.files.values(), *landed_too])
    said = place.controls.said(delivery, group.files, lambda name: _key(source, delivery, name) == key)
    files = [_offered(file, before.get(file.name), said[file.name]) for file in group.files]
    same = has and all(
        (file.checksum, file.records) == (before[file.name].checksum, before[file.name].records) for file in files
    )
    if same and not again:
        return None  # the control files say what they said
    as_of = max(_date_inside(delivery, place.remote, file) for file in group.files) if delivery.inside else group.as_of
    return Drop(
        source=source.slug,
        key=key,
        as_of=max([source.instant(as_of), *([manifest.latest.as_of] if manifest and kept else [])]),
        kind=delivery.kind,
        revision=(manifest.latest.number if manifest else 0) + (not same),
        files=tuple(sorted([*files, *kept], key=lambda file: file.name)),
        part=part,
        at=delivery.at,
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


def _gapless(source: Source, delivery: Delivery, files: list[RemoteFile], known: Iterable[RemoteFile]) -> None:
    """Raise `Incomplete` where numbers are missing before the last of a drop's files, or before what follows on them.

    `known` are all files of the source that are offered or have landed.
    """
    zone = ZoneInfo(source.zone)
    numbered = [found for file in files if (found := delivery.numbered(file, zone))]
    date, last = max(numbered)
    missing = sorted({*range(1, last)} - {number for _, number in numbered})
    if missing:
        some = ", ".join([*map(str, missing[:5]), *(["…"] if len(missing) > 5 else [])])
        raise Incomplete(f"numbers that are missing from 1 to {last}: {some}")
    others = [other for other in source.deliveries if other != delivery]
    after = [found for file in known for other in others if (found := other.numbered(file, zone)) and found[0] == date]
    if after and (first := min(after)[1]) > last + 1:
        raise Incomplete(f"its files end with number {last}, and number {first} follows")


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
    source: Source, place: str, files: Iterable[RemoteFile], controls: Controls
) -> tuple[dict[tuple[str, int], _Group], dict[str, str]]:
    """The files of each drop at a place, by its key and the rank of their delivery among the source's.

    And the names of files that are a delivery's, but whose date cannot be told, with the reason.
    """
    zone = ZoneInfo(source.zone)
    here = [(rank, d) for rank, d in enumerate(source.deliveries) if source.place_of(d) == place]
    found: dict[tuple[str, int], _Group] = {}
    unread = {}
    for file in sorted(files, key=lambda f: f.name):
        if file.name in controls.all:
            continue
        for rank, delivery in here:
            try:
                named = delivery.read(file, zone)
            except ValueError as error:
                unread[file.name] = str(error)
                break
            if named:
                group = found.setdefault((named.key, rank), _Group(delivery, named.as_of))
                group.as_of = max(group.as_of, named.as_of)
                group.parts.add(named.part)
                group.files.append(file)
                if controls.all:
                    group.controls |= controls.about(delivery, file.name)
                break
    return found, unread


def _first(found: Mapping[tuple[str, int], _Group]) -> dict[str, _Group]:
    """Of several groups of one key that whose delivery is declared first."""
    first: dict[str, _Group] = {}
    for key, rank in sorted(found, key=lambda at: at[1]):
        first.setdefault(key, found[key, rank])
    return first


def _look(
    source: Source,
    place: str,
    at: datetime,
    listing: Mapping[str, RemoteFile],
    counted: Iterable[str],
    controls: Controls,
    lake: Lake,
) -> _Look:
    """Of the listing what counts, which the next run finds in the lake; it is written where it has changed."""
    before, held, version = _last(source, place, lake)
    files = {name: listing[name] for name in sorted(counted)}
    same = {name for name, file in files.items() if name in before and before[name].identity == file.identity}
    since = {name: held[name] if name in same else at for name in files}
    if version is None or not len(same) == len(files) == len(before):
        rows = [
            (name, file.size, file.mtime and file.mtime.isoformat(), file.version, since[name].isoformat())
            for name, file in files.items()
        ]
        data = zstandard.ZstdCompressor().compress(json.dumps(rows).encode())
        with suppress(Conflict):  # another run has just listed the same place, and its listing serves as well
            lake.put(_path(source, place, lake), data, version)
    gone, _ = _grouped(source, place, (file for name, file in before.items() if name not in listing), controls)
    return _Look(at, files, since, {key: group.files[0].name for key, group in _first(gone).items()})


def _last(source: Source, place: str, lake: Lake) -> tuple[dict[str, RemoteFile], dict[str, datetime], str | None]:
    """The listing that the lake has: the files, since when each has looked like this, and its version."""
    found = lake.read(_path(source, place, lake))
    if found is None:
        return {}, {}, None
    files, since = {}, {}
    for name, size, mtime, version, held in json.loads(zstandard.ZstdDecompressor().decompress(found[0])):
        files[name] = RemoteFile(name=name, size=size, mtime=mtime, version=version)
        since[name] = datetime.fromisoformat(held)
    return files, since, found[1]


def _path(source: Source, place: str, lake: Lake) -> str:
    return lake.path(*folder(source.slug), f"{'' if place == source.at else place}_seen.json.zst")
