"""transfer: External to Landed, without a local file."""

import hashlib
import re
from contextlib import suppress
from typing import BinaryIO

import fsspec
from fsspec.spec import AbstractBufferedFile
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel

from blocks.errors import Changed, Conflict
from blocks.lake import Lake
from blocks.place import Place, Remote, RemoteFile
from tasks import manifest
from tasks.manifest import LandedFile, Manifest, Revision
from tasks.retrying import RETRY
from tasks.run import current
from tasks.source import Drop

_CHUNK = 4 * 1024 * 1024


class Landed(BaseModel, frozen=True):
    """A drop whose bytes are in the lake."""

    drop: Drop
    files: tuple[LandedFile, ...]


@task(task_run_name="transfer {drop}", cache_policy=NO_CACHE, **RETRY)
def transfer(drop: Drop) -> Landed:
    """Bring a drop's files into the lake, or answer with what has landed."""
    run = current()
    found = manifest.read(run.lake, drop.source, drop.key)
    if found and found[0].latest.number >= drop.revision and not run.redoes(None):
        return Landed(drop=found[0].as_drop(), files=found[0].latest.files)
    return land(drop, run.place(), run.lake, run.id)


def land(drop: Drop, place: Place, lake: Lake, run: str) -> Landed:
    """Stream the files of one drop into the lake and write its manifest last.

    Files that the lake has under the same name, size and time are not sent again; a drop whose files prove to be the
    bytes that have landed makes no revision. Raises `Changed` where a file is not as long as it was listed,
    `Conflict` where another run landed the same drop meanwhile, and what the place raises.
    """
    found = manifest.read(lake, drop.source, drop.key)
    before, version = found or (Manifest(source=drop.source, drop=drop.key), None)
    offered = {f.name: f.identity for f in before.latest.offered} if before.revisions else {}
    have = {f.name: f for f in before.latest.files} if before.revisions else {}
    number = len(before.revisions) + 1
    # its own folder: another run that lands the same revision, or one that died, must not meet these bytes
    folder = "/".join((*manifest.folder(drop.source, drop.key), f"r{number}-{run[-8:]}"))
    try:
        with place.connect() as remote:
            files = [
                have[file.name]
                if offered.get(file.name) == file.identity
                else _send(file, have.get(file.name), remote, lake, folder)
                for file in drop.files
            ]
    except BaseException:
        _remove(lake, folder)
        raise
    same = {f.sha256 for f in files} == {f.sha256 for f in have.values()}
    revision = Revision(
        number=before.latest.number if same else number,
        as_of=drop.as_of,
        kind=drop.kind,
        offered=drop.files,
        files=tuple(files),
        run=run,
        landed_at=manifest.now(),
    )
    revisions = (*before.revisions[:-1], revision) if same else (*before.revisions, revision)
    after = before.model_copy(update={"revisions": revisions})
    try:
        manifest.write(lake, after, version)
    except Conflict:
        _remove(lake, folder)
        raise
    return Landed(drop=after.as_drop(), files=revision.files)


def _send(file: RemoteFile, old: LandedFile | None, remote: Remote, lake: Lake, folder: str) -> LandedFile:
    """Bring one file into `folder`, unless `old`, which landed before, proves to have the same bytes."""
    path = f"{folder}/{manifest.encoded(file.name)}"
    with remote.open(file.name) as stream:
        size, sha256 = copy(stream, lake.fs(), lake.path(*path.split("/")))
    if size != file.size:
        raise Changed(f"{file.name} was {file.size:,} bytes long when listed and gave {size:,}")
    if old and old.sha256 == sha256:
        lake.fs().rm_file(lake.path(*path.split("/")))
        return old.model_copy(update={"mtime": file.mtime})
    return LandedFile(name=file.name, path=path, size=size, mtime=file.mtime, sha256=sha256)


def _remove(lake: Lake, folder: str) -> None:
    """Remove what this run landed; whatever that meets, the error that led here is the one to be told."""
    with suppress(Exception):
        lake.fs().rm(lake.path(*folder.split("/")), recursive=True)


def copy(stream: BinaryIO, fs: fsspec.AbstractFileSystem, path: str) -> tuple[int, str]:
    """Stream to an object; its size in bytes and SHA-256 in hexadecimal. After an error there is no object."""
    digest, size = hashlib.sha256(), 0
    fs.makedirs(fs._parent(path), exist_ok=True)
    sink = fs.open(path, "wb")
    try:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            sink.write(chunk)
            size += len(chunk)
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


def fetch(source: str, target: str) -> tuple[int, str]:
    """Copy one file between local paths or URLs that fsspec knows; its size in bytes and SHA-256 in hexadecimal.

    A password in a URL is not accepted: credentials come from the environment.
    """
    if re.search(r"//[^/@]*:[^/@]*@", source + target):
        raise ValueError("a URL here carries no password; put credentials into the environment")
    with fsspec.open(source, "rb") as stream:
        fs, path = fsspec.core.url_to_fs(target)
        return copy(stream, fs, path)
