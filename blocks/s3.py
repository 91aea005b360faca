"""A folder in a bucket of an outside party, on AWS or on any server that speaks S3."""

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as NoConnection
from prefect_aws import AwsCredentials
from pydantic import Field

from blocks.errors import AccessDenied, Changed, Interrupted, Misconfigured, NotThere, PlaceError, Unreachable
from blocks.place import Place, RemoteFile, Status, bytes_of, text_of
from blocks.ranges import FIRST, RangedStream

CHUNK = 256 << 10  # bytes that are taken from an answer at a time


class S3Folder(Place):
    """A folder in a bucket that a party leaves files in, theirs or ours.

    Example:
        List what is there:
        ```python
        from blocks.s3 import S3Folder

        folder = S3Folder.load("BLOCK_NAME")
        with folder.connect() as remote:
            for file in remote.list():
                ...
        ```
    """

    _block_type_name = "S3 folder"
    _block_type_slug = "s3-folder"
    _description = "A folder in an S3 bucket that a party leaves files in: bucket, prefix, our access."

    bucket: str = Field(description="Name of the bucket.")
    prefix: str = Field(default="", description="Folder in the bucket, such as outbound/ours; empty for all of it.")
    credentials: AwsCredentials | None = Field(
        default=None,
        description="Access to S3, with the role to assume if the party gives one and the endpoint if it is not "
        "AWS; empty where the pod has a role.",
    )
    requester_pays: bool = Field(default=False, description="The party lets whoever asks pay for the traffic: agree.")
    connections: int = Field(
        default=4, ge=1, le=16, description="How many connections a transfer may open to this bucket at once."
    )
    timeout: float = Field(
        default=60, gt=0, description="Seconds without an answer after which the server counts as gone."
    )

    @contextmanager
    def connect(self) -> Iterator["S3Files"]:
        """Make a client; a role is assumed anew, as its keys last for an hour. Raises `PlaceError`."""
        given = self.credentials or AwsCredentials()
        options: dict[str, Any] = given.aws_client_parameters.get_params_override()
        limits = Config(connect_timeout=self.timeout, read_timeout=self.timeout, retries={"mode": "standard"})
        options["config"] = limits.merge(options["config"]) if "config" in options else limits
        with _sayings(self._say()):
            # a session of this connection's: that of prefect_aws would keep a role's keys beyond their end
            client = given.get_boto3_session().client("s3", **{"region_name": given.region_name} | options)
        try:
            yield S3Files(client, self)
        finally:
            client.close()

    def _say(self) -> str:
        return f"s3://{self.bucket}"


class S3Files:
    """The objects of a bucket below the prefix of `place`."""

    def __init__(self, client: Any, place: S3Folder) -> None:  # noqa: ANN401  # boto3 makes its classes as it runs
        self._client = client
        self._what = place._say()
        self._prefix = f"{place.prefix.strip('/')}/".removeprefix("/")
        self._bucket = {"Bucket": place.bucket} | ({"RequestPayer": "requester"} if place.requester_pays else {})

    def list(self) -> Iterator[RemoteFile]:
        """Every object, a thousand a request, with the size and the time of the listing.

        Objects that only mark a folder (a name with `/` at the end) are passed over. Raises `NotThere` for a
        bucket that is not there, `AccessDenied` or `Unreachable`.
        """
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Prefix=self._prefix, **self._bucket))
        while True:
            with _sayings(f"{self._what}/{self._prefix}"):
                page = next(pages, None)
            if page is None:
                return
            for found in page.get("Contents", ()):
                name = text_of(found["Key"].removeprefix(self._prefix).encode())
                if name and not name.endswith("/"):
                    yield RemoteFile(
                        name=name, size=found["Size"], mtime=found["LastModified"], version=found.get("ETag")
                    )

    def open(self, name: str) -> BinaryIO:
        """A seekable, buffered stream of one object, by ranges of the version that it has now.

        Raises `NotThere`, `AccessDenied` or `Unreachable`; reading raises `Interrupted`, and `Changed` where
        another version has taken its place.
        """
        if not name:
            raise NotThere(f"An empty name is none of an object in {self._what}")
        key = self._prefix + bytes_of(name).decode()
        return io.BufferedReader(_Reader(self._client, self._bucket | {"Key": key}, f"{self._what}/{key}"), CHUNK)


class _Reader(RangedStream):
    """One object, in the version that it had when it was opened."""

    def __init__(self, client: Any, where: dict[str, str], what: str) -> None:  # noqa: ANN401  # as above
        with _sayings(what):
            try:
                answer = client.get_object(Range=f"bytes=0-{FIRST - 1}", **where)
                size = int(answer["ContentRange"].rpartition("/")[2])
            except ClientError as error:
                if _status(error) != 416:  # an empty object has no ranges
                    raise
                answer = client.get_object(**where)
                size = answer["ContentLength"]
        super().__init__(what, size)
        self._client = client
        self._where = where | {"IfMatch": answer["ETag"]}
        self._body = answer["Body"]
        self._begin(_chunks(self._body, what), 0, min(FIRST, size))

    def status(self) -> Status:
        """With the ETag: each range that is read is of this version."""
        return Status(self._size, version=self._where["IfMatch"])

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()

    @property
    def digests(self) -> dict[str, str]:
        """What S3 says the hashes of the whole object are; one HEAD request.

        An answer to a range cannot say it: S3 leaves the checksums out, or gives that of a part and marks it as nothing
        else. A checksum of type COMPOSITE, as a multipart upload has, is one of its parts' checksums and no use. Where
        no type is named, as by S3 before 2025, that of an object sent in one piece is of the whole.
        """
        with _sayings(self._what):
            try:
                told = self._client.head_object(ChecksumMode="ENABLED", **self._where)
            except ClientError as error:
                if _status(error) in {403, 404, 412}:  # asks for more rights with KMS; reading tells what is gone
                    return {}
                raise
        found = {}
        etag = told["ETag"].strip('"')
        # Of what was sent in one piece the ETag is the MD5, but not of what KMS or the party's own key encrypts, nor in
        # directory buckets, nor behind the aliases of access points, which may be those or stand before other storage.
        if (
            re.fullmatch("[0-9a-f]{32}", etag)
            and told.get("ServerSideEncryption") in {None, "AES256"}
            and "SSECustomerAlgorithm" not in told
            and not re.search("^arn:|-s3$|-s3alias$", self._where["Bucket"])
        ):
            found["md5"] = etag
        if told.get("ChecksumType", "COMPOSITE" if "-" in etag else "FULL_OBJECT") == "FULL_OBJECT":
            checksums = {name: told.get(f"Checksum{name.upper()}", "-") for name in ("md5", "sha1", "sha256", "sha512")}
            found |= {name: base64.b64decode(value).hex() for name, value in checksums.items() if "-" not in value}
        return found

    def _ask(self, start: int, stop: int) -> tuple[Iterator[bytes], int]:
        self._body.close()
        with _sayings(self._what):
            try:
                answer = self._client.get_object(Range=f"bytes={start}-{stop - 1}", **self._where)
            except ClientError as error:
                if _status(error) in {404, 412, 416}:
                    raise Changed(f"{self._what} is no longer what it was when it was opened") from error
                raise
        self._body = answer["Body"]
        return _chunks(self._body, self._what), stop


def _chunks(body: Any, what: str) -> Iterator[bytes]:  # noqa: ANN401  # botocore has no types
    try:
        yield from body.iter_chunks(CHUNK)
    except (BotoCoreError, OSError) as error:
        raise Interrupted(f"Reading {what} failed: {error}") from error


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def _sayings(what: str) -> Iterator[None]:
    """Turn what botocore raises about `what` into a `PlaceError`."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise Misconfigured(f"There are no AWS credentials for {what}") from error
    except ClientError as error:
        code, status = error.response.get("Error", {}).get("Code"), _status(error)
        said = f"{what} is refused: {error}"
        if code in {"ExpiredToken", "ExpiredTokenException"}:
            raise Interrupted(f"The role's keys for {what} have ended") from error  # the next try assumes it anew
        if code == "NoSuchBucket":
            raise NotThere(f"{what} is in a bucket that is not there") from error
        if status == 404:
            raise NotThere(f"{what} is not there") from error
        if status in {401, 403}:
            raise AccessDenied(said) from error
        if status == 429 or status >= 500:
            raise Unreachable(said) from error
        raise PlaceError(said) from error
    except KeyError as error:
        raise Interrupted(f"The answer about {what} broke off: it lacks {error}") from error
    except (HTTPClientError, NoConnection) as error:
        raise Unreachable(f"S3 does not answer about {what} ({type(error).__name__}: {error})") from error
    except (BotoCoreError, ValueError) as error:  # a name that is no bucket's, no region, an address that is none
        raise Misconfigured(f"S3 cannot be asked about {what}: {error}") from error
