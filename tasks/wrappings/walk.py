"""The walk through one file: every wrapping opened, every bound kept."""

import io
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from pydantic import BaseModel, SecretStr

from spark.errors import Damaged, Undecryptable, UnknownWrapping, Unsafe
from tasks.gpg import Decrypt
from tasks.wrappings import sevenzip, tar, zip
from tasks.wrappings.decoders import decompressed
from tasks.wrappings.entries import Entry
from tasks.wrappings.magic import APPLE_DOUBLE, HEAD, READABLE, UNREADABLE, sniff
from tasks.wrappings.names import claim, unwrapped
from tasks.wrappings.streams import as_chunks, as_stream, drain


class Bounds(BaseModel, frozen=True):
    """How far a file may expand before it is refused as `Unsafe`.

    The defaults let every public source through (NPPES: 9 GB from 1 GB, one wrapping, four members) and stop
    what deflate can do at most (1,032:1).
    """

    ratio: int = 1_000  # plaintext bytes for each byte of the outermost file
    free: int = 100_000_000  # bytes of plaintext before the ratio counts
    total: int = 5_000_000_000_000  # bytes that may come out of all wrappings of one depth together
    members: int = 100_000  # entries of all archives together, folders included
    depth: int = 5  # wrappings round one member: tar in gzip in zip in PGP is 4
    memory: int = 1 << 31  # bytes that an xz, zstd, 7z window may ask for: `zstd --long=31` wants 2 GiB


class Member(BaseModel, frozen=True):
    """A file that came out of all its wrappings.

    `names` go from the outermost file to the innermost, `wrappings` name what was round each but the last:
    `("NPPES.zip", "npidata.csv")` and `("zip",)`. `size` is in bytes where an archive's directory tells it.
    """

    names: tuple[str, ...]
    wrappings: tuple[str, ...] = ()
    size: int | None = None

    @property
    def path(self) -> str:
        """All names joined by `/`, unique within one outermost file."""
        return "/".join(self.names)

    @property
    def name(self) -> str:
        """The innermost name, with the folders that it has in its archive."""
        return self.names[-1]


def peel(
    stream: BinaryIO,
    name: str,
    *,
    bounds: Bounds | None = None,
    spool: Callable[[BinaryIO], BinaryIO] | None = None,
    decrypt: Decrypt | None = None,
    passwords: Sequence[SecretStr] = (),
    expect: Sequence[str] | None = None,
) -> Generator[tuple[Member, BinaryIO], None, None]:
    """Yield every innermost member of `stream` as a forward-only stream, valid until the next is asked for.

    `stream` is at its start; it need not be seekable. `name` is what errors and paths call it. `spool` stages
    a stream that cannot seek, to its end, and reopens it seekable; it is called for a zip or 7z inside another
    wrapping. `decrypt` opens PGP, `passwords` a zip and a 7z; the one that fits is taken. `expect` is the exact chain
    of wrappings, outermost first, that every member must have. OOXML and ODF documents are zips but come out
    whole, as a seekable stream.

    A member is right only once its stream has been read to its end, and all of a file only once the iteration
    has ended: checksums and PGP's proof come last. Every wrapping but zip is therefore read to its end even
    if the consumer skips what is in it; a zip member that is not read is not checked. A consumer that may stop
    early, by an error too, closes the generator (`contextlib.closing`): gpg, other processes and staged streams end
    with it.

    Raises `UnknownWrapping` (not readable, or not as expected), `Damaged`, `Undecryptable` and `Unsafe`, from
    here or from a read; `Interrupted` where gpg or another process was killed; and what `stream` and `spool` raise.
    A cut exactly between two gzip members, zstd or lz4 frames, or two members of a tar cannot be seen, as what is
    before it is a whole file; nor a cut of what has no end mark: between snappy's chunks, and anywhere in a `.Z`.
    """
    if unknown := set(expect or ()) - set(READABLE):
        raise ValueError(f"expect names no wrapping: {', '.join(sorted(unknown))}")
    walk = _Walk(bounds or Bounds(), spool, decrypt, tuple(passwords), None if expect is None else tuple(expect))
    source = as_stream(walk.source(stream))
    return walk.peel(source, stream if stream.seekable() else None, Member(names=(name,)))


@dataclass
class _Walk:
    """One walk through one file: the bounds, what was seen, what came out so far."""

    bounds: Bounds
    spool: Callable[[BinaryIO], BinaryIO] | None
    decrypt: Decrypt | None
    passwords: tuple[SecretStr, ...]
    expect: tuple[str, ...] | None
    taken: int = 0  # bytes of the outermost file
    made: dict[int, int] = field(default_factory=dict)  # bytes that came out of wrappings, by depth
    entries: int = 0
    seen: set[str] = field(default_factory=set)
    messages: list[tuple[int, BinaryIO]] = field(default_factory=list)  # PGP plaintexts open, by depth

    def source(self, stream: BinaryIO) -> Iterator[bytes]:
        """The outermost file, counted."""
        for chunk in as_chunks(stream):
            self.taken += len(chunk)
            yield chunk

    def layer(self, chunks: Iterator[bytes], member: Member) -> BinaryIO:
        """What comes out of a wrapping as a stream, bounded."""
        return as_stream(self._bounded(chunks, member))

    def _bounded(self, chunks: Iterator[bytes], member: Member) -> Iterator[bytes]:
        depth = len(member.wrappings)
        try:
            for chunk in chunks:
                made = self.made[depth] = self.made.get(depth, 0) + len(chunk)
                if made > self.bounds.total:
                    raise Unsafe(f"{member.path}: expands to more than {self.bounds.total:,} bytes")
                if made > max(self.bounds.free, self.bounds.ratio * self.taken):
                    raise Unsafe(f"{member.path}: expands to more than {self.bounds.ratio:,} times its file's size")
                yield chunk
        except Damaged:
            # If the damage is inside a PGP message, gpg's verdict on the message is the better reason.
            for outside, message in self.messages:
                if outside < depth:
                    drain(message)
            raise

    def count(self, entries: int, where: str) -> None:
        """Count an archive's entries."""
        self.entries += entries
        if self.entries > self.bounds.members:
            raise Unsafe(f"{where}: more than {self.bounds.members:,} members")

    def peel(
        self, stream: BinaryIO, seekable: BinaryIO | None, member: Member
    ) -> Generator[tuple[Member, BinaryIO], None, None]:
        """Yield the members in `stream`, which is `seekable` too where it can be."""
        head = cast(io.BufferedReader, stream).peek(HEAD)[:HEAD]  # always from `as_stream`
        kind = sniff(head)
        claimed = claim(member.name)
        if kind is None and claimed == "tar" and head and not head.strip(b"\0"):
            kind = "tar"  # an empty tar is nothing but zeros
        if kind is None:
            if claimed is not None and not head.startswith(APPLE_DOUBLE):
                if not head:
                    raise Damaged(f"{member.path}: its name says {claimed} and it is empty")
                raise UnknownWrapping(f"{member.path}: its name says {claimed}, its first bytes do not")
            yield from self._plain(stream, member)
        elif kind in UNREADABLE:
            raise UnknownWrapping(f"{member.path}: {kind} is recognised but not readable")
        elif kind in ("zip", "7z"):
            yield from self._seekable(kind, stream, seekable, member)
        elif kind == "tar":
            yield from self._tar(stream, self._inside(member, "tar"))
        elif kind == "pgp":
            yield from self._pgp(stream, self._inside(member, "pgp", unwrapped(member.name, "pgp")))
        else:
            inner = self._inside(member, kind, unwrapped(member.name, kind))
            where = f"{member.path} ({kind})"
            with self.layer(decompressed(stream, kind, self.bounds.memory, where), inner) as plain:
                yield from self.peel(plain, None, inner)
                drain(plain)

    def _inside(self, member: Member, kind: str, name: str | None = None, size: int | None = None) -> Member:
        """The member inside `member`'s wrapping `kind`; without a name, the wrapping alone is checked."""
        inner = Member(
            names=member.names if name is None else (*member.names, name),
            wrappings=(*member.wrappings, kind),
            size=size,
        )
        if len(inner.wrappings) > self.bounds.depth:
            raise Unsafe(f"{member.path}: more than {self.bounds.depth} wrappings, one in the other")
        if self.expect is not None and inner.wrappings != self.expect[: len(inner.wrappings)]:
            raise UnknownWrapping(self._unexpected(member, inner.wrappings))
        return inner

    def _unexpected(self, member: Member, found: tuple[str, ...]) -> str:
        found_names, expected = (", then ".join(chain) or "none" for chain in (found, self.expect or ()))
        return f"{member.path}: wrappings found are {found_names}; expected are {expected}"

    def _plain(self, stream: BinaryIO, member: Member) -> Iterator[tuple[Member, BinaryIO]]:
        if self.expect is not None and member.wrappings != self.expect:
            raise UnknownWrapping(self._unexpected(member, member.wrappings))
        if member.path in self.seen:
            raise Unsafe(f"{member.path}: there are two of this name")
        self.seen.add(member.path)
        yield member, stream

    def _pgp(self, stream: BinaryIO, inner: Member) -> Iterator[tuple[Member, BinaryIO]]:
        where = "/".join(inner.names[:-1])
        if self.decrypt is None:
            raise Undecryptable(f"{where} is encrypted by PGP and no key was given")
        with self.decrypt(stream, where) as message, self.layer(as_chunks(message), inner) as plain:
            self.messages.append((len(inner.wrappings), plain))
            try:
                yield from self.peel(plain, None, inner)
                drain(plain)  # gpg proves the message at its end
            finally:
                self.messages.pop()

    def _archive(self, entries: Iterable[Entry], archive: Member) -> Iterator[tuple[Member, BinaryIO]]:
        for entry in entries:
            if entry.chunks is None:
                continue
            inner = archive.model_copy(update={"names": (*archive.names, entry.name), "size": entry.size})
            with self.layer(entry.chunks, inner) as plain:
                yield from self.peel(plain, None, inner)
                if entry.sequential:
                    drain(plain)

    def _tar(self, stream: BinaryIO, archive: Member) -> Iterator[tuple[Member, BinaryIO]]:
        where = f"{archive.path} (tar)"

        def counted() -> Iterator[Entry]:
            for entry in tar.entries(stream, where):
                self.count(1, where)
                yield entry

        yield from self._archive(counted(), archive)

    def _seekable(
        self, kind: str, stream: BinaryIO, seekable: BinaryIO | None, member: Member
    ) -> Iterator[tuple[Member, BinaryIO]]:
        """An archive whose directory is at its end: ranged reads, of the file itself or of what is staged."""
        where = f"{member.path} ({kind})"
        open_it = self._zip if kind == "zip" else self._sevenzip
        if seekable is not None:
            yield from open_it(seekable, member, where)
            return
        if self.spool is None:
            raise ValueError(f"{where}: a {kind} that cannot be sought in needs somewhere to be staged")
        with closing(self.spool(stream)) as staged:
            yield from open_it(staged, member, where)

    def _outermost(self, stream: BinaryIO, member: Member) -> None:
        """What is read by ranges is counted as a whole."""
        if not member.wrappings:
            self.taken = stream.seek(0, io.SEEK_END)

    def _listed(self, entries: Sequence[Entry], archive: Member, where: str) -> Iterator[tuple[Member, BinaryIO]]:
        if sum(entry.size or 0 for entry in entries) > self.bounds.total:
            raise Unsafe(f"{where}: expands to more than {self.bounds.total:,} bytes")
        yield from self._archive(entries, archive)

    def _zip(self, stream: BinaryIO, member: Member, where: str) -> Iterator[tuple[Member, BinaryIO]]:
        with zip.opened(stream, where) as archive:
            if zip.is_document(archive):
                stream.seek(0)
                yield from self._plain(stream, member)
                return
            inside = self._inside(member, "zip")
            self.count(len(archive.infolist()), where)
            self._outermost(stream, member)
            entries = zip.entries(archive, stream, self.bounds.memory, self.passwords, where)
            yield from self._listed(entries, inside, where)

    def _sevenzip(self, stream: BinaryIO, member: Member, where: str) -> Iterator[tuple[Member, BinaryIO]]:
        inside = self._inside(member, "7z")
        self._outermost(stream, member)
        archive = sevenzip.Archive(stream, self.bounds.memory, self.bounds.members, self.passwords, where)
        entries = archive.entries()
        self.count(len(entries), where)
        yield from self._listed(entries, inside, where)
