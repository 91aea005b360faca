"""`inlet`: the stages on local paths and URLs, with no server, and what an operator decides about a lake's sources."""

import getpass
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from blocks.errors import PlaceError
from spark.errors import DataError

if TYPE_CHECKING:
    from blocks.lake import Lake
    from tasks.operate import By, Outcome
    from tasks.run import Run

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

_FIRST = 12  # of a long list, those that are shown

UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer exports only what stands below it

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="One of csv, fixed, excel, sas, xml, json, parquet, avro, orc, x12; else found."),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "-o", help="An option of the reader: delimiter=';', columns='[\"a\",\"b\"]', layout=FILE, fields=@FILE."
    ),
]
OneMember = Annotated[
    str | None, typer.Option("--member", help="Which file of an archive: its path or name, or a glob for one.")
]
Key = Annotated[Path | None, typer.Option(help="A private PGP key, armored.")]

_LAKE = "A lake's sources"

Root = Annotated[
    str | None,
    typer.Option(
        "--lake",
        envvar="INLET_LAKE_ROOT",
        metavar="ROOT",
        help="A lake that needs no block: its folder. Else the block that INLET_LAKE names, or the block lake.",
        show_default=False,
    ),
]
Slug = Annotated[str, typer.Argument(metavar="SOURCE", help="The source's slug.")]
OneOrAll = Annotated[str | None, typer.Argument(metavar="SOURCE", help="The source's slug.", show_default=False)]
Every = Annotated[bool, typer.Option("--all", help="Every source.")]
Drops = Annotated[
    list[str] | None, typer.Argument(metavar="DROP", help="Keys of drops, such as 2026-11; else the whole source.")
]
Reason = Annotated[str, typer.Option(help="Why, for who reads it later; no value of a record.", show_default=False)]
Why = Annotated[str | None, typer.Option("--reason", help="Why, if there is more to say than that it is time.")]
Actor = Annotated[str | None, typer.Option(help="Who decides it; else the user of this machine, as user@host.")]


@app.command()
def transfer(source: str, target: str, as_json: AsJson = False) -> None:
    """Copy one file, hashing it on the way."""
    from tasks.transfer import fetch

    with _bar(source) as moved:
        size, sha256 = fetch(source, target, moved)
    _show({"source": source, "target": target, "bytes": size, "sha256": sha256}, as_json)


@app.command()
def unwrap(
    file: str,
    outdir: str,
    key: Key = None,
    signer: Annotated[str | None, typer.Option(help="Fingerprint of who must have signed; --key has its key.")] = None,
    expect: Annotated[list[str] | None, typer.Option(help="A wrapping that must be there, outermost first.")] = None,
    as_json: AsJson = False,
) -> None:
    """Peel every wrapping of a file: its members, with bytes and SHA-256.

    INLET_PASSPHRASE is the passphrase of the key, or of a message or an archive that is locked by one alone.
    """
    from tasks.decompress import extract
    from tasks.local import keyring, known_passwords

    with keyring(key, signer) as decrypt:
        members = extract(file, outdir, decrypt=decrypt, passwords=known_passwords(), expect=expect)
    _show({"file": file, "members": [m.model_dump(mode="json") for m in members]}, as_json)


@app.command()
def convert(
    file: str,
    out: str,
    fmt: Format = None,
    option: Options = None,
    member: OneMember = None,
    rejects: Annotated[str | None, typer.Option(help="Where records that do not parse go.")] = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Convert a file, peeled of its wrappings, to one Parquet file."""
    from tasks.local import Input, convert_file, keyring

    given = Input(file=file, member=member, format=fmt, options=tuple(option or ()))
    with keyring(key) as decrypt:
        done = convert_file(given, out, rejects, decrypt)
    _show(done.model_dump(), as_json)


@app.command()
def profile(
    file: str,
    fmt: Format = None,
    option: Options = None,
    member: OneMember = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Count what a file holds, column by column; shows no value."""
    from tasks.local import Input, keyring, look

    given = Input(file=file, member=member, format=fmt, options=tuple(option or ()))
    with keyring(key) as decrypt:
        done = look(given, decrypt)
    _show(done.model_dump(), as_json)


@app.command()
def new(
    sample: Annotated[str, typer.Argument(help="A file, a folder, a URL, or a block's location: sftp-server/nppes.")],
    name: Annotated[str | None, typer.Option(help="The source's slug; else from the sample's name.")] = None,
    root: Annotated[Path, typer.Option(help="Where flows, tests and prefect.yaml are.")] = Path(),
    fmt: Format = None,
    option: Options = None,
    layout: Annotated[list[str] | None, typer.Option(help="A layout of fixed width, as -o layout=FILE.")] = None,
    key: Key = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, and print what would be written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draft a source from a sample: a flow that runs as written, its deployments, and a test on made-up rows.

    INLET_PASSPHRASE is as for unwrap. Nothing that is there is written over.
    """
    from tasks.local import keyring, known_passwords
    from tasks.new import Options as Known
    from tasks.new import draft

    options = (*(option or ()), *(f"layout={file}" for file in layout or ()))
    with keyring(key) as decrypt:
        done = draft(sample, name, root, Known(fmt, options, decrypt, known_passwords()), dry=dry_run)
    said = done.model_dump(mode="json")
    if dry_run and not as_json:
        for path, content in done.files.items():
            _console().print(f"--- {path}\n{content}", soft_wrap=True)
    _show(said if as_json else {**said, "files": list(done.files)}, as_json)


@app.command(rich_help_panel=_LAKE)
def status(lake: Root = None, as_json: AsJson = False) -> None:
    """Per source: its last drop, what is in current, and what needs a look: held, failed, overdue, pending."""
    from tasks.source import sources
    from tasks.status import standing

    found = standing(sources().values(), _lake(lake))
    if as_json:
        _show({"sources": [s.model_dump(mode="json") for s in found]}, as_json)
        return
    rows = [
        {
            "source": s.source,
            "landed": s.landed,
            "last drop": s.last_drop,
            "as of": s.last_as_of and f"{s.last_as_of:%Y-%m-%d}",
            "current": "\n".join(f"{c.table.removeprefix('current.')} {c.rows:,}" for c in s.current) or None,
            "published (UTC)": "\n".join(f"{c.at:%Y-%m-%d %H:%M}" if c.at else "-" for c in s.current) or None,
        }
        for s in found
    ]
    _show({"sources": rows}, as_json)
    for line in (line for s in found for line in s.notes()):
        _console().print(f"• {line}", soft_wrap=True)


@app.command(name="decisions", rich_help_panel=_LAKE)
def show_decisions(source: Slug, lake: Root = None, as_json: AsJson = False) -> None:
    """What was decided about a source: when, by whom, why, and what came of it."""
    from tasks.decisions import read
    from tasks.operate import known

    made = read(_lake(lake), known(source).slug).made
    if as_json or not made:
        _show({"source": source, "decisions": [d.model_dump(mode="json") for d in made] or "none"}, as_json)
        return
    rows = [
        {
            "at (UTC)": f"{d.at:%Y-%m-%d %H:%M}",
            "by": d.actor,
            "verb": d.verb,
            "of": d.table or (f"{d.drop} r{d.revision}" if d.revision else d.drop),
            "reason": d.reason,
            "what came of it": "unknown: interrupted, or not done yet" if d.found is None else d.found,
        }
        for d in made
    ]
    _show({"decisions": rows}, as_json)


@app.command(rich_help_panel=_LAKE)
def expect(
    source: Slug,
    drop: Annotated[str, typer.Argument(metavar="DROP", help="The key of a drop that is known to be good.")],
    dataset: Annotated[str | None, typer.Argument(help="One dataset; else each that the drop has.")] = None,
    lake: Root = None,
) -> None:
    """Draft from a good drop what the next ones should be like: code for `Dataset(expect=…)` in the source's file."""
    from tasks.expect import drafted
    from tasks.operate import known

    for name, code in drafted(known(source), _lake(lake), drop, dataset):
        _console().print(f"# {name}, drafted from {drop}\nexpect={code},", soft_wrap=True)


@app.command(rich_help_panel=_LAKE)
def hold(
    source: Slug, reason: Reason, drops: Drops = None, actor: Actor = None, lake: Root = None, as_json: AsJson = False
) -> None:
    """Let runs do nothing of a source, or nothing with some drops; these have no say in current any more."""
    from tasks import operate

    _tell(operate.hold(*_as(source, lake, actor, reason), drops or []), as_json)


@app.command(rich_help_panel=_LAKE)
def release(
    source: Slug, reason: Reason, drops: Drops = None, actor: Actor = None, lake: Root = None, as_json: AsJson = False
) -> None:
    """Take a hold of a source or of drops back; what they say is published at once."""
    from tasks import operate

    _tell(operate.release(*_as(source, lake, actor, reason), drops or []), as_json)


@app.command(rich_help_panel=_LAKE)
def accept(
    source: Slug,
    drops: Annotated[list[str], typer.Argument(metavar="DROP", help="Keys of drops that landed.")],
    reason: Reason,
    actor: Actor = None,
    lake: Root = None,
    as_json: AsJson = False,
) -> None:
    """Take drops as they landed though they are over the reject limit, or a check failed."""
    from tasks import operate

    _tell(operate.accept(*_as(source, lake, actor, reason), drops), as_json)


@app.command(rich_help_panel=_LAKE)
def rollback(
    source: Slug,
    schema: Annotated[str, typer.Argument(help="The common schema, such as provider.")],
    reason: Reason,
    actor: Actor = None,
    lake: Root = None,
    as_json: AsJson = False,
) -> None:
    """Undo a source's last publish to a schema, and hold the source."""
    from tasks import operate

    _tell(operate.rollback(*_as(source, lake, actor, reason), schema), as_json)


@app.command(rich_help_panel=_LAKE)
def purge(
    source: Slug,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do it: nothing brings back what is removed.")] = False,
    actor: Actor = None,
    lake: Root = None,
    as_json: AsJson = False,
) -> None:
    """Remove all that the lake has of a source, in every zone and snapshot, and hold the source."""
    from tasks import operate

    run, by = _as(source, lake, actor, reason)
    _tell(operate.purge(run, by, confirm=source if yes else None), as_json)


@app.command(rich_help_panel=_LAKE)
def optimise(
    source: OneOrAll = None,
    every: Every = False,
    reason: Why = None,
    actor: Actor = None,
    lake: Root = None,
    as_json: AsJson = False,
) -> None:
    """Join the small files that increments leave in a source's tables: in Raw, and what is rejected and held."""
    from tasks import operate

    for run, by in _each(source, every, lake, actor, reason):
        _tell(operate.optimise(run, by), as_json)


@app.command(rich_help_panel=_LAKE)
def expire(
    source: OneOrAll = None,
    every: Every = False,
    days: Annotated[float, typer.Option(help="Snapshots that have not been current for so long are removed.")] = 7,
    reason: Why = None,
    actor: Actor = None,
    lake: Root = None,
    as_json: AsJson = False,
) -> None:
    """Remove old snapshots of a source's tables, and the files that only they name; a rollback back to them ends."""
    from tasks import operate

    for run, by in _each(source, every, lake, actor, reason):
        _tell(operate.expire(run, by, older_than=timedelta(days=days)), as_json)


def main() -> None:
    """Run the command: exit code 0, or 1 and one line on stderr."""
    try:
        code = app(standalone_mode=False)
    except UsageError as error:
        sys.exit(_one_line("UsageError", f"{error}; see inlet --help"))
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)  # as a shell says it of SIGINT
    except (PlaceError, DataError, ValueError, OSError) as error:
        sys.exit(_one_line(type(error).__name__, str(error)))
    sys.exit(code if isinstance(code, int) else 0)


def _lake(root: str | None) -> "Lake":
    """The lake in a folder, else the one that a block names."""
    from blocks.errors import Misconfigured
    from blocks.lake import Lake
    from tasks.run import load_lake

    if root:
        return Lake(root=root)
    try:
        return load_lake()
    except Misconfigured as error:
        raise Misconfigured(f"{error.what}, and no --lake ROOT is given") from error


def _as(source: str, root: str | None, actor: str | None, reason: str | None) -> "tuple[Run, By]":
    """On what an operator's verb works, and for whom."""
    from tasks.decisions import Refused
    from tasks.operate import By, known
    from tasks.run import Run

    lake = _lake(root)
    if root and not lake.fs().exists(lake.path()):  # else a slip of the pen would make a lake, and hold nothing
        raise Refused(f"there is no lake at {lake.root}")
    by = By(actor=actor or f"{getpass.getuser()}@{socket.gethostname()}", reason=reason)
    return Run(source=known(source), lake=lake, id=f"cli-{uuid4().hex[:8]}"), by


def _each(
    source: str | None, every: bool, root: str | None, actor: str | None, reason: str | None
) -> "Iterator[tuple[Run, By]]":
    """The same for one source, or for each that there is."""
    from tasks.decisions import Refused
    from tasks.source import sources

    if (source is None) != every:
        raise Refused("name a source, or say --all")
    return (_as(slug, root, actor, reason) for slug in ([source] if source else sources()))


def _tell(outcome: "Outcome", as_json: bool) -> None:
    """What came of a verb: a line, its tables where there are several, and what comes next."""
    if as_json:
        _show(outcome.model_dump(mode="json"), as_json)
        return
    _console().print(outcome.done, soft_wrap=True)
    if len(outcome.tables) > 1:
        _show({"tables": [change.model_dump() for change in outcome.tables]}, as_json)
    if outcome.then:
        _console().print(outcome.then, soft_wrap=True)


def _console() -> Console:
    return Console(markup=False, highlight=False)


def _one_line(kind: str, message: str) -> str:
    return f"{kind}: {' '.join(message.split())}"


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar of bytes, rate and time left on a terminal; takes the bytes that have come, and of how many."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what.rpartition("/")[2], total=None)
        yield lambda count, total: bar.update(task, advance=count, total=total)


def _show(result: Mapping[str, object], as_json: bool) -> None:
    """One JSON object; or a table of what is a list of things, and a line for each value else that there is."""
    console = _console()
    if as_json:
        console.print_json(data=result)
        return
    for key, value in result.items():
        if value is None or value == [] or value == {}:
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            table = Table(box=None, header_style="bold")
            for column in value[0]:
                table.add_column(column, overflow="fold")
            for row in value:
                table.add_row(*map(_cell, row.values()))
            console.print(table)
        else:
            console.print(f"{key}: {_cell(value)}", soft_wrap=True)


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case str():
            return value if value.isprintable() else repr(value)
        case bool():
            return str(value)
        case int():
            return f"{value:,}"
        case dict():
            return ", ".join(f"{k}: {_cell(v)}" for k, v in value.items())
        case list() if value and isinstance(value[0], dict):
            return f"{len(value):,}"
        case list() if len(value) > _FIRST:
            return f"{len(value):,}: {_cell(value[:_FIRST])} …"
        case list() | tuple():
            return ", ".join(map(_cell, value))
        case _:
            return str(value)
