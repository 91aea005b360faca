"""The transfer engine: files of a place, in parts over several connections, straight into objects of the lake.

Readers, a thread and a connection each, take the parts in their order and fill buffers; senders put a part into its
file's upload, with its SHA-256, hash the file in order, and give the buffer back. What is held is bounded, whatever the
files' sizes. A second reader and further ones begin only while the senders have little to do: more connections make
neither a lake nor a machine faster.
"""

import hashlib
import io
import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from blocks import uploads
from blocks.errors import Changed, ChecksumMismatch, Conflict, PlaceError
from blocks.lake import Lake, code_of, sayings
from blocks.place import Place, Remote, Status, bound, digests, status
from tasks.drop import Offered

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PART = 16 << 20  # bytes of a part, where the file is not too large for S3's 10,000 of them
HELD = 50 << 20  # bytes of the largest part that is held: that of a file of 524 GB; larger ones are streamed
MEMORY = 160 << 20  # bytes of parts that are held at once
SENDERS = 8  # parts on their way into the lake at once
TRIES = 6  # times that one place in a file is asked for before the file is given up

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


@dataclass(frozen=True)
class Stored:
    """A file in the lake: bytes, SHA-256 in hexadecimal, and the published checksum that it proved to have."""

    size: int
    sha256: str
    checksum: str | None


@dataclass(eq=False)
class Job:
    """One file to bring to `path`; `there`: a run before has brought it there, but into no manifest."""

    file: Offered
    path: str
    there: bool = False
    stored: Stored | None = None

    part: int = 0
    count: int = 0  # parts of the file
    missing: deque[int] = field(default_factory=deque)  # parts that no reader has taken, by number
    unread: int = 0
    unsent: int = 0
    upload: uploads.Upload | None = None  # None for a file of one part
    expected: dict[str, str] = field(default_factory=dict)  # published checksums by algorithm
    hashes: dict[str, Any] | None = None  # of the whole file; None where it cannot be hashed in order
    waiting: dict[int, bytearray] = field(default_factory=dict)  # sent, and not hashed yet
    hashed: int = 0
    opened: bool = False
    shown: Status | None = None  # what it was when a reader opened it
    owner: "_Reader | None" = None  # the only reader that may take parts
    bad: bool = False  # what has been sent of it must not be used
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards `waiting`, `hashes`, `hashed`, `unsent`

    @property
    def size(self) -> int:
        """Bytes."""
        return self.file.size or 0

    @property
    def streamed(self) -> bool:
        """Whether its parts are too large to be held."""
        return self.part > HELD

    def range(self, number: int) -> tuple[int, int]:
        """Where a part begins and ends."""
        return (number - 1) * self.part, min(number * self.part, self.size)

    def held(self, number: int) -> int:
        """Bytes that a part takes of `MEMORY`."""
        start, stop = self.range(number)
        return 0 if self.streamed else stop - start


def part_size(size: int) -> int:
    """Bytes of a part of a file: `PART`, or as many whole MiB as it takes to have no more than 10,000.

    A file of up to two is sent as one: to join parts costs a server as much as to take them.

    >>> part_size(5 * 1024**4) // 1024**2
    525
    """
    return max(size, 1) if size <= 2 * PART else max(PART, -(-size // (10_000 << 20)) << 20)


def send(
    jobs: Sequence[Job],
    place: Place,
    lake: Lake,
    *,
    about: Callable[[Offered], Mapping[str, str]] = lambda _: {},
    tags: Mapping[str, str] | None = None,
    sent: Callable[[int], None] = lambda _: None,
    tick: Callable[[], None] = lambda: None,
    log: Log | None = None,
) -> None:
    """Bring files into the lake; each job gets its `stored`.

    `about` gives the metadata of a file's object, `tags` the tags of all. `sent` is told of bytes that are in the lake,
    in any thread; `tick` is called four times a second in this one. Raises the first error that stops a file:
    `Changed` where it is not, or no longer, the one that was listed, and `ChecksumMismatch`: then nothing of it is
    kept; and what the place and the lake raise: then what is in the lake stays for the next try.
    """
    _Engine(jobs, place, lake, about, tags or {}, sent, log or logging.getLogger("inlet")).run(tick)


_Answer = TypeVar("_Answer")


class _Stopped(Exception):
    """Another thread has failed."""


class _Engine:
    """One call of `send`."""

    def __init__(
        self,
        jobs: Sequence[Job],
        place: Place,
        lake: Lake,
        about: Callable[[Offered], Mapping[str, str]],
        tags: Mapping[str, str],
        sent: Callable[[int], None],
        log: Log,
    ) -> None:
        self.place = place
        self.log = log
        self.stopped = threading.Event()
        self._lake = lake
        self._about = about
        self._tags = dict(tags)
        self._sent = sent
        self._over = threading.Event()  # an error, or nothing left: wakes `run` once, and not for each file
        self._turn = threading.Condition()  # guards all that follows, and what readers take of jobs
        self._jobs = deque(jobs)  # those with parts that no reader has taken, and some that have none left
        self._all = jobs
        self._left = len(jobs)
        self._held = 0
        self._sending = 0
        self._readers = 0
        self._limit = place.connections
        self._error: BaseException | None = None
        self._free: list[bytearray] = []  # buffers for the next parts: fresh memory costs as much as a hash

    def run(self, tick: Callable[[], None]) -> None:
        for job in self._all:
            job.part = part_size(job.size)
            job.count = max(1, -(-job.size // job.part))
            job.missing = deque(() if job.there else range(1, job.count + 1))
            job.unread = job.unsent = len(job.missing)
            if job.file.checksum:
                name, _, value = job.file.checksum.partition(":")
                job.expected[name] = value.lower()
        with ThreadPoolExecutor(SENDERS, "send") as self._senders, ThreadPoolExecutor(self._limit, "read") as readers:
            try:
                for job in self._all:
                    if job.there:
                        self._submit(partial(self._adopt, ours=True), job)
                while self._going():
                    if self._starving():
                        readers.submit(self._reader, self._readers)
                        self._readers += 1
                    tick()
                    self._over.wait(0.25)  # no less: a further reader wastes what the first has asked for ahead
            except BaseException as error:
                self._fail(error)
        for job in self._all:
            if job.upload and not job.stored:
                (job.upload.abort if job.bad else job.upload.close)()
        if self._error:
            raise self._error

    def _going(self) -> bool:
        with self._turn:
            return not self._error and self._left > 0

    def _starving(self) -> bool:
        """Whether one more reader may help."""
        with self._turn:
            open_to_all = any(job.missing and job.owner is None for job in self._jobs)
            return open_to_all and self._readers < self._limit and (not self._readers or self._sending < SENDERS // 2)

    def _fail(self, error: BaseException, job: Job | None = None) -> None:
        """Stop everything; the first error is the one that is raised."""
        with self._turn:
            if job and isinstance(error, Changed | ChecksumMismatch):
                job.bad = True
            self._error = self._error or error
            self.stopped.set()
            self._over.set()
            self._turn.notify_all()

    # ---- what readers do

    def _reader(self, number: int) -> None:
        """The life of one reader."""
        with _Reader(self) as reader:
            job = None
            try:
                if number:
                    reader.connect()
            except PlaceError as error:
                with self._turn:
                    self._limit = min(self._limit, number)
                self.log.info("The server takes %d at once and no further connection (%s)", number, error.what)
                return
            try:
                while taken := self._take(reader):
                    job, part = taken
                    self._read(reader, job, part)
            except _Stopped:
                pass
            except BaseException as error:
                self._fail(error, job)

    def _take(self, reader: "_Reader") -> tuple[Job, int] | None:
        """The next part to read, once there is room for it; None at the end.

        Parts are taken in their order, and none overtakes one for which there is no room yet: so what is held never
        waits for a part that waits for room.
        """
        with self._turn:
            while not self._error:
                while self._jobs and not self._jobs[0].missing:
                    self._jobs.popleft()
                job = next((job for job in self._jobs if job.missing and job.owner in {None, reader}), None)
                if job and (not self._held or self._held + job.held(job.missing[0]) <= MEMORY):
                    number = job.missing.popleft()
                    self._held += job.held(number)
                    if not job.opened:
                        job.owner = reader
                    return job, number
                if not any(job.missing or not job.opened for job in self._jobs):
                    return None
                self._turn.wait()
        return None

    def _read(self, reader: "_Reader", job: Job, number: int) -> None:
        if not job.opened and not self._open(reader, job, number):
            return
        start, stop = job.range(number)
        if job.upload and job.streamed:
            body = _Body(reader, job, start, stop)
            job.upload.stream(number, body, stop - start)
            self._was_read(reader, job)
            self._settle(job, number, bytearray(), stop - start)
            return
        buffer = self._buffer(stop - start)
        with memoryview(buffer) as view:
            reader.fill(job, start, view)
        self._was_read(reader, job)
        if job.upload and number in job.upload.parts:  # the server gives no ranges: read over what is in the lake
            self._submit(self._settle, job, number, buffer, 0)
        else:
            self._submit(self._send, job, number, buffer)

    def _open(self, reader: "_Reader", job: Job, number: int) -> bool:
        """Open a file for the first time and see how it may be read; whether this part of it is missing."""
        stream = reader.stream(job)
        ranged = stream.seekable()
        # what the party published comes first: it counts where the server says another thing, and is what is kept
        job.expected |= {name: value for name, value in digests(stream).items() if name not in job.expected}
        if job.count > 1:
            job.upload = uploads.begin(
                self._lake,
                job.path,
                job.size,
                job.part,
                about=self._about(job.file),
                tags=self._tags,
                streamed=job.streamed,
            )
        there = dict(job.upload.parts) if job.upload else {}
        if there:
            size = sum(part.size for part in there.values())
            self.log.info("%s goes on: %d of its %d bytes are in the lake", job.file.name, size, job.size)
            self._sent(size)
        if not there or not ranged:
            job.hashes = _hashes(job)
        if not ranged and job.count > 1:
            self.log.info("%s comes in one stream: its server gives no ranges", job.file.name)
        with self._turn:
            if ranged and there:
                self._held -= job.held(number) if number in there else 0
                job.missing = deque(n for n in job.missing if n not in there)
                job.unread = job.unsent = len(job.missing) + (number not in there)
            job.opened = True
            if ranged and reader.stripes and not job.streamed:
                job.owner = None
            self._turn.notify_all()
        if not job.unsent:  # the run before died before it had completed the upload
            self._submit(self._finish, job, job.upload)
        return job.unsent > 0 and not (ranged and number in there)

    def _was_read(self, reader: "_Reader", job: Job) -> None:
        with self._turn:
            job.unread -= 1
            last = not job.unread
        if last:
            reader.assert_unchanged(job)

    def alone(self) -> bool:
        """Whether there is one reader: then it may read ahead of the part that it has taken."""
        return self._readers == 1

    def _buffer(self, size: int) -> bytearray:
        with self._turn:
            if self._free and len(self._free[-1]) == size:
                return self._free.pop()
            self._free.clear()  # files are of other sizes now
        return bytearray(size)

    # ---- what senders do

    def _submit(self, work: Callable[..., None], job: Job, *arguments: object) -> None:
        def one() -> None:
            try:
                work(job, *arguments)
            except BaseException as error:
                self._fail(error, job)
            finally:
                with self._turn:
                    self._sending -= 1

        with self._turn:
            self._sending += 1
        self._senders.submit(one)

    def _send(self, job: Job, number: int, buffer: bytearray) -> None:
        if job.upload:
            job.upload.put(number, buffer)
            self._settle(job, number, buffer, len(buffer))
            return
        hashes = _hashes(job)
        for digest in hashes.values():
            digest.update(buffer)
        found = _verified(job, hashes)
        tags = self._tags | {"sha256": found["sha256"]}
        if uploads.put_whole(self._lake, job.path, buffer, hashes["sha256"].digest(), self._about(job.file), tags):
            self._store(job, found)
        else:
            self._adopt(job, ours=False)
        self._release(buffer)
        self._sent(len(buffer))

    def _settle(self, job: Job, number: int, buffer: bytearray, size: int) -> None:
        """Hash in their order the parts that are in the lake, and give their buffers back."""
        with job.lock:
            job.waiting[number] = buffer
            while job.waiting:
                following = job.hashed + 1 if job.hashes else next(iter(job.waiting))
                if following not in job.waiting:
                    break
                done = job.waiting.pop(following)
                for digest in (job.hashes or {}).values():
                    digest.update(done)
                job.hashed += 1
                job.unsent -= 1
                self._release(done)
            last = not job.unsent
        self._sent(size)
        if last and job.upload:
            self._finish(job, job.upload)

    def _finish(self, job: Job, upload: uploads.Upload) -> None:
        """Complete an upload whose parts are all there."""
        found = _verified(job, job.hashes) if job.hashes else None
        mine = upload.finish()
        if found is None or not mine:
            self._adopt(job, ours=mine)
            return
        uploads.tag(self._lake, job.path, self._tags | {"sha256": found["sha256"]})
        self._store(job, found)

    def _adopt(self, job: Job, *, ours: bool) -> None:
        """Take a file that is in its place, which a run may have begun and another one completed: read it back once.

        `ours`: no manifest lists it. Of what another run has put there meanwhile nobody knows.
        """
        hashes = _hashes(job)
        size = 0
        while size < job.size and (data := self._piece(job, size)):
            for digest in hashes.values():
                digest.update(data)
            size += len(data)
            if self.stopped.is_set():
                raise _Stopped
        if size != job.size:
            raise Conflict(f"{job.path} is being written by another run, or has been removed by one")
        try:
            found = _verified(job, hashes)
        except ChecksumMismatch:
            if ours:
                with sayings(job.path):
                    self._lake.fs().rm_file(job.path)  # or no later run could put the right one there
            raise
        uploads.tag(self._lake, job.path, self._tags | {"sha256": found["sha256"]})
        self._store(job, found)
        if job.there:
            self._sent(size)

    def _piece(self, job: Job, start: int) -> bytes:
        with sayings(job.path):
            try:
                data: bytes = self._lake.fs().cat_file(job.path, start=start, end=min(start + PART, job.size))
            except FileNotFoundError:
                return b""
            except OSError as error:
                if code_of(error) != "InvalidRange":
                    raise
                return b""
            return data

    def _store(self, job: Job, found: Mapping[str, str]) -> None:
        proved = next((f"{name}:{found[name]}" for name in job.expected if name in found), None)
        job.stored = Stored(job.size, found["sha256"], proved)
        with self._turn:
            self._left -= 1
            if not self._left:
                self._over.set()

    def _release(self, buffer: bytearray) -> None:
        with self._turn:
            self._held -= len(buffer)
            if len(buffer) >= PART:
                self._free.append(buffer)
            self._turn.notify_all()


class _Reader:
    """One connection of the place, and the file that is open over it."""

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._stack = ExitStack()
        self._remote: Remote | None = None
        self._job: Job | None = None
        self._stream: BinaryIO | None = None

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    @property
    def stripes(self) -> bool:
        """Whether several connections of this kind may read one file."""
        return getattr(self._remote, "stripes", True)

    def connect(self) -> Remote:
        """The open connection; raises what the place raises."""
        if self._remote is None:
            self._remote = self._stack.enter_context(self._engine.place.connect())
        return self._remote

    def stream(self, job: Job) -> BinaryIO:
        """The file, open and as it was listed; tries again. Raises `Changed`, and what the place raises."""
        return self._trying(lambda: self._opened(job))

    def fill(self, job: Job, start: int, view: memoryview) -> None:
        """Read a range of a file; where the connection breaks, go on from there over a new one."""
        at = 0

        def read() -> int:
            stream = self._move(job, start + at)
            raw: Any = getattr(stream, "raw", stream)
            bound(stream, None if self._engine.alone() else start + len(view))
            got: int = raw.readinto(view[at:])
            return got

        while at < len(view):
            if self._engine.stopped.is_set():
                raise _Stopped
            got = self._trying(read)
            if not got:
                raise Changed(f"{job.file.name} was {job.size:,} bytes long when listed and gave {start + at:,}")
            at += got

    def assert_unchanged(self, job: Job) -> None:
        """Raise `Changed` where a file that was read is no longer the one that was listed."""
        stream = self.stream(job)
        raw: Any = getattr(stream, "raw", stream)
        if not stream.seekable() and raw.readinto(bytearray(1)):
            raise Changed(f"{job.file.name} was {job.size:,} bytes long when listed and gives more")
        self._trying(lambda: _assert_listed(job, status(self._opened(job))))

    def _opened(self, job: Job) -> BinaryIO:
        if self._stream is None or self._job is not job:
            self._close()
            stream, self._job = self.connect().open(job.file.name), job
            self._stream = stream
            if job.count > 1:  # of a single part the look after it is enough
                _assert_listed(job, status(stream))
            return stream
        return self._stream

    def _move(self, job: Job, to: int) -> BinaryIO:
        """The file, open at a position."""
        stream = self._opened(job)
        raw: Any = getattr(stream, "raw", stream)
        if raw.tell() == to:
            return stream
        if stream.seekable():
            raw.seek(to)
            return stream
        if raw.tell() > to:
            self._close()
            return self._move(job, to)
        waste = bytearray(1 << 20)
        while (at := raw.tell()) < to and raw.readinto(memoryview(waste)[: to - at]):
            pass
        return stream

    def _trying(self, what: Callable[[], _Answer]) -> _Answer:
        for turn in range(1, TRIES + 1):
            try:
                return what()
            except PlaceError as error:
                self._drop()
                if not error.retryable or isinstance(error, Changed | Conflict) or turn == TRIES:
                    raise
                seconds = random.uniform(0.5, 1) * min(30, 2 ** (turn - 1))  # noqa: S311  # not a secret
                self._engine.log.warning("%s; trying again in %.0f s", error.what, seconds)
                if self._engine.stopped.wait(seconds):
                    raise _Stopped from error
        raise AssertionError

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _drop(self) -> None:
        """Let go of the connection."""
        with suppress(Exception):  # the error that led here is the one to be told
            self._close()
        self._stream = self._remote = None
        with suppress(Exception):
            self._stack.close()


class _Body(io.RawIOBase):
    """A part that is read from its source while it is sent; a second try reads it again."""

    def __init__(self, reader: _Reader, job: Job, start: int, stop: int) -> None:
        self._reader = reader
        self._job = job
        self._start = start
        self._size = stop - start
        self._at = 0
        self._before = {name: digest.copy() for name, digest in (job.hashes or {}).items()}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")[: self._size - self._at]
        if not view:
            return 0
        if not self._at and self._job.hashes:
            self._job.hashes = {name: digest.copy() for name, digest in self._before.items()}
        self._reader.fill(self._job, self._start + self._at, view)
        for digest in (self._job.hashes or {}).values():
            digest.update(view)
        self._at += len(view)
        return len(view)


def _hashes(job: Job) -> dict[str, Any]:
    return {name: hashlib.new(name) for name in {"sha256", *filter(_known, job.expected)}}


def _known(algorithm: str) -> bool:
    return algorithm in hashlib.algorithms_guaranteed and not algorithm.startswith("shake")


def _verified(job: Job, hashes: Mapping[str, Any]) -> dict[str, str]:
    """A file's hashes in hexadecimal; raises `ChecksumMismatch` where one is not as it was published."""
    found = {name: digest.hexdigest() for name, digest in hashes.items()}
    for name, said in job.expected.items():
        if name in found and found[name] != said:
            raise ChecksumMismatch(f"{job.file.name} has the {name} {found[name]}, and {said} was published for it")
    return found


def _assert_listed(job: Job, found: Status) -> None:
    """Raise `Changed` for what is not the file that was listed, nor the one that another reader has open."""
    if found.shows(job.file) and found == (job.shown or found):
        job.shown = found
        return
    if found.size is not None and found.size != job.size:
        raise Changed(f"{job.file.name} was {job.size:,} bytes long when listed and has {found.size:,} now")
    raise Changed(f"{job.file.name} was written anew, {found.mtime or found.version}, since it was listed")
