"""Stage wrapped files: peeled, cut at record ends, compressed and written as parts. No Prefect.

A part is made of small pieces that its reader cuts one after the other, so that memory does not grow with parts: on
330 quoted columns, cutting takes 0.7 CPU seconds a GiB in pieces of 1 MiB, 0.8 of 4 MiB and 1.5 of 64 MiB, which
leave the processor's cache. zstd compresses in threads of its own meanwhile. A part is one zstd frame with a checksum,
and knows the steps by which it is to be read again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event
from typing import Any, BinaryIO, NamedTuple

import fsspec
import zstandard

from spark.errors import DataError
from spark.parts import PART, Bad, Part, Piece, StagedFile, Step
from spark.readers import FileReader, Reader, cuts
from tasks.spool import copy, inside, open_file, read_ahead, spooler
from tasks.wrappings import Member, peel

PIECE = 2 << 20
"""Bytes of plaintext that are cut at a time, a longer record apart: with 1 or 4 MiB a GiB takes a tenth longer."""

STEP = 4 << 20
"""Bytes of plaintext that conversion reads at once: a GiB of 330 columns takes 14 CPU seconds so, as in steps of 2 or
16 MiB, and 17 of 64, and 0.25 GB less memory a thread than of 64."""

LEVEL = 1
"""zstd's: parts live for minutes; the faster negative levels save a tenth of its CPU time for a third more bytes."""

AT_ONCE = 3
"""Files that are staged at the same time at most, each with some 30 MB in memory, and two parts as zstd has them."""

THREADS = 2
"""Threads that compress one file at most: each takes 700 MB/s of a wide, sparse CSV and 300 of a dense one."""


class Wrapped(NamedTuple):
    """A file to be staged: its path, and its names from the delivered file to the one that is there."""

    path: str
    names: tuple[str, ...]


class Choice(NamedTuple):
    """Which dataset a plain file is of, and what reads it."""

    dataset: str
    reader: Reader | FileReader


@dataclass(frozen=True)
class Stage:
    """How files are staged, and where: below `folder`, a path of `fs`.

    `choose` says for each plain file of a wrapped one what it is, or None for what is ignored; it may raise. `peeling`
    are the arguments of `peel` that are the same for all files.
    """

    fs: fsspec.AbstractFileSystem
    folder: str
    choose: Callable[[Wrapped, Member], Choice | None]
    cores: int
    peeling: dict[str, Any] = field(default_factory=dict)

    def files(self, files: Sequence[Wrapped]) -> list[tuple[str, StagedFile]]:
        """Stage files, several at once; every plain file with its dataset, in their order.

        Raises what peeling, cutting, `choose` and the file system raise, for the first file that fails; the others stop
        then. What they wrote below `folder` is the caller's to remove. Nothing is listed, and so nothing counts,
        before the last wrapping of every file has proved whole.
        """
        at_once = max(1, min(len(files), self.cores, AT_ONCE))
        stop = Event()
        with ThreadPoolExecutor(at_once, thread_name_prefix="stage") as pool:
            running = [
                pool.submit(self._file, file, f"{number:06}", min(THREADS, max(1, self.cores // at_once)), stop)
                for number, file in enumerate(files)
            ]
            try:
                done, _ = wait(running, return_when=FIRST_EXCEPTION)
                for future in running:
                    if future in done:
                        future.result()
            finally:
                stop.set()  # also where this thread is interrupted
                for future in running:
                    future.cancel()
        return [found for future in running for found in future.result()]

    def _file(self, file: Wrapped, number: str, threads: int, stop: Event) -> list[tuple[str, StagedFile]]:
        found: list[tuple[str, StagedFile]] = []
        spool = spooler(self.fs, self.folder)
        with (
            inside(file.names),
            open_file(self.fs, file.path) as stream,
            closing(peel(stream, file.names[-1], spool=spool, **self.peeling)) as members,
        ):
            for peeled, plain in members:
                member = peeled.model_copy(update={"names": (*file.names[:-1], *peeled.names)})
                choice = self.choose(file, member)
                if choice is None:
                    continue
                prefix = f"{self.folder}/{choice.dataset}-{number}-{len(found):06}"
                if cuts(choice.reader):
                    staged = cut(plain, member.path, choice.reader, self.fs, prefix, threads, stop)
                else:
                    staged = whole(plain, member.path, self.fs, prefix)
                found.append((choice.dataset, staged))
        return found


def whole(stream: BinaryIO, file: str, fs: fsspec.AbstractFileSystem, path: str) -> StagedFile:
    """Stage one plain file that its reader seeks in as one object, its bytes as they are, in bounded memory."""
    size = copy(stream, fs, path)
    part = Part(path=path, offset=0, first_record=1, records=None, bytes=size)
    return StagedFile(file=file, columns=(), parts=(part,))


def cut(
    stream: BinaryIO,
    file: str,
    reader: Reader,
    fs: fsspec.AbstractFileSystem,
    prefix: str,
    threads: int,
    stop: Event | None = None,
) -> StagedFile:
    """Stage one plain file as parts of about `PART` bytes of plaintext, compressed on `threads` threads.

    One part is written while the next is made. Raises what the reader and `fs` raise, data's errors naming the file;
    `CancelledError` soon after `stop` is set.
    """
    columns: tuple[str, ...] = ()
    parts: list[Future[Part]] = []
    draft: _Draft | None = None
    with read_ahead(stream) as ahead, ThreadPoolExecutor(1, thread_name_prefix="write") as writer:

        def write(draft: _Draft) -> None:
            if parts:
                parts[-1].result()  # no more than one waits in memory
            parts.append(writer.submit(draft.write, fs, f"{prefix}-{len(parts):06}.zst"))

        try:
            for piece in reader.cut(ahead, PIECE):
                if stop is not None and stop.is_set():
                    raise CancelledError(file)
                columns = piece.columns
                if draft is not None and draft.bytes + len(piece.data) > PART:
                    write(draft)
                    draft = None
                draft = draft or _Draft(piece, threads)
                draft.add(piece)
        except DataError as error:
            peeling = file.partition("/")[0] in error.what  # else it is the reader's, which knows no names
            raise error if peeling else type(error)(f"{file}: {error.what}") from error
        if draft is not None:
            write(draft)
        return StagedFile(file=file, columns=columns, parts=tuple(part.result() for part in parts))


class _Draft:
    """A part in the making."""

    def __init__(self, first: Piece, threads: int) -> None:
        self.bytes = 0
        self._first = first.model_copy(update={"data": b""})
        self._records: int | None = 0
        self._bad: list[Bad] = []
        self._steps: list[Step] = []
        self._zstd = zstandard.ZstdCompressor(level=LEVEL, threads=threads, write_checksum=True).compressobj()
        self._packed = bytearray()

    def add(self, piece: Piece) -> None:
        """Compress a piece; where zstd's threads have enough to do, this waits for them."""
        self._packed += self._zstd.compress(piece.data)
        self._bad += [bad.model_copy(update={"start": bad.start + self.bytes}) for bad in piece.bad]
        self._records = None if self._records is None or piece.records is None else self._records + piece.records
        step = Step(piece.offset, len(piece.data), piece.records)
        last = self._steps[-1] if self._steps else None
        if last and last.bytes + step.bytes <= STEP and last.records is not None and step.records is not None:
            self._steps[-1] = Step(last.offset, last.bytes + step.bytes, last.records + step.records)
        else:
            self._steps.append(step)
        self.bytes += len(piece.data)

    def write(self, fs: fsspec.AbstractFileSystem, path: str) -> Part:
        self._packed += self._zstd.flush()
        fs.pipe_file(path, self._packed)
        return Part(
            path=path,
            offset=self._first.offset,
            first_record=self._first.first_record,
            records=self._records,
            bytes=self.bytes,
            bad=tuple(self._bad),
            steps=tuple(self._steps) if len(self._steps) > 1 else (),
            trailing=self._first.trailing,
        )
