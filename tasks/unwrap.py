"""unwrap: Landed to staged parts, every wrapping peeled in one pass."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import fsspec
import zstandard
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel

from blocks.errors import Misconfigured
from blocks.lake import Lake
from blocks.pgp import PgpKey
from spark.errors import DataError, UnexpectedMember
from spark.parts import Part, Piece, StagedFile
from spark.readers import Reader
from tasks.decompress import spooler
from tasks.decrypt import Decrypt, decrypter
from tasks.manifest import encoded, now
from tasks.retrying import RETRY
from tasks.run import Run, current
from tasks.source import Drop, Source, fingerprint
from tasks.transfer import Landed
from tasks.wrappings import peel

CORES = 2
_IN_FLIGHT = 4


class Parts(BaseModel, frozen=True):
    """A drop's plain files, cut into parts, by dataset; none where Raw is up to date with `fingerprint`."""

    drop: Drop
    fingerprint: str
    up_to_date: bool
    datasets: dict[str, tuple[StagedFile, ...]] = {}


@task(task_run_name="unwrap {landed.drop}", cache_policy=NO_CACHE, **RETRY)
def unwrap(landed: Landed, expect: Sequence[str]) -> Parts:
    """Peel and cut a landed drop; wrappings other than `expect`, outermost first, are an error."""
    run = current()
    made_from = fingerprint(
        *(f.sha256 for f in landed.files),
        landed.drop.as_of.isoformat(),
        *expect,
        *sorted(run.source.datasets.items()),
        *(said for f in landed.drop.files for said in (f.records, run.source.named_for(f.name)) if said is not None),
    )
    if is_raw(landed.drop, made_from, run) and not run.redoes("landed"):
        return Parts(drop=landed.drop, fingerprint=made_from, up_to_date=True)
    with _keys(run.source) as decrypt:
        datasets = stage(landed, run.source, run.lake, run.id, expect, decrypt)
    return Parts(drop=landed.drop, fingerprint=made_from, up_to_date=False, datasets=datasets)


def is_raw(drop: Drop, made_from: str, run: Run) -> bool:
    """Whether every dataset of the drop is in Raw as made from this; each one's mark names them all."""
    marks = {
        name: run.tables.marks(run.source.table("raw", name), "drop").get(drop.key) for name in run.source.datasets
    }
    done = {name: mark for name, mark in marks.items() if mark and mark["fingerprint"] == made_from}
    return bool(done) and all(done.keys() >= set(mark["datasets"]) for mark in done.values())


def stage(
    landed: Landed, source: Source, lake: Lake, run: str, expect: Sequence[str], decrypt: Decrypt | None = None
) -> dict[str, tuple[StagedFile, ...]]:
    """Write the parts of every file of a drop below `staged/<source>/<drop>/<run>`; of each dataset its files.

    Raises `UnexpectedMember` for a plain file that the source neither reads nor ignores, and what peeling, cutting and
    the lake raise. Nothing is listed, and so nothing counts, before the last wrapping has proved whole.
    """
    fs, folder = lake.fs(), staged_folder(lake, landed.drop, run)
    fs.makedirs(folder, exist_ok=True)
    found: dict[str, list[StagedFile]] = {name: [] for name in source.datasets}
    with ThreadPoolExecutor(CORES) as pool:
        for file in landed.files:
            with (
                fs.open(lake.path(*file.path.split("/")), "rb") as stream,
                closing(peel(stream, file.name, spool=spooler(fs, folder), decrypt=decrypt, expect=expect)) as members,
            ):
                for member, plain in members:
                    dataset = source.dataset(member.name, file.of or file.name)
                    if dataset is None:
                        if source.ignored(member.name):
                            continue
                        raise UnexpectedMember(f"{source.slug} {landed.drop}: {member.path}")
                    prefix = f"{folder}/{dataset}-{len(found[dataset])}"
                    reader = source.datasets[dataset].reader
                    found[dataset].append(_cut(plain, member.path, reader, fs, prefix, pool))
    return {name: tuple(files) for name, files in found.items() if files}


@contextmanager
def _keys(source: Source) -> Iterator[Decrypt | None]:
    """How the source's PGP messages are opened, in a key ring that is gone afterwards."""
    if source.pgp_key is None:
        yield None
        return
    try:
        key = PgpKey.load(source.pgp_key)
    except ValueError as error:
        raise Misconfigured(f"there is no PGP key block named {source.pgp_key!r}") from error
    with key.home() as home:  # type: ignore[union-attr]  # Prefect's load is typed as sync or async
        yield decrypter(home)


def clean(lake: Lake, drop: Drop, run: str) -> None:
    """Remove what a run staged for a drop."""
    folder = staged_folder(lake, drop, run)
    if lake.fs().exists(folder):
        lake.fs().rm(folder, recursive=True)


def sweep(lake: Lake, source: Source, older_than: timedelta = timedelta(days=1)) -> None:
    """Remove what runs that were killed have staged for a source; a run that lives has staged something since."""
    fs, root = lake.fs(), lake.path("staged", source.slug)
    newest: dict[str, datetime] = {}
    for path, info in fs.find(root, detail=True).items():
        if info["type"] != "file":  # as SeaweedFS shows an empty folder
            continue
        run = "/".join(path.removeprefix(f"{root}/").split("/")[:2])
        written = info["LastModified"] if lake.on_s3 else datetime.fromtimestamp(info["mtime"], UTC)
        newest[run] = max(written, newest.get(run, written))
    for run, latest in newest.items():
        if now() - latest > older_than:
            with suppress(FileNotFoundError):  # another run sweeps as well
                fs.rm(f"{root}/{run}", recursive=True)


def staged_folder(lake: Lake, drop: Drop, run: str) -> str:
    """Where a run stages a drop."""
    return lake.path("staged", drop.source, encoded(drop.key), run)


def _cut(
    stream: BinaryIO, file: str, reader: Reader, fs: fsspec.AbstractFileSystem, prefix: str, pool: ThreadPoolExecutor
) -> StagedFile:
    """Cut one plain file; compressing and writing goes on in the pool, a bounded number of parts at a time."""
    parts: list[Part] = []
    columns: tuple[str, ...] = ()
    writing: deque[Future[Part]] = deque()
    try:
        for number, piece in enumerate(reader.cut(stream)):
            columns = piece.columns
            if len(writing) == _IN_FLIGHT:
                parts.append(writing.popleft().result())
            writing.append(pool.submit(_write, piece, fs, f"{prefix}-{number:06}.zst"))
        parts += [future.result() for future in writing]
    except DataError as error:
        raise error if file in error.what else type(error)(f"{file}: {error.what}") from error
    return StagedFile(file=file, columns=columns, parts=tuple(parts))


def _write(piece: Piece, fs: fsspec.AbstractFileSystem, path: str) -> Part:
    fs.pipe_file(path, zstandard.ZstdCompressor(level=1).compress(piece.data))
    return Part(
        path=path,
        offset=piece.offset,
        first_record=piece.first_record,
        records=piece.records,
        bytes=len(piece.data),
        bad=piece.bad,
    )
