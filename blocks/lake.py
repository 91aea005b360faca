"""The lake: where everything that inlet keeps is, and the catalog of its tables."""

import base64
import errno
import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote, urlencode

import fsspec
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store
from prefect.blocks.core import Block
from prefect_aws import AwsCredentials
from pydantic import Field, PrivateAttr, SecretStr, field_validator

from blocks import sessions
from blocks.errors import AccessDenied, Conflict, Interrupted, Misconfigured, NoRoom, NotThere, Unreachable

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
    from sqlalchemy import URL  # where it is used it is imported: it takes 0.3 s to load, and a transfer needs no table

S3FS = "inlet.s3fs"
"""Property of the catalog by which `blocks.table_files` reaches the bucket: `s3fs`'s options, secrets among them."""


class Stored(NamedTuple):
    """Something that takes room in the lake: `size` in bytes, `written` in UTC.

    On S3 one `version` of an object, or an open `upload`, of which the size is not known. `seen` says whether it is
    what a reader finds at its path: not an unfinished upload, nor what was overwritten or deleted, nor the deletion.
    """

    path: str
    size: int
    written: datetime
    version: str | None = None
    upload: str | None = None
    seen: bool = True


class Lake(Block):
    """A folder or a bucket that holds every zone of the lake, and the catalog of its Iceberg tables.

    A file system made here holds secrets: make it where it is used, from the block or from the environment
    that `environment()` gives; never send it to another process.

    Example:
        Read a manifest:
        ```python
        from blocks.lake import Lake

        lake = Lake.load("BLOCK_NAME")
        found = lake.read(lake.path("landed", "nppes", "2026-11", "_manifest.json"))
        ```
    """

    _block_type_name = "Lake"
    _block_type_slug = "lake"
    _description = "A folder or a bucket that holds every zone of the lake, and the catalog of its tables."

    root: str = Field(description="Where the lake is: a path (also as file://…) or s3://bucket/prefix.")
    catalog: SecretStr | None = Field(
        default=None,
        description="Address of the catalog's database as SQLAlchemy writes it, such as "
        "postgresql+psycopg2://user:password@host/name; or glue, for AWS Glue in the credentials' account and region, "
        "whose tables Athena reads. A lake in a folder has its own catalog.db if empty.",
    )
    credentials: AwsCredentials | None = Field(
        default=None,
        description="Access to S3, with the endpoint if it is not AWS; empty where the pod has a role.",
    )
    kms_key: str | None = Field(
        default=None,
        description="KMS key that S3 encrypts all that is written with; the bucket's own rule if left empty.",
    )
    sse_s3: bool = Field(
        default=False,
        description="Have S3 encrypt all that is written with its own keys, if no KMS key is given.",
    )

    _tags: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("root")
    @classmethod
    def _absolute(cls, root: str) -> str:
        """`s3://bucket/prefix` or `file:///absolute/path`, without a slash at the end."""
        scheme, _, rest = root.rpartition("://")
        if scheme == "s3" and rest.strip("/"):
            return f"s3://{rest.strip('/')}"
        if scheme in {"", "file"} and rest:
            return f"file://{os.path.abspath(os.path.expanduser(rest))}"
        raise Misconfigured(f"The lake's root {root!r} is neither a path nor s3://bucket/prefix")

    @property
    def on_s3(self) -> bool:
        """Whether the lake is in a bucket, not in a folder."""
        return self.root.startswith("s3://")

    def tagged(self, **tags: str) -> "Lake":
        """The same lake, in which objects carry these tags that `fs`, `put`, tables or who has `environment` write."""
        lake = self.model_copy()
        lake._tags = {**self._tags, **tags}
        return lake

    def fs(self) -> fsspec.AbstractFileSystem:
        """The file system that takes what `path` gives; one a process, which all threads may use.

        Listings are not cached, as other processes write too.
        """
        if not self.on_s3:
            return fsspec.filesystem("file", auto_mkdir=True)
        return s3fs(self._s3fs_options(), os.getpid())

    def client(self) -> Any:  # noqa: ANN401  # boto3 makes its classes as it runs
        """A boto3 client, for what moves many bytes: half of the CPU time and no copy in memory, beside `fs`.

        It encrypts as it is told: with `encryption`. A request that has its SHA-256 as a checksum signs that one, and
        not another of its body.
        """
        return _boto3(json.dumps(self._options(), default=str), os.getpid())

    def store(self) -> S3Store | None:
        """The bucket by obstore, for many small objects: a tenth of the CPU time for each. It encrypts by itself.

        None where the credentials have settings that only boto3 understands.
        """
        client = self.credentials.aws_client_parameters if self.credentials else None
        if client and (client.verify_cert_path or client.config):
            return None
        return _obstore(json.dumps([self.root, self._options(), self.encryption], default=str), os.getpid())

    def ask(self, method: str, **given: object) -> dict[str, Any]:
        """Ask S3 by a method of `client`; raises what a disk would raise, and `code_of` that gives S3's own word."""
        try:
            answer: dict[str, Any] = getattr(self.client(), method)(**given)
        except ClientError as error:
            raise _as_of_a_disk(error) from error
        return answer

    @property
    def encryption(self) -> dict[str, str]:
        """How S3 is asked to encrypt what is written, as its API names it."""
        if self.kms_key:
            return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key}
        return {"ServerSideEncryption": "AES256"} if self.sse_s3 else {}

    @property
    def _written(self) -> dict[str, str]:
        """What requests that write say beside the content; a copy would else keep the tags of what it is of."""
        tags = {"Tagging": urlencode(self._tags, quote_via=quote), "TaggingDirective": "REPLACE"} if self._tags else {}
        return self.encryption | tags

    def _options(self) -> dict[str, Any]:
        """Options of `s3fs` by which the bucket is reached; they hold secrets."""
        access = sessions.access(self.credentials)
        if not self.credentials:
            return {"access": access, "config_kwargs": _CONFIG}
        client = self.credentials.aws_client_parameters
        given = {
            "region_name": self.credentials.region_name,
            "verify": client.verify_cert_path or client.verify,
        }
        return {
            "access": access,
            "endpoint_url": client.endpoint_url,
            "client_kwargs": {name: value for name, value in given.items() if value is not None},
            "config_kwargs": _CONFIG | (client.config or {}),
        }

    def _s3fs_options(self) -> str:
        given = {"s3_additional_kwargs": self._written} if self._written else {}
        return json.dumps(self._options() | given, default=str)

    def path(self, *parts: str) -> str:
        """Below the root, as `fs()` wants it: `bucket/prefix/…` or `/absolute/path/…`.

        Raises `ValueError` for a part that would lead elsewhere: names of parties are encoded before.
        """
        steps = "/".join(parts).split("/") if parts else []
        if any(step in {"", ".", ".."} for step in steps):
            raise ValueError(f"{parts!r} is no path below the lake's root")
        return "/".join([self.root.partition("://")[2], *steps])

    def url(self, *parts: str) -> str:
        """The same with its scheme, for pyiceberg and Spark (`s3a://` is theirs to say).

        Not a URI in the strict sense: nothing is quoted, and neither of the two unquotes.
        """
        return f"{self.root.partition('://')[0]}://{self.path(*parts)}"

    def read(self, path: str) -> tuple[bytes, str] | None:
        """What is at `path` and its version (ETag on S3, SHA-256 on disk), or None where nothing is."""
        with sayings(path):
            try:
                if self.on_s3:
                    answer = self.ask("get_object", **address(path))
                    return answer["Body"].read(), answer["ETag"]
                data = Path(path).read_bytes()
                return data, hashlib.sha256(data).hexdigest()
            except FileNotFoundError as error:
                if code_of(error) == "NoSuchBucket":
                    raise
                return None

    def put(self, path: str, data: bytes, version: str | None) -> str:
        """Write `data` if what is at `path` still has this version (None: if nothing is there).

        Readers see the old or the new content whole. Returns the new version. Raises `Conflict` where the
        race is lost; after it `read` gives the winner's content. A request that boto3 repeats because the
        first answer was lost may lose to itself: then `read` gives back `data`.
        """
        with sayings(path):
            return (self._put_on_s3 if self.on_s3 else self._put_on_disk)(path, data, version)

    def _put_on_s3(self, path: str, data: bytes, version: str | None) -> str:
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        try:
            written = {name: value for name, value in self._written.items() if name != "TaggingDirective"}
            answer = self.ask("put_object", **address(path), Body=data, **condition, **written)
        except OSError as error:
            gone = version is not None and code_of(error) == "NoSuchKey"
            if gone or code_of(error) in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise Conflict(f"{path} has been written by somebody else") from error
            raise
        return str(answer["ETag"])

    def _put_on_disk(self, path: str, data: bytes, version: str | None) -> str:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            with draft.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            # One lock for the lake: what is put is small and rare, and no lock files stand beside the data.
            with Path(self.path(".lock")).open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                found = self.read(path)
                if (found and found[1]) != version:
                    raise Conflict(f"{path} has been written by somebody else")
                draft.replace(target)
                _fsync(target.parent)
        finally:
            draft.unlink(missing_ok=True)
        return hashlib.sha256(data).hexdigest()

    def stored(self, prefix: str) -> Iterator[Stored]:
        """All that is kept at paths that begin with `prefix`, such as a folder's with a slash at its end.

        With every version that a bucket keeps, and uploads that are still open.
        """
        with sayings(prefix):
            yield from (self._stored_on_s3 if self.on_s3 else self._stored_on_disk)(prefix)

    def _stored_on_s3(self, prefix: str) -> Iterator[Stored]:
        place = address(prefix)
        of = {"Bucket": place["Bucket"], "Prefix": place["Key"]}
        more: dict[str, str] = {}
        while True:
            answer = self.ask("list_object_versions", **of, **more)
            for found in answer.get("Versions", ()):
                at, version = f"{of['Bucket']}/{found['Key']}", found["VersionId"]
                yield Stored(at, found["Size"], found["LastModified"], version, seen=found["IsLatest"])
            for found in answer.get("DeleteMarkers", ()):
                at, version = f"{of['Bucket']}/{found['Key']}", found["VersionId"]
                yield Stored(at, 0, found["LastModified"], version, seen=False)
            if not answer.get("IsTruncated"):
                break
            more = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer.get("NextVersionIdMarker", "")}
        more = {}
        while True:
            answer = self.ask("list_multipart_uploads", **of, **more)
            for found in answer.get("Uploads", ()):
                at = f"{of['Bucket']}/{found['Key']}"
                yield Stored(at, 0, found["Initiated"], upload=found["UploadId"], seen=False)
            if not answer.get("IsTruncated"):
                return
            more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    def _stored_on_disk(self, prefix: str) -> Iterator[Stored]:
        folder = Path(prefix.rpartition("/")[0])
        for top in sorted(folder.iterdir()) if folder.is_dir() else ():
            if str(top).startswith(prefix.rstrip("/")):
                for path in [top] if top.is_file() else top.rglob("*"):
                    with suppress(FileNotFoundError):  # somebody else has just removed it
                        if not path.is_dir():
                            about = path.lstat()
                            yield Stored(str(path), about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))

    def erase(self, what: Sequence[Stored]) -> None:
        """Remove for good what `stored` has listed; nothing is raised where it is gone.

        A thousand objects in a request. Raises `AccessDenied` where S3 refuses to remove one, as it is locked.
        """
        with sayings(self.root):
            if not self.on_s3:
                for one in what:
                    Path(one.path).unlink(missing_ok=True)
                return
            for one in what:
                if one.upload:
                    with suppress(FileNotFoundError):
                        self.ask("abort_multipart_upload", **address(one.path), UploadId=one.upload)
            objects = [one for one in what if not one.upload]
            with ThreadPoolExecutor(8) as pool:
                for _ in pool.map(self._delete, [objects[at : at + 1000] for at in range(0, len(objects), 1000)]):
                    pass

    def _delete(self, objects: Sequence[Stored]) -> None:
        bucket = address(objects[0].path)["Bucket"]
        keys = [{"Key": address(one.path)["Key"], "VersionId": one.version} for one in objects]
        answer = self.ask("delete_objects", Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if errors := [error for error in answer.get("Errors", ()) if error["Code"] not in _GONE]:
            raise PermissionError(errno.EACCES, f"{len(errors)} objects were not removed ({errors[0]['Code']})")

    def catalog_properties(self) -> dict[str, Any]:
        """Properties for `pyiceberg.catalog.load_catalog("lake", **properties)`; they hold secrets.

        Makes the folder of a SQLite catalog. Raises `Misconfigured` for a lake on S3 without a catalog, or an
        address that SQLAlchemy does not understand.
        """
        properties = {
            **(self._glue() if self.on_glue else self._sql()),
            "warehouse": self.url(),
            "py-io-impl": "blocks.table_files.LakeFiles",
        }
        if self.on_s3:
            properties[S3FS] = self._s3fs_options()
        if self.on_s3 and self.credentials:
            given = {
                "s3.endpoint": self.credentials.aws_client_parameters.endpoint_url,
                "s3.region": self.credentials.region_name,
                **{f"s3.{name}": value for name, value in zip(_ICEBERG_KEYS, self._keys().values(), strict=False)},
            }
            properties |= {name: value for name, value in given.items() if value}
        return properties

    def environment(self) -> dict[str, str]:
        """The variables by which another process, such as a Spark JVM, reaches this lake: AWS_*, secrets among them.

        And FSSPEC_S3, by which its Python workers encrypt and tag what they write as this one does.
        """
        if not self.on_s3:
            return {}
        written = {"FSSPEC_S3": json.dumps({"s3_additional_kwargs": self._written})} if self._written else {}
        if not self.credentials:
            return written
        keys = self._keys()
        given = {
            "AWS_ACCESS_KEY_ID": keys.get("key"),
            "AWS_SECRET_ACCESS_KEY": keys.get("secret"),
            "AWS_SESSION_TOKEN": keys.get("token"),
            "AWS_DEFAULT_REGION": self.credentials.region_name,  # botocore
            "AWS_REGION": self.credentials.region_name,  # the SDK for Java
            "AWS_ENDPOINT_URL_S3": self.credentials.aws_client_parameters.endpoint_url,
        }
        return written | {name: value for name, value in given.items() if value}

    def check(self) -> None:
        """Raise a `PlaceError` that says in one sentence what is wrong, or return.

        Writes and removes an object; makes sure that conditional writes are kept, without which two runs on
        one drop would overwrite each other (some S3 servers ignore the condition), and that the server compares what
        comes with its checksum; opens the catalog.
        """
        probe = self.path(f".check-{uuid.uuid4().hex}")
        self.put(probe, b"inlet", None)
        try:
            for wrong in (None, f'"{"0" * 32}"'):
                with suppress(Conflict):
                    self.put(probe, b"overwritten", wrong)
                    raise Misconfigured(f"{self.root} is on a server that ignores If-None-Match or If-Match")
            if self.on_s3 and not self._compares(probe):
                raise Misconfigured(f"{self.root} is on a server that ignores x-amz-checksum-sha256")
        finally:
            with sayings(probe):
                self.fs().rm_file(probe)
        if self.on_glue:
            self._check_glue()
        else:
            self._check_sql()

    def _check_glue(self) -> None:
        from pyiceberg.catalog import load_catalog

        try:
            # botocore takes a number, though properties are text
            load_catalog("lake", **self.catalog_properties(), **{"glue.max-retries": 2}).list_namespaces()  # type: ignore[arg-type]
        except (BotoCoreError, ClientError) as error:
            raise Unreachable(f"The catalog in AWS Glue cannot be opened ({type(error).__name__})") from error

    def _check_sql(self) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

        catalog = self._catalog()
        shown = catalog.set(query={}).render_as_string(hide_password=True)
        try:
            engine = create_engine(catalog)
            engine.connect().close()
            engine.dispose()
        except (ImportError, NoSuchModuleError) as error:
            raise Misconfigured(f"The catalog {shown} needs a Python package ({error})") from error
        except SQLAlchemyError as error:
            raise Unreachable(f"The catalog {shown} cannot be opened ({type(error).__name__})") from error

    def _compares(self, path: str) -> bool:
        """Whether S3 refuses bytes that are not those of the checksum that comes with them."""
        other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
        with sayings(path):
            try:
                self.ask("put_object", **address(path), Body=b"inlet", ChecksumSHA256=other, **self.encryption)
            except OSError as error:
                if code_of(error) not in {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"}:
                    raise
                return True
            return False

    @property
    def on_glue(self) -> bool:
        """Whether the catalog is AWS Glue."""
        return self.catalog is not None and self.catalog.get_secret_value() == "glue"

    def _glue(self) -> dict[str, Any]:
        if not self.on_s3:
            raise Misconfigured(f"The lake {self.root} is in a folder: AWS Glue is a catalog of tables on S3")
        given: dict[str, Any] = {"type": "glue"}
        if access := sessions.access(self.credentials):
            given["botocore_session"] = sessions.botocore_session(access)
        if self.credentials and self.credentials.region_name:
            given["glue.region"] = self.credentials.region_name
        return given

    def _sql(self) -> dict[str, str]:
        return {"type": "sql", "uri": self._catalog().render_as_string(hide_password=False)}

    def _catalog(self) -> "URL":
        from sqlalchemy import make_url
        from sqlalchemy.exc import SQLAlchemyError

        if self.catalog is None and self.on_s3:
            raise Misconfigured(f"The lake {self.root} has no catalog")
        try:
            # 60 seconds instead of 5 for another writer of the SQLite file to finish
            default = f"sqlite:///{self.path('catalog.db')}?timeout=60"
            address = make_url(self.catalog.get_secret_value() if self.catalog else default)
        except SQLAlchemyError as error:
            raise Misconfigured("The catalog's address is not one that SQLAlchemy understands") from error
        if address.get_backend_name() == "sqlite" and address.database:
            with sayings(address.database):
                Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        return address

    def _keys(self) -> dict[str, str | None]:
        """key, secret and token, in this order, for who cannot renew them; none where all find the pod's role.

        Those of a role or a profile may end after an hour, and Spark's processes read no more then: give such a role to
        the pod. What this process asks for by itself goes on, as `sessions` renews keys.
        """
        access = sessions.access(self.credentials)
        if access.keys() <= {"region"}:
            return {}
        with sayings("this lake"):
            found = sessions.session(access).get_credentials()
            if found is None:
                raise NoCredentialsError
            frozen = found.get_frozen_credentials()
        return {"key": frozen.access_key, "secret": frozen.secret_key, "token": frozen.token}


# payload_signing_enabled: the SHA-256 of each body is signed, also under TLS; a second checksum adds nothing to it
# (when_required: none). max_pool_connections: 10 would be for all threads. read_timeout: S3 takes minutes to join the
# parts of a large file, and s3fs would wait for 15 seconds.
_CONFIG: dict[str, Any] = {
    "s3": {"payload_signing_enabled": True},
    "request_checksum_calculation": "when_required",
    "retries": {"mode": "standard", "total_max_attempts": 6},
    "max_pool_connections": 50,
    "read_timeout": 300,
}
_FULL = {"InsufficientStorage", "QuotaExceeded", "QuotaExceededException", "XMinioStorageFull"}
_ICEBERG_KEYS = ("access-key-id", "secret-access-key", "session-token")


@lru_cache(maxsize=16)
def s3fs(options: str, pid: int) -> fsspec.AbstractFileSystem:
    """Made once, not once a thread as fsspec does: it takes 0.3 s and holds a pool of connections."""
    given = json.loads(options)
    session = sessions.aio_session(given.pop("access"))
    return fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False, session=session, **given)


@lru_cache(maxsize=16)
def _boto3(options: str, pid: int) -> Any:  # noqa: ANN401
    given = json.loads(options)
    client = sessions.session(given["access"]).client(
        "s3",
        endpoint_url=given.get("endpoint_url"),
        config=Config(**given["config_kwargs"]),
        **given.get("client_kwargs", {}),
    )
    client.meta.events.register("before-sign.s3", _sign_the_checksum)
    return client


_UNSIGNED = Config(s3={"payload_signing_enabled": False})


def _sign_the_checksum(request: "AWSRequest", **_: object) -> None:
    """Sign the checksum of a body instead of its hash, where it has one: of the same algorithm, it is as good.

    It saves us and the server a SHA-256 each, and is safer: SeaweedFS 4.39 compares checksums and no signed hashes,
    versitygw 1.8.0 and AWS compare both.
    """
    if "x-amz-checksum-sha256" in request.headers:
        request.context = {**request.context, "client_config": _UNSIGNED}


@lru_cache(maxsize=16)
def _obstore(options: str, pid: int) -> S3Store:
    root, given, encryption = json.loads(options)
    client, session = given.get("client_kwargs", {}), sessions.session(given["access"])
    config: dict[str, Any] = {
        "endpoint": given.get("endpoint_url"),
        "region": client.get("region_name") or session.region_name,
        "server_side_encryption": encryption.get("ServerSideEncryption"),
        "sse_kms_key_id": encryption.get("SSEKMSKeyId"),
        "checksum_algorithm": "SHA256",  # beside the signed hash: see `_sign_the_checksum`
    }
    return S3Store(
        root.removeprefix("s3://").partition("/")[0],
        config=cast(Any, {name: value for name, value in config.items() if value}),
        client_options={"allow_http": True, "allow_invalid_certificates": client.get("verify") is False},
        # botocore gives keys that last for ten minutes more
        credential_provider=Boto3CredentialProvider(session, ttl=timedelta(minutes=5)),
    )


def address(path: str) -> dict[str, str]:
    """Bucket and key, as boto3 names them, of what `Lake.path` gives for a lake on S3."""
    bucket, _, key = path.partition("/")
    return {"Bucket": bucket, "Key": key}


_GONE = {"NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NoSuchVersion", "404"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId", "InvalidObjectState", "403"}
_DENIED |= {"RequestTimeTooSkewed", "SignatureDoesNotMatch"}


def _as_of_a_disk(error: ClientError) -> OSError:
    """What S3 refuses as the error that a disk would raise for it; `code_of` has S3's own word if it is the cause."""
    code = error.response["Error"].get("Code")
    if code in _GONE:
        return FileNotFoundError(errno.ENOENT, str(error))
    if code in _DENIED:
        return PermissionError(errno.EACCES, str(error))
    return OSError(errno.EIO, str(error))


def code_of(error: OSError) -> str | None:
    """S3's own word for an error that `Lake.ask` or s3fs has translated; None for one of a disk."""
    cause = error.__cause__
    return cause.response["Error"].get("Code") if isinstance(cause, ClientError) else None


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def sayings(what: str) -> Iterator[None]:
    """Turn what the disk, s3fs and botocore raise about `what` into a `PlaceError`."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise Misconfigured(f"There are no AWS credentials for {what}") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotThere(f"{what} is not there") from error
    except PermissionError as error:
        if isinstance(cause := error.__cause__, ClientError) and cause.operation_name.startswith("AssumeRole"):
            raise AccessDenied(f"AWS gives no keys for {what}: {cause}") from error
        raise AccessDenied(f"{what} may not be read or written with these credentials") from error
    except ClientError as error:  # of STS: s3fs has translated those of S3
        raise AccessDenied(f"AWS gives no keys for {what}: {error}") from error
    except BotoCoreError as error:
        raise Unreachable(f"S3 does not answer about {what} ({type(error).__name__})") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT} or code_of(error) in _FULL:
            raise NoRoom(f"There is no room left for {what}") from error
        raise Interrupted(f"Reading or writing {what} failed: {error.strerror or error}") from error
