"""discover: which complete drops a source offers that the lake does not have."""

import zipfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, TypeAdapter

from blocks.errors import Conflict, Misconfigured, NotThere
from blocks.lake import Lake
from blocks.place import Remote, RemoteFile
from tasks.manifest import folder, landed, now
from tasks.retrying import RETRY
from tasks.run import current
from tasks.source import Delivery, Drop, Offered, Source


class Pending(BaseModel, frozen=True):
    """A drop that is not taken yet, and why."""

    key: str
    reason: str


class Offer(BaseModel, frozen=True):
    """What a source offers: drops to take, in their order, and those that are not complete."""

    drops: tuple[Drop, ...]
    pending: tuple[Pending, ...]


class _Seen(BaseModel, frozen=True):
    """A file in the last listing, and since when, by our clock, it has looked like this."""

    file: RemoteFile
    since: datetime


_Listing = TypeAdapter(dict[str, _Seen])


@task(task_run_name="discover", cache_policy=NO_CACHE, **RETRY)
def discover() -> Offer:
    """List what the running source offers."""
    run = current()
    with run.place().connect() as remote:
        return offered(run.source, remote, run.lake)


def offered(source: Source, remote: Remote, lake: Lake) -> Offer:
    """List a source once and keep the listing in the lake, where the next run compares with it."""
    listing = _look(source, remote.list(), lake)
    have = landed(lake, source)
    drops, pending = [], []
    for key, (delivery, date, files) in _by_drop(source, [seen.file for seen in listing.values()]).items():
        manifest = have.get(key)
        if manifest and manifest.shows(files):
            continue
        moving = [f.name for f in files if source.quiet and now() - listing[f.name].since < source.quiet]
        if moving:
            pending.append(Pending(key=key, reason=f"{moving[0]} has not held still for {source.quiet} yet"))
            continue
        if delivery.inside:
            try:
                date = _date_inside(delivery, remote, files)
            except (zipfile.BadZipFile, LookupError, NotThere) as error:
                pending.append(Pending(key=key, reason=f"{files[0].name} is not whole: {error}"))
                continue
        drops.append(
            Drop(
                source=source.slug,
                key=key,
                as_of=source.instant(date),
                kind=delivery.kind,
                revision=manifest.latest.number + 1 if manifest else 1,
                files=tuple(Offered(**file.model_dump()) for file in files),
            )
        )
    return Offer(drops=tuple(sorted(drops, key=lambda drop: drop.order)), pending=tuple(pending))


def pending(source: Source, lake: Lake) -> list[str]:
    """Keys of the drops in the last listing that have not landed; asks nobody outside."""
    found = lake.read(lake.path(*folder(source.slug), "_seen.json"))
    files = [seen.file for seen in _Listing.validate_json(found[0]).values()] if found else []
    have = landed(lake, source)
    return sorted(
        key
        for key, (_, _, of_drop) in _by_drop(source, files).items()
        if key not in have or not have[key].shows(of_drop)
    )


def _look(source: Source, files: Iterable[RemoteFile], lake: Lake) -> dict[str, _Seen]:
    """The listing as it is now; each file with the instant since which it has looked like this."""
    path = lake.path(*folder(source.slug), "_seen.json")
    found = lake.read(path)
    before = _Listing.validate_json(found[0]) if found else {}
    seen = {
        file.name: _Seen(
            file=file, since=before[file.name].since if _held_still(before.get(file.name), file) else now()
        )
        for file in files
        if any(delivery.date(file) for delivery in source.deliveries)
    }
    if seen != before:
        with suppress(Conflict):  # another run has just listed the same place, and its listing serves as well
            lake.put(path, _Listing.dump_json(seen), found[1] if found else None)
    return seen


def _held_still(seen: _Seen | None, file: RemoteFile) -> bool:
    return seen is not None and seen.file.identity == file.identity


def _by_drop(
    source: Source, files: Iterable[RemoteFile]
) -> dict[str, tuple[Delivery, datetime, tuple[RemoteFile, ...]]]:
    """The files of each drop by its key, those of the delivery declared first where several give one key."""
    found: dict[str, dict[Delivery, tuple[datetime, list[RemoteFile]]]] = {}
    for file in sorted(files, key=lambda f: f.name):
        for delivery in source.deliveries:
            if date := delivery.date(file):
                by_delivery = found.setdefault(date.strftime(delivery.key), {})
                by_delivery.setdefault(delivery, (date, []))[1].append(file)
                break
    first = {key: min(by.items(), key=lambda item: source.deliveries.index(item[0])) for key, by in found.items()}
    return {key: (delivery, date, tuple(of_drop)) for key, (delivery, (date, of_drop)) in first.items()}


def _date_inside(delivery: Delivery, remote: Remote, files: tuple[RemoteFile, ...]) -> datetime:
    """The date in a zip member's name. A zip's directory stands at its end: one that opens is whole."""
    with remote.open(files[0].name) as stream:
        if not stream.seekable():
            raise Misconfigured(f"{files[0].name}: the server refuses ranges, by which the date inside is read")
        with zipfile.ZipFile(stream) as archive:
            date = delivery.date_inside(archive.namelist())
    if date is None:
        raise LookupError(f"no member is named {delivery.inside}")
    return date
