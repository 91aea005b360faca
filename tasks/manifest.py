"""What has landed: one manifest a drop, written last and by conditional put, so that what it lists is there."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import BaseModel
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from blocks.errors import Conflict
from blocks.lake import Lake
from blocks.place import RemoteFile
from tasks.delivery import Kind
from tasks.drop import Drop, Offered

if TYPE_CHECKING:
    from tasks.source import Source  # whose readers load Arrow: 0.3 s that a transfer can do without

_LONGEST = 200  # bytes of a path segment; a disk allows 255, and a draft's name is longer than its file's


class LandedFile(BaseModel, frozen=True):
    """One landed file: `path` below the lake's root, and what the outside said of it; `sha256` in hexadecimal.

    `of` is the offered file that this is a page of, None where it is all of it. `checksum` is what the party or its
    server says of the whole file, such as md5:900150…, and what its bytes proved to have.
    """

    name: str
    path: str
    size: int
    mtime: datetime | None
    sha256: str
    of: str | None = None
    checksum: str | None = None


class Revision(BaseModel, frozen=True):
    """One state of a drop: what was offered, what of it landed. A file re-published under its name makes the next."""

    number: int
    as_of: datetime
    kind: Kind
    offered: tuple[Offered, ...] = ()
    files: tuple[LandedFile, ...]
    run: str
    landed_at: datetime
    part: str = ""
    at: str | None = None


class Manifest(BaseModel, frozen=True):
    """All revisions of one drop, and which of them went all the way, in which run; `failed` is the last error."""

    source: str
    drop: str
    revisions: tuple[Revision, ...] = ()
    finished: int = 0
    failed: str | None = None

    @property
    def latest(self) -> Revision:
        """The revision that counts."""
        return self.revisions[-1]

    def shows(self, files: Iterable[RemoteFile]) -> bool:
        """Whether these are the files that landed, as the outside showed them then."""
        return {f.identity for f in files} == {f.identity for f in self.latest.offered}

    def as_drop(self) -> Drop:
        """The drop as it landed."""
        return Drop(
            source=self.source,
            key=self.drop,
            as_of=self.latest.as_of,
            kind=self.latest.kind,
            revision=self.latest.number,
            files=self.latest.offered,
            part=self.latest.part,
            at=self.latest.at,
        )


def folder(source: str, drop: str | None = None) -> tuple[str, ...]:
    """Path, below the lake's root, of a source's landed drops or of one."""
    return ("landed", source, *([encoded(drop)] if drop else []))


def encoded(name: str) -> str:
    """A name as one path segment that no file system misreads; of a long one the beginning, and a hash of it all."""
    text = quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")
    return (
        text if len(text) <= _LONGEST else f"{text[: _LONGEST - 17]}~{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    )


def read(lake: Lake, source: str, drop: str) -> tuple[Manifest, str] | None:
    """A drop's manifest and its version, which `write` wants back."""
    found = lake.read(lake.path(*folder(source, drop), "_manifest.json"))
    return (Manifest.model_validate_json(found[0]), found[1]) if found else None


def write(lake: Lake, manifest: Manifest, version: str | None) -> None:
    """Put a manifest in the place of the version that was read, None for the first; raises `Conflict`."""
    path = lake.path(*folder(manifest.source, manifest.drop), "_manifest.json")
    data = manifest.model_dump_json(indent=1).encode()
    try:
        lake.put(path, data, version)
    except Conflict:  # also where a request was sent twice, as its first answer was lost
        found = lake.read(path)
        if found is None or found[0] != data:
            raise


def landed(lake: Lake, source: "Source") -> dict[str, Manifest]:
    """The manifests of all drops of a source that landed, by drop."""
    fs, root = lake.fs(), lake.path(*folder(source.slug))
    if not fs.exists(root):
        return {}
    fs.invalidate_cache(root)
    own = ("_seen.json.zst", "_late.json")
    paths = [f"{path}/_manifest.json" for path in fs.ls(root, detail=False) if not path.endswith(own)]
    contents = fs.cat(paths, on_error="return").values() if paths else ()
    found = [content for content in contents if not isinstance(content, FileNotFoundError | NotADirectoryError)]
    for content in found:
        if isinstance(content, Exception):  # a drop whose manifest cannot be read must not pass for a new one
            raise content
    manifests = [Manifest.model_validate_json(content) for content in found]
    return {manifest.drop: manifest for manifest in manifests}


@retry(
    retry=retry_if_exception_type(Conflict),
    stop=stop_after_attempt(10),
    wait=wait_random_exponential(max=2),
    reraise=True,
)
def settle(lake: Lake, drop: Drop, *, error: str | None = None) -> None:
    """Note in a landed drop's manifest that it went all the way, or what went wrong."""
    found = read(lake, drop.source, drop.key)
    if found is None:
        return
    manifest, version = found
    # a drop that was offered as new, but proved to be the bytes that had landed, made no revision
    done = min(drop.revision, manifest.latest.number)
    finished = manifest.finished if error else max(manifest.finished, done)
    after = manifest.model_copy(update={"finished": finished, "failed": error})
    if after != manifest:
        write(lake, after, version)


def now() -> datetime:
    """Our clock, in UTC."""
    return datetime.now(UTC)
