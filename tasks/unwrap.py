"""unwrap: Landed to staged parts, every wrapping peeled in one pass."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import BaseModel, SecretStr

from blocks.lake import Lake, sayings
from spark.errors import UnexpectedMember
from spark.parts import StagedFile
from tasks.cores import cores
from tasks.decompress import passwords
from tasks.decrypt import keys
from tasks.gpg import Decrypt
from tasks.manifest import now
from tasks.opened import Opened, files, remove, staged_folder
from tasks.run import Run, Step, current
from tasks.source import Drop, Source, fingerprint
from tasks.staging import Choice, Stage, Wrapped
from tasks.tracked import tracked
from tasks.transfer import Landed
from tasks.wrappings import Member


class Parts(BaseModel, frozen=True):
    """A drop's plain files, cut into parts, by dataset; none where Raw is up to date with `fingerprint`."""

    drop: Drop
    fingerprint: str
    up_to_date: bool
    datasets: dict[str, tuple[StagedFile, ...]] = {}


@tracked("unwrap {landed.drop}")
def unwrap(landed: Landed | Opened, expect: Sequence[str] | None = None) -> Parts:
    """Peel and cut a drop; wrappings other than `expect`, outermost first, are an error. None expects any."""
    run = current()
    made_from = fingerprint(
        *(f.sha256 for f in files(landed)),
        landed.drop.as_of.isoformat(),
        *(expect if expect is not None else ["any"]),
        *([run.source.pgp_signer] if run.source.pgp_signer else []),
        *sorted(run.source.datasets.items()),
        *(said for f in landed.drop.files for said in (f.records, run.source.named_for(f.name)) if said is not None),
    )
    why = raw_is_due(landed.drop, made_from, run)
    if run.dry is not None:
        size = sum(file.size for file in files(landed))
        run.dry.append(Step(drop=landed.drop.key, stage="unwrap", why=why, bytes=size))
    if why is None or run.dry is not None:
        return Parts(drop=landed.drop, fingerprint=made_from, up_to_date=why is None)
    with keys(run.source) as decrypt:
        datasets = stage(landed, run.source, run.lake, run.id, expect, decrypt, passwords(run.source))
    return Parts(drop=landed.drop, fingerprint=made_from, up_to_date=False, datasets=datasets)


def raw_is_due(drop: Drop, made_from: str, run: Run) -> str | None:
    """Why a drop is to be converted, None where every dataset of it is in Raw as made from this.

    Each one's mark names them all.
    """
    tables = {name: run.source.table("raw", name) for name in run.source.datasets}
    found = {name: run.tables.marks(table, "drop").get(drop.key) for name, table in tables.items()}
    marks = {name: mark for name, mark in found.items() if mark}
    done = {name for name, mark in marks.items() if mark["fingerprint"] == made_from}
    if run.redoes("landed"):
        return "forced"
    if not marks:
        return "never done"
    if not done:
        return "its inputs or its declaration changed"
    return None if all(done >= set(marks[name]["datasets"]) for name in done) else "not done to its end"


def stage(
    landed: Landed | Opened,
    source: Source,
    lake: Lake,
    run: str,
    expect: Sequence[str] | None = None,
    decrypt: Decrypt | None = None,
    passwords: Sequence[SecretStr] = (),
) -> dict[str, tuple[StagedFile, ...]]:
    """Write the parts of every file of a drop below `staged/<source>/<drop>/<run>`; of each dataset its files.

    A file that several datasets read is peeled and cut for each, as one pass cuts at the records of one reader.

    Raises `UnexpectedMember` for a plain file that the source neither reads nor ignores, `PlaceError`, and what peeling
    and cutting raise; then nothing stays of what was written. Nothing is listed, and so nothing counts, before the last
    wrapping has proved whole.
    """
    fs, folder = lake.fs(), f"{staged_folder(lake, landed.drop, run)}/parts"
    offered = {file.names: file.delivered for file in files(landed)}
    again: set[Wrapped] = set()  # files that have more datasets than have been staged

    def choose(nth: int, file: Wrapped, member: Member) -> Choice | None:
        datasets = source.datasets_of(member.name, offered[file.names])
        if nth + 1 < len(datasets):
            again.add(file)
        if nth < len(datasets):
            return Choice(datasets[nth], source.datasets[datasets[nth]].reader)
        if datasets or source.ignored(member.name):
            return None
        raise UnexpectedMember(f"{source.slug} {landed.drop}: {member.path}")

    peeling = {"bounds": source.bounds, "decrypt": decrypt, "passwords": passwords, "expect": expect}
    wrapped = [Wrapped(lake.path(*file.path.split("/")), file.names) for file in files(landed)]
    staged: list[tuple[str, StagedFile]] = []
    try:
        with sayings(f"{landed.drop} or what is staged of it"):
            for nth in range(len(source.datasets)):
                into = f"{folder}/{nth}"
                fs.makedirs(into, exist_ok=True)
                staged += Stage(fs, into, partial(choose, nth), cores(), peeling).files(wrapped)
                wrapped = [file for file in wrapped if file in again]
                again.clear()
                if not wrapped:
                    break
    except BaseException:
        remove(lake, folder)
        raise
    found: dict[str, list[StagedFile]] = {name: [] for name in source.datasets}
    for dataset, file in staged:
        found[dataset].append(file)
    return {name: tuple(of_it) for name, of_it in found.items() if of_it}


def clean(lake: Lake, drop: Drop, run: str) -> None:
    """Remove what a run staged for a drop."""
    remove(lake, staged_folder(lake, drop, run))


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
