"""decompress: a drop's archives and compressed files to the files in them; and any file into a folder."""

import hashlib
import os
import posixpath
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext, suppress
from typing import BinaryIO

import fsspec
from pydantic import BaseModel, SecretStr

from blocks.archive import ArchivePassword
from blocks.errors import Misconfigured
from blocks.lake import Lake, sayings
from spark.errors import Unsafe
from tasks.gpg import Decrypt
from tasks.opened import NOT_KEPT, Opened, OpenedFile, files, remove, staged_folder, unknown
from tasks.run import Step, current
from tasks.source import Source
from tasks.spool import copy, inside, open_file, spooler
from tasks.tracked import tracked
from tasks.transfer import Landed
from tasks.wrappings import Bounds, Member, peel


@tracked("decompress {landed.drop}")
def decompress(landed: Landed | Opened, expect: Sequence[str] | None = None) -> Opened:
    """Stage every file of a drop out of its wrappings, but for PGP; wrappings other than `expect` are an error.

    Files that the source ignores are left out.
    """
    run = current()
    if run.dry is not None:
        size = sum(file.size for file in files(landed))
        run.dry.append(Step(drop=landed.drop.key, stage="decompress", why=NOT_KEPT, bytes=size))
        return unknown(landed)
    folder = f"{staged_folder(run.lake, landed.drop, run.id)}/decompressed"
    opened: list[OpenedFile] = []
    known = passwords(run.source)
    try:
        for number, file in enumerate(files(landed)):
            target = f"{folder}/{number:06}"
            opened += decompress_file(file, run.lake, target, run.source.ignored, run.source.bounds, known, expect)
    except BaseException:
        remove(run.lake, folder)
        raise
    return Opened(drop=landed.drop, files=tuple(opened))


def decompress_file(
    file: OpenedFile,
    lake: Lake,
    folder: str,
    ignored: Callable[[str], bool] = lambda name: False,
    bounds: Bounds | None = None,
    passwords: Sequence[SecretStr] = (),
    expect: Sequence[str] | None = None,
) -> list[OpenedFile]:
    """Stage every member of a file below `folder`, as `lake.fs()` wants it, each whole; answers after the last check.

    Raises `Undecryptable` for PGP, what else `peel` raises, and `PlaceError`; what was staged the caller removes.
    """
    fs = lake.fs()
    opened: list[OpenedFile] = []
    with (
        sayings(file.name),
        inside(file.names),
        open_file(fs, lake.path(*file.path.split("/"))) as stream,
        closing(
            peel(
                stream,
                file.names[-1],
                bounds=bounds,
                spool=spooler(fs, folder),
                passwords=passwords,
                expect=expect,
            )
        ) as members,
    ):
        for member, content in members:
            if ignored(member.name):
                continue
            path, digest = f"{folder}/{len(opened):06}", hashlib.sha256()
            size = copy(content, fs, path, digest)
            names = (*file.names[:-1], *member.names)
            below_root = path.removeprefix(f"{lake.path()}/")
            opened.append(OpenedFile(names=names, path=below_root, size=size, sha256=digest.hexdigest(), of=file.of))
    return opened


def passwords(source: Source) -> tuple[SecretStr, ...]:
    """Of a source's archives. Raises `Misconfigured` where there is no such block."""
    if source.archive_password is None:
        return ()
    try:
        block = ArchivePassword.load(source.archive_password)
    except ValueError as error:
        raise Misconfigured(f"there is no archive password block named {source.archive_password!r}") from error
    found: tuple[SecretStr, ...] = block.passwords()  # type: ignore[union-attr]  # Prefect's load may be async
    return found


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
    passwords: Sequence[SecretStr] = (),
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
            members = peel(
                stream, name, bounds=bounds, spool=spool, decrypt=decrypt, passwords=passwords, expect=expect
            )
            with closing(members):
                for member, content in members:
                    path = layout.place(member)
                    temporary = f"{scratch}/{len(written)}"
                    digest = hashlib.sha256()
                    size = copy(content, fs, temporary, digest)
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


class _Layout:
    """Where members go below the folder."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def place(self, member: Member) -> str:
        archives = [i for i, wrapping in enumerate(member.wrappings) if wrapping in ("zip", "tar", "7z")]
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
