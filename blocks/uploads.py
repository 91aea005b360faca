"""Files on their way into the lake: in parts, each with its SHA-256, that a later run can go on from.

On S3 a file is a multipart upload, which the server keeps until it is completed or aborted. On disk it is a draft
beside its path, with a record of the parts that it holds. Either appears under its path whole, only where nothing is.
"""

import base64
import errno
import fcntl
import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import RawIOBase
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from blocks.errors import Conflict
from blocks.lake import Lake, address, code_of, sayings

DRAFT = ".draft"
RECORD = ".parts"
_BLOCK = 1 << 20  # bytes that are read or written at a time where a part is not held
_SMALL = 1 << 20  # bytes up to which obstore's request costs less CPU time than boto3's, though it hashes once more


class Part(NamedTuple):
    """A part that the lake holds: its size in bytes; on S3 its ETag, and the SHA-256 of one that was streamed."""

    size: int
    etag: str | None = None
    sha256: str | None = None


class Upload(ABC):
    """A file on its way to `path` in parts, numbered from 1; several threads may put parts at once.

    `parts` are those that the lake holds. Every method raises a `PlaceError`.
    """

    path: str
    parts: dict[int, Part]

    @abstractmethod
    def put(self, number: int, data: bytearray) -> None:
        """Send a part with its SHA-256; raises `Conflict` where another run has completed or aborted the upload."""

    @abstractmethod
    def stream(self, number: int, body: RawIOBase, size: int) -> None:
        """Send a part of which no more than a block is held; `body` can be rewound, and gives `size` bytes.

        Only for an upload that was begun for it.
        """

    @abstractmethod
    def finish(self) -> bool:
        """Put the file in its place; False where there is one already, which stays as it is."""

    @abstractmethod
    def abort(self) -> None:
        """Throw the parts away; nothing is raised where they are gone."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the upload; it stays where it is for a later run."""


def begin(
    lake: Lake,
    path: str,
    size: int,
    part: int,
    *,
    about: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    streamed: bool = False,
) -> Upload:
    """Begin an upload of `size` bytes in parts of `part` bytes, or go on with one that an earlier run left.

    `about` becomes the object's metadata, `tags` its tags; a disk keeps neither. `streamed`: parts come by `stream`.
    """
    with sayings(path):
        if not lake.on_s3:
            return _Draft(path, size, part)
        upload = next((found for found in _open(lake, path) if found.path == path), None)
        if upload is None:
            return _Multipart.begin(lake, path, about or {}, tags or {}, streamed)
        upload.look(size, part, streamed)
        return upload


def put_whole(
    lake: Lake, path: str, data: bytearray | bytes, sha256: bytes, about: Mapping[str, str], tags: Mapping[str, str]
) -> bool:
    """Write a file that is one part, with its SHA-256; False where there is one already, which stays as it is."""
    with sayings(path):
        if not lake.on_s3:
            with _Draft(path, len(data), max(len(data), 1)) as draft:
                draft.put(1, data)
                return draft.finish()
        if len(data) <= _SMALL and (store := lake.store()) is not None:
            try:
                _create(store, address(path)["Key"], data, _plain(about), dict(tags))
            except AlreadyExistsError:
                return False
            except BaseError as error:
                raise _translated(error) from error
            return True
        try:
            lake.ask(
                "put_object",
                **address(path),
                Body=data,
                ChecksumSHA256=base64.b64encode(sha256).decode(),
                IfNoneMatch="*",
                Metadata=_plain(about),
                Tagging=urlencode(tags, quote_via=quote),
                **lake.encryption,
            )
        except OSError as error:
            if code_of(error) in {"PreconditionFailed", "ConditionalRequestConflict"}:
                return False
            raise
        return True


def tag(lake: Lake, path: str, tags: Mapping[str, str]) -> None:
    """Set the tags of a file that is in its place; a disk keeps none."""
    if not lake.on_s3:
        return
    with sayings(path):
        pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
        lake.ask("put_object_tagging", **address(path), Tagging={"TagSet": pairs})


class Found(NamedTuple):
    """A file below a folder of the lake: its path, its size in bytes, when it was written (UTC)."""

    path: str
    size: int
    written: datetime


def files_in(lake: Lake, folder: str) -> Iterator[Found]:
    """Every file below a folder, drafts left out."""
    with sayings(folder):
        if lake.on_s3:
            yield from _objects(lake, f"{folder}/")
            return
        for path, info in lake.fs().find(folder, detail=True).items():
            if info["type"] == "file" and not path.endswith((DRAFT, DRAFT + RECORD)):
                yield Found(path, info["size"], datetime.fromtimestamp(info["mtime"], UTC))


def _objects(lake: Lake, prefix: str) -> Iterator[Found]:
    place, more = address(prefix), dict[str, str]()
    while True:
        answer = lake.ask("list_objects_v2", Bucket=place["Bucket"], Prefix=place["Key"], **more)
        for found in answer.get("Contents", ()):
            yield Found(f"{place['Bucket']}/{found['Key']}", found["Size"], found["LastModified"])
        if not answer.get("IsTruncated"):
            return
        more = {"ContinuationToken": answer["NextContinuationToken"]}


def abort_older(lake: Lake, folder: str, than: datetime) -> list[str]:
    """Throw away what runs have left unfinished below a folder before an instant; their paths."""
    gone = []
    with sayings(folder):
        if lake.on_s3:
            for upload in _open(lake, f"{folder}/"):
                if upload.begun < than:
                    upload.abort()
                    gone.append(upload.path)
            return gone
        for draft in Path(folder).rglob(f"*{DRAFT}"):
            with suppress(FileNotFoundError):
                if datetime.fromtimestamp(draft.stat().st_mtime, UTC) < than:
                    draft.unlink()
                    draft.with_name(draft.name + RECORD).unlink(missing_ok=True)
                    gone.append(str(draft))
    return gone


class _Multipart(Upload):
    """An upload on S3. The server refuses to complete it where a part is not the one that we sent or saw.

    The SHA-256 of a part is that of the signature, which AWS and versitygw compare with its bytes. A part that is
    streamed has it behind its bytes, as a checksum: such an upload must say so when it begins, and name them all to be
    completed. Parts that are held do without, though it would save the server a SHA-256: SeaweedFS 4.39 keeps the
    checksums of parts and does not tell them, and an upload that was broken off could not be completed.
    """

    def __init__(self, lake: Lake, path: str, upload: str, begun: datetime) -> None:
        self.path = path
        self.parts = {}
        self.begun = begun
        self._lake = lake
        self._upload = {**address(path), "UploadId": upload}

    @classmethod
    def begin(
        cls, lake: Lake, path: str, about: Mapping[str, str], tags: Mapping[str, str], streamed: bool
    ) -> "_Multipart":
        answer = lake.ask(
            "create_multipart_upload",
            **address(path),
            Metadata=_plain(about),
            Tagging=urlencode(tags, quote_via=quote),
            **({"ChecksumAlgorithm": "SHA256"} if streamed else {}),
            **lake.encryption,
        )
        return cls(lake, path, answer["UploadId"], datetime.now(UTC))

    def look(self, size: int, part: int, streamed: bool) -> None:
        """Find out which parts of the file the server holds whole; some servers keep checksums and do not tell them."""
        marker = 0
        while True:
            answer = self._call("list_parts", PartNumberMarker=marker)
            for found in answer.get("Parts", ()):
                number = found["PartNumber"]
                whole = found["Size"] == min(part, size - (number - 1) * part)
                if whole and ("ChecksumSHA256" in found or not streamed):
                    self.parts[number] = Part(found["Size"], found["ETag"], found.get("ChecksumSHA256"))
            if not answer.get("IsTruncated"):
                return
            marker = answer["NextPartNumberMarker"]

    def put(self, number: int, data: bytearray) -> None:
        with sayings(self.path):
            answer = self._call("upload_part", PartNumber=number, Body=data)
        self.parts[number] = Part(len(data), answer["ETag"])

    def stream(self, number: int, body: RawIOBase, size: int) -> None:
        with sayings(self.path):
            answer = self._call(
                "upload_part", PartNumber=number, Body=body, ContentLength=size, ChecksumAlgorithm="SHA256"
            )
        self.parts[number] = Part(size, answer["ETag"], answer.get("ChecksumSHA256"))

    def finish(self) -> bool:
        parts = [
            {"PartNumber": number, "ETag": part.etag} | ({"ChecksumSHA256": part.sha256} if part.sha256 else {})
            for number, part in sorted(self.parts.items())
        ]
        with sayings(self.path):
            try:
                self._call("complete_multipart_upload", MultipartUpload={"Parts": parts}, IfNoneMatch="*")
            except Conflict:  # also where the answer to the first of two such requests was lost
                if not self._lake.fs().exists(self.path):
                    raise
                return False
            except OSError as error:
                match code_of(error):
                    case "PreconditionFailed" | "ConditionalRequestConflict":
                        self.abort()
                        return False
                    case "InvalidPart":  # another run has sent other bytes: of the two, neither is to be trusted
                        self.abort()
                        raise Conflict(f"{self.path} was sent by two runs at once, which differ") from error
                raise
        return True

    def abort(self) -> None:
        with sayings(self.path), suppress(FileNotFoundError):
            self._call("abort_multipart_upload")

    def close(self) -> None:
        """Nothing is held here."""

    def _call(self, method: str, **given: object) -> dict[str, Any]:
        try:
            answer = self._lake.ask(method, **self._upload, **given)
        except FileNotFoundError as error:
            if code_of(error) == "NoSuchUpload" and method != "abort_multipart_upload":
                raise Conflict(f"Another run has completed or aborted the upload of {self.path}") from error
            raise
        return answer


class _Draft(Upload):
    """A draft beside the file's path, and a record of its parts: a line of JSON each, number and SHA-256.

    A draft is locked by the run that writes it, and its lock ends with the process: a second run takes another name.
    """

    def __init__(self, path: str, size: int, part: int) -> None:
        self.path = path
        self.parts = {}
        self._part = part
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        for turn in range(100):
            self._draft = Path(f"{path}.{turn}{DRAFT}")
            self._file = os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._file)
                continue
            if self._draft.exists():  # else its writer has just finished it
                break
            os.close(self._file)
        else:
            raise Conflict(f"A hundred runs write {path} at once")
        self._record = self._draft.with_name(self._draft.name + RECORD).open("a+b")
        self._look(size)

    def _look(self, size: int) -> None:
        """Take the parts whose bytes are still those of the record: a machine that lost power may have lost some."""
        self._record.seek(0)
        for line in self._record:
            with suppress(ValueError):  # cut off
                number, said = json.loads(line)
                start = (number - 1) * self._part
                length = max(0, min(self._part, size - start))
                if self._sha256(start, length) == said:
                    self.parts[number] = Part(length)

    def _sha256(self, start: int, length: int) -> str:
        digest = hashlib.sha256()
        for at in range(start, start + length, _BLOCK):
            digest.update(os.pread(self._file, min(_BLOCK, start + length - at), at))
        return digest.hexdigest()

    def put(self, number: int, data: bytearray | bytes) -> None:
        with sayings(self.path):
            view, at = memoryview(data), (number - 1) * self._part
            while view:
                written = os.pwrite(self._file, view, at)
                view, at = view[written:], at + written
            self._note(number, len(data), hashlib.sha256(data).hexdigest())

    def stream(self, number: int, body: RawIOBase, size: int) -> None:
        digest, at = hashlib.sha256(), (number - 1) * self._part
        with sayings(self.path):
            while block := body.read(_BLOCK):
                digest.update(block)
                os.pwrite(self._file, block, at)
                at += len(block)
            self._note(number, size, digest.hexdigest())

    def _note(self, number: int, size: int, sha256: str) -> None:
        self._record.write(json.dumps([number, sha256]).encode() + b"\n")  # one write, so no lines mix
        self._record.flush()
        self.parts[number] = Part(size)

    def finish(self) -> bool:
        with sayings(self.path):
            os.fsync(self._file)
            try:
                os.link(self._draft, self.path)
            except FileExistsError:
                return False
            finally:
                self.abort()
            return True

    def abort(self) -> None:
        with sayings(self.path):
            self._draft.unlink(missing_ok=True)
            Path(self._record.name).unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        with suppress(OSError):
            self._record.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> "_Draft":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(lake: Lake, prefix: str) -> Iterator[_Multipart]:
    """The uploads that are open at paths that begin with `prefix`, the latest of each path first."""
    place = address(prefix)
    found: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        answer = lake.ask("list_multipart_uploads", Bucket=place["Bucket"], Prefix=place["Key"], **more)
        found += answer.get("Uploads", [])
        if not answer.get("IsTruncated"):
            break
        more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
    for upload in sorted(found, key=lambda upload: upload["Initiated"], reverse=True):
        yield _Multipart(lake, f"{place['Bucket']}/{upload['Key']}", upload["UploadId"], upload["Initiated"])


@retry(
    retry=retry_if_exception_type(GenericError),
    stop=stop_after_attempt(5),
    wait=wait_random_exponential(multiplier=0.2, max=10),
    reraise=True,
)
def _create(store: S3Store, key: str, data: bytearray | bytes, about: dict[str, str], tags: dict[str, str]) -> None:
    """Put an object where none is. obstore does not ask again for what is conditional: an answer may have been lost."""
    store.put(key, data, attributes=about, tags=tags, mode="create", use_multipart=False)


def _translated(error: BaseError) -> OSError:
    """What obstore raises, as s3fs would."""
    first = next(iter(str(error).splitlines()), "")
    match error:
        case NotFoundError():
            return FileNotFoundError(errno.ENOENT, first)
        case PermissionDeniedError() | UnauthenticatedError():
            return PermissionError(errno.EACCES, first)
    if "507 " in first:
        return OSError(errno.ENOSPC, first)
    return OSError(errno.EIO, first)


def _plain(about: Mapping[str, str]) -> dict[str, str]:
    """Metadata as headers can carry it: ASCII, and 2 KiB in all (S3's limit)."""
    return {name: quote(value, safe="/:.@+= ")[:1000] for name, value in about.items()}
