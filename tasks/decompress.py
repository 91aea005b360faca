"""Unwrap a file into a folder: what `inlet unwrap FILE OUTDIR` does."""

import hashlib
import os
import posixpath
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext, suppress
from typing import BinaryIO, cast

import fsspec
from pydantic import BaseModel

from spark.errors import Unsafe
from tasks.decrypt import Decrypt
from tasks.wrappings import Bounds, Member, peel

CHUNK = 1 << 20


class Extracted(BaseModel, frozen=True):
    """A file that was written: `path` below the folder, size in bytes, hex digest, and where it came from."""

    path: str
    bytes: int
    sha256: str
    wrappings: tuple[str, ...]
    member: str  # all names from the outermost file to this one, joined by `/`


def extract(
    source: str | os.PathLike[str] | BinaryIO,
    outdir: str | os.PathLike[str],
    *,
    name: str | None = None,
    bounds: Bounds | None = None,
    decrypt: Decrypt | None = None,
    expect: Sequence[str] | None = None,
) -> list[Extracted]:
    """Write every member of `source`, a path, URL or stream, below `outdir`, a path or URL.

    A member gets the path that it has in the outermost archive (`a.tar.gz` with `x/y.csv` gives `x/y.csv`),
    else the file's own name without its wrappings; an archive in an archive becomes a folder of its name. All
    or nothing: everything is written to a folder of its own and moved into place after the last check, PGP's
    included, so that a run killed at any moment leaves no file that looks whole and is not. Raises what `peel` raises.
    """
    fs, root = fsspec.url_to_fs(os.fspath(outdir))
    scratch = f"{root}/.inlet-unwrap-{uuid.uuid4().hex}"
    if isinstance(source, str | os.PathLike):
        name = name or posixpath.basename(os.fspath(source))
        opened = fsspec.open(os.fspath(source), "rb")
    else:
        name = name or "stream"
        opened = nullcontext(source)
    written: list[tuple[str, Extracted]] = []
    moved: list[str] = []
    layout = _Layout()
    try:
        fs.makedirs(scratch, exist_ok=True)
        with opened as stream:
            spool = spooler(fs, scratch)
            members = peel(stream, name, bounds=bounds, spool=spool, decrypt=decrypt, expect=expect)
            with closing(members):
                for member, content in members:
                    path = layout.place(member)
                    temporary = f"{scratch}/{len(written)}"
                    digest, size = hashlib.sha256(), 0
                    with fs.open(temporary, "wb") as file:
                        while chunk := content.read(CHUNK):
                            digest.update(chunk)
                            size += len(chunk)
                            file.write(chunk)
                    extracted = Extracted(
                        path=path,
                        bytes=size,
                        sha256=digest.hexdigest(),
                        wrappings=member.wrappings,
                        member=member.path,
                    )
                    written.append((temporary, extracted))
        for temporary, extracted in written:
            final = f"{root}/{extracted.path}"
            fs.makedirs(posixpath.dirname(final), exist_ok=True)
            fs.mv(temporary, final)
            moved.append(final)
    except BaseException:
        for final in moved:
            with suppress(FileNotFoundError):
                fs.rm_file(final)
        raise
    finally:
        with suppress(FileNotFoundError):
            fs.rm(scratch, recursive=True)
    return [extracted for _, extracted in written]


def spooler(fs: fsspec.AbstractFileSystem, folder: str) -> Callable[[BinaryIO], BinaryIO]:
    """A `spool` for `peel`: stages a stream as one object below `folder` and reopens it; the caller removes it."""

    def spool(stream: BinaryIO) -> BinaryIO:
        path = f"{folder}/spool-{uuid.uuid4().hex}"
        with fs.open(path, "wb") as file:
            while chunk := stream.read(CHUNK):
                file.write(chunk)
        return cast(BinaryIO, fs.open(path, "rb"))

    return spool


class _Layout:
    """Where members go below the folder."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def place(self, member: Member) -> str:
        archives = [i for i, wrapping in enumerate(member.wrappings) if wrapping in ("zip", "tar")]
        # a name whose wrapping holds one file gives way to that file's; one whose wrapping is an archive is a folder
        within = [member.names[i] for i in archives[1:]] + [member.name]
        path = "/".join(within) if archives else posixpath.basename(member.name)
        folders = _folders(path)
        # An archive may hold a file `a/b` and a file `a/b/c`: the later one is kept beside, its slashes encoded.
        if path in self._folders or not self._files.isdisjoint(folders):
            path = path.replace("/", "%2F")
            folders = []
        if path in self._files or path in self._folders:
            raise Unsafe(f"{member.path}: another member has its place")
        if any(len(part.encode()) > 255 for part in path.split("/")):
            raise Unsafe(f"{member.path}: its name is longer than a file system takes")
        self._files.add(path)
        self._folders.update(folders)
        return path


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]
