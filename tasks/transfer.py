"""transfer: External to Landed, without a local file, from where the last try stopped."""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO

import fsspec
from fsspec.spec import AbstractBufferedFile
from prefect import get_run_logger
from prefect.artifacts import create_link_artifact
from pydantic import BaseModel

from blocks import uploads
from blocks.errors import Changed, Conflict, Misconfigured, Replaced
from blocks.lake import Lake, sayings
from blocks.place import Paged, Place
from tasks import manifest, metrics
from tasks.drop import Drop, Offered, fingerprint
from tasks.engine import Job, Log, send
from tasks.events import emit
from tasks.limits import turn
from tasks.manifest import LandedFile, Manifest, Revision, now
from tasks.progress import Progress
from tasks.run import Run, Step, current
from tasks.tracked import tracked

if TYPE_CHECKING:
    from tasks.source import Source

ABANDONED = timedelta(days=7)
"""Age at which what no manifest lists is removed; half of it is the age up to which a later run goes on with it."""

_CHUNK = 4 * 1024 * 1024


class Landed(BaseModel, frozen=True):
    """A drop whose bytes are in the lake."""

    drop: Drop
    files: tuple[LandedFile, ...]


@tracked("transfer {drop}")
def transfer(drop: Drop) -> Landed:
    """Bring a drop's files into the lake, or answer with what has landed."""
    run = current()
    found = manifest.read(run.lake, drop.source, drop.key)
    if found and found[0].latest.number >= drop.revision and not run.redoes(None):
        if run.dry is not None:
            run.dry.append(Step(drop=drop.key, stage="transfer", why=None))
        return Landed(drop=found[0].as_drop(), files=found[0].latest.files)
    if run.dry is not None:
        return _planned(drop, found[0] if found else None, run, run.dry)
    log = get_run_logger()
    progress = Progress(str(drop), drop.bytes, say=log.info, key=f"{drop.source}-transfer")
    place = run.place(drop.at)
    with turn(place):
        landed = land(
            drop,
            place,
            run.lake,
            run.id,
            phi=run.source.phi,
            again=run.redoes(None),
            restarts=0 if run.source.quiet else 2,  # else the next run waits until the file has held still
            source=run.source,
            progress=progress,
            log=log,
        )
    if landed.drop.key != drop.key:
        run.instead[drop.key] = landed.drop
    _show(landed, run.lake)
    if not found or landed.drop.revision > found[0].latest.number:
        _tell(landed, run)
    return landed


def _planned(drop: Drop, before: Manifest | None, run: Run, steps: list[Step]) -> Landed:
    """The step that landing a drop is; its files as far as they are known: what has not landed has no SHA-256."""
    why = "forced" if run.redoes(None) else "its files changed" if before else "not landed"
    kept = _kept(drop, before, again=run.redoes(None)) if before else {}
    wanted = [file for file in drop.files if file.name not in kept]
    steps.append(Step(drop=drop.key, stage="transfer", why=why, bytes=sum(file.size or 0 for file in wanted)))
    coming = [LandedFile(name=f.name, path="", size=f.size or 0, mtime=f.mtime, sha256="") for f in wanted]
    return Landed(drop=drop, files=(*(file for files in kept.values() for file in files), *coming))


def land(
    drop: Drop,
    place: Place,
    lake: Lake,
    run: str,
    *,
    phi: str = "unknown",
    again: bool = False,
    restarts: int = 0,
    source: "Source | None" = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Landed:
    """Bring the files of one drop into the lake and write its manifest last.

    Files that the lake has as they are offered are not sent again, but with `again`; a drop whose files prove to be the
    bytes that have landed makes no revision. A file that changes while it is read is listed and begun anew, `restarts`
    times. So is an export of an API: where its data are other ones by then, what lands is not this drop, which nobody
    can have any more, but the one that `source` makes of them. Raises `Replaced` after that, `Conflict` where another
    run landed the same drop meanwhile, and what the place and the lake raise; what is in the lake by then, the next try
    goes on from.
    """
    log = log or logging.getLogger("inlet")
    progress = progress or Progress(str(drop), drop.bytes)
    while True:
        try:
            return _land(drop, place, lake, run, phi, again, progress, log)
        except Changed as error:
            listed = _listed_anew(drop, place, lake, source) if restarts else None
            if listed is None:
                raise Replaced(error.what) from error
            log.warning("%s; it is begun anew%s", error.what, "" if listed.key == drop.key else f" as {listed}")
            drop = listed
            restarts -= 1


def _land(
    drop: Drop, place: Place, lake: Lake, run: str, phi: str, again: bool, progress: Progress, log: Log
) -> Landed:
    found = manifest.read(lake, drop.source, drop.key)
    before, version = found or (Manifest(source=drop.source, drop=drop.key), None)
    number = before.latest.number + 1 if before.revisions else 1
    kept = _kept(drop, before, again=again)
    wanted = [file for file in drop.files if file.name not in kept]
    progress.add(sum(file.size for files in kept.values() for file in files))
    folder = lake.path(*manifest.folder(drop.source, drop.key), f"r{number}")
    sent = _send(drop, wanted, folder, place, lake, phi, progress, log)
    progress.end()

    had = {f.name: f for f in before.latest.files} if before.revisions else {}
    came = (file for offered in drop.files for file in kept.get(offered.name) or sent[offered.name])
    files = [_unless_there(file, had.get(file.name), lake) for file in came]
    same = bool(before.revisions) and {(f.name, f.sha256) for f in files} == {(f.name, f.sha256) for f in had.values()}
    revision = Revision(
        number=before.latest.number if same else number,
        as_of=drop.as_of,
        kind=drop.kind,
        offered=drop.files,
        files=tuple(files),
        run=run,
        landed_at=now(),
        part=drop.part,
        at=drop.at,
    )
    revisions = (*before.revisions[:-1], revision) if same else (*before.revisions, revision)
    after = before.model_copy(update={"revisions": revisions})
    try:
        manifest.write(lake, after, version)
    except Conflict:
        # Two runs that land one drop share its paths, so what the other one lists is what this one has read.
        other = manifest.read(lake, drop.source, drop.key)
        if not other or not other[0].shows(drop.files) or other[0].latest.files != revision.files:
            raise
        after = other[0]
    return Landed(drop=after.as_drop(), files=after.latest.files)


def _send(
    drop: Drop, files: list[Offered], folder: str, place: Place, lake: Lake, phi: str, progress: Progress, log: Log
) -> dict[str, tuple[LandedFile, ...]]:
    """Bring files below `folder`, each in a folder of its identity: a file that changed never meets its old bytes."""
    since = now() - ABANDONED / 2
    uploads.abort_older(lake, folder, since)
    there = {}
    for found in uploads.files_in(lake, folder):
        if found.written < since:
            lake.fs().rm_file(found.path)  # soon to be removed anyway, perhaps before the manifest would list it
        else:
            there[found.path] = found.size

    def about(file: Offered) -> dict[str, str]:
        origin = f"{place.get_block_type_slug()}/{place._block_document_name or ''}:{file.name}"
        return {"source": drop.source, "drop": drop.key, "origin": origin}

    jobs, sent = [], {}
    for file in files:
        path = f"{folder}/{fingerprint(*file.identity, file.version)[:8]}/{manifest.encoded(file.name)}"
        if file.size is None:
            sent[file.name] = _pages(file, path, place, lake, about(file), {"phi": phi}, progress)
        else:
            jobs.append(Job(file, path, there=there.get(path) == file.size))
    send(jobs, place, lake, about=about, tags={"phi": phi}, sent=progress.add, tick=progress.tick, log=log)
    root = len(lake.path()) + 1
    for job in jobs:
        if job.stored:
            sent[job.file.name] = (
                LandedFile(
                    name=job.file.name,
                    path=job.path[root:],
                    size=job.stored.size,
                    mtime=job.file.mtime,
                    sha256=job.stored.sha256,
                    checksum=job.stored.checksum,
                ),
            )
    return sent


def _unless_there(file: LandedFile, before: LandedFile | None, lake: Lake) -> LandedFile:
    """A file that came, or, where its bytes are those of the revision before, that one and not a copy of it."""
    if not before or before.sha256 != file.sha256 or before.path == file.path:
        return file
    with suppress(FileNotFoundError):  # another run has found out the same
        lake.fs().rm_file(lake.path(*file.path.split("/")))
    return before.model_copy(update={"mtime": file.mtime, "checksum": file.checksum})


class _Cursor(BaseModel, frozen=True):
    """How far an export has come: pages that are in the lake, and where the next one begins; None after the last."""

    pages: int = 0
    after: str | None = None


def _pages(
    file: Offered,
    path: str,
    place: Place,
    lake: Lake,
    about: Mapping[str, str],
    tags: Mapping[str, str],
    progress: Progress,
) -> tuple[LandedFile, ...]:
    """Land an export of an API, one object a page; a page that is in the lake is not asked for again.

    Raises `Changed` where the data have changed on the way: then no page is kept.
    """
    state = f"{path}/next.json"
    found = lake.read(state)
    cursor, version = (_Cursor.model_validate_json(found[0]), found[1]) if found else (_Cursor(), None)
    done = [_landed_page(file, path, page, lake) for page in range(1, cursor.pages + 1)]
    if not cursor.pages or cursor.after is not None:
        with place.connect() as remote:
            if not isinstance(remote, Paged):
                raise Misconfigured(f"{file.name} has no size, and its server gives no pages")
            try:
                for page in remote.pages(file.name, cursor.after):
                    number = len(done) + 1
                    sha256 = hashlib.sha256(page.data)
                    known = {**tags, "sha256": sha256.hexdigest()}
                    uploads.put_whole(lake, _page_path(path, number), page.data, sha256.digest(), about, known)
                    done.append(_landed_page(file, path, number, lake))
                    cursor = _Cursor(pages=number, after=page.after)
                    version = lake.put(state, cursor.model_dump_json().encode(), version)
                    progress.add(len(page.data))
                    progress.tick()
            except Changed:
                with suppress(FileNotFoundError):  # they changed before the first page
                    lake.fs().rm(path, recursive=True)
                raise
    return tuple(done)


def _page_path(path: str, number: int) -> str:
    return f"{path}/{number:06}.json"


def _landed_page(file: Offered, path: str, number: int, lake: Lake) -> LandedFile:
    """A page as the lake has it: of two runs that land one export, the first one's."""
    target = _page_path(path, number)
    with sayings(target):
        data = lake.fs().cat_file(target)
    return LandedFile(
        name=f"{file.name}/{number:06}.json",
        path=target[len(lake.path()) + 1 :],
        size=len(data),
        mtime=file.mtime,
        sha256=hashlib.sha256(data).hexdigest(),
        of=file.name,
    )


def _kept(drop: Drop, before: Manifest, *, again: bool) -> dict[str, tuple[LandedFile, ...]]:
    """By name those files of a drop that need not be sent, as they landed; none where all is to be sent again."""
    old = _by_offer(before)
    return {
        file.name: old[file.identity]
        for file in drop.files
        if file.identity in old and _proves(old[file.identity], file.checksum) and not again
    }


def _by_offer(before: Manifest) -> dict[tuple[object, ...], tuple[LandedFile, ...]]:
    """The landed files of each offered one, by what it was known by."""
    if not before.revisions:
        return {}
    by_name: dict[str, list[LandedFile]] = {}
    for file in before.latest.files:
        by_name.setdefault(file.of or file.name, []).append(file)
    return {file.identity: tuple(by_name[file.name]) for file in before.latest.offered}


def _proves(files: tuple[LandedFile, ...], checksum: str | None) -> bool:
    """Whether what landed is known to have a published checksum: one may be published, or corrected, later."""
    known = {known for file in files for known in (file.checksum, f"sha256:{file.sha256}")}
    return checksum is None or checksum.lower() in known


def _listed_anew(drop: Drop, place: Place, lake: Lake, source: "Source | None") -> Drop | None:
    """The drop with its files as they are listed now; None where one of them is gone.

    The export of an API is named for its data: where there are others now, the drop of `source` that they are.
    """
    with place.connect() as remote:
        names = {file.name for file in drop.files}
        found = {file.name: file for file in remote.list() if file.name in names}
        if found.keys() != names:
            if source is None or any(file.size is not None for file in drop.files):
                return None
            from tasks.discover import offered  # which loads the readers, and so Arrow

            here = {source.place_of(drop): remote}
            drops = offered(source, here, lake, again=True).drops  # `again`: another run may have landed it
            return drops[-1] if drops else None
    files = [file.model_copy(update=found[file.name].model_dump()) for file in drop.files]
    return drop.model_copy(update={"files": tuple(files)})


def tidy(lake: Lake, source: "Source", older_than: timedelta = ABANDONED) -> list[str]:
    """Remove what transfers that were never finished have left: uploads, and files that no manifest lists."""
    root, before = lake.path(*manifest.folder(source.slug)), now() - older_than
    if not lake.fs().exists(root):
        return []
    gone = uploads.abort_older(lake, root, before)
    orphans = [found.path for found in _files_of_drops(lake, root) if found.written < before]
    if orphans:  # a manifest that is written from now on lists files that are younger
        listed = {
            lake.path(*file.path.split("/"))
            for found in manifest.landed(lake, source).values()
            for revision in found.revisions
            for file in revision.files
        }
        for path in orphans:
            if path not in listed:
                with suppress(FileNotFoundError):
                    lake.fs().rm_file(path)
                gone.append(path)
    return gone


def _files_of_drops(lake: Lake, root: str) -> Iterator[uploads.Found]:
    for found in uploads.files_in(lake, root):
        if found.path.removeprefix(f"{root}/").count("/") > 1:  # others are manifests, and the last listing
            yield found


def _show(landed: Landed, lake: Lake) -> None:
    folder = lake.url(*manifest.folder(landed.drop.source, landed.drop.key))
    count, size = len(landed.files), sum(file.size for file in landed.files)
    create_link_artifact(
        folder,
        link_text=f"{landed.drop.source} {landed.drop}, revision {landed.drop.revision}",
        key=f"{landed.drop.source}-landed",
        description=f"{count:,} file{'s' if count > 1 else ''}, {size:,} bytes, as the party sent them",
    )


def _tell(landed: Landed, run: Run) -> None:
    """Tell that a revision landed; also where nobody said whose data it is, or people's are kept without a key."""
    drop, files, size = landed.drop, len(landed.files), sum(file.size for file in landed.files)
    emit("inlet.drop.landed", drop, files=files, bytes=size)
    metrics.add(drop.source, "landed", files=files, bytes=size)
    if run.source.phi == "unknown":
        emit("inlet.compliance.flagged", drop, what="nobody has said whether it holds people's data: phi is unknown")
    elif run.source.phi == "yes" and not run.lake.kms_key:
        emit("inlet.compliance.flagged", drop, what="it holds people's data, and the lake's block names no KMS key")


def copy(
    stream: BinaryIO, fs: fsspec.AbstractFileSystem, path: str, sent: Callable[[int], None] = lambda _: None
) -> tuple[int, str]:
    """Stream to an object; its size in bytes and SHA-256 in hexadecimal. After an error there is no object."""
    digest, size = hashlib.sha256(), 0
    fs.makedirs(fs._parent(path), exist_ok=True)
    sink = fs.open(path, "wb")
    try:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            sink.write(chunk)
            size += len(chunk)
            sent(len(chunk))
        sink.close()
    except BaseException:
        with suppress(Exception):  # the error that led here is the one to be told
            if isinstance(sink, AbstractBufferedFile):
                sink.discard()  # aborts the multipart upload
                sink.closed = True  # or it begins another one when it is collected
            else:
                sink.close()
                fs.rm_file(path)
        raise
    return size, digest.hexdigest()


def fetch(
    source: str, target: str, sent: Callable[[int, int | None], None] = lambda _count, _of: None
) -> tuple[int, str]:
    """Copy one file between local paths or URLs that fsspec knows; its size in bytes and SHA-256 in hexadecimal.

    `sent` is told of bytes that have come, and of how many, where that is known. A password in a URL is not accepted:
    credentials come from the environment.
    """
    if re.search(r"//[^/@]*:[^/@]*@", source + target):
        raise ValueError("a URL here carries no password; put credentials into the environment")
    with fsspec.open(source, "rb") as stream:
        fs, path = fsspec.core.url_to_fs(target)
        size = getattr(stream, "size", None)
        return copy(stream, fs, path, lambda count: sent(count, size))
