"""`inlet`: the stages on local paths and URLs, with no server; an engineer's bench tool."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from blocks.errors import PlaceError
from spark.errors import DataError

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
    sample: str,
    name: Annotated[str | None, typer.Option(help="The source's slug; else from the file's name.")] = None,
    flows: Annotated[Path, typer.Option(help="The folder that the flow's file is written to.")] = Path("flows"),
    as_json: AsJson = False,
) -> None:
    """Draft a source from a sample of its files: a flow that runs as written, and its entry for prefect.yaml."""
    from tasks.new import draft

    _show(draft(sample, name, flows).model_dump(mode="json"), as_json)


@app.command()
def status(
    lake: Annotated[str, typer.Option(envvar="INLET_LAKE_ROOT", help="The lake's root.")] = "lake",
    as_json: AsJson = False,
) -> None:
    """Per source: the last drop, what is pending, what failed."""
    from blocks.lake import Lake
    from tasks.source import sources
    from tasks.status import standing

    found = standing(sources().values(), Lake(root=lake))
    _show({"lake": lake, "sources": [s.model_dump(mode="json") for s in found]}, as_json)


@app.command()
def optimise(
    source: Annotated[str, typer.Argument(help="The source's slug.")],
    lake: Annotated[str, typer.Option(envvar="INLET_LAKE_ROOT", help="The lake's root.")] = "lake",
    as_json: AsJson = False,
) -> None:
    """Join the small files of a source's tables in Raw."""
    from blocks.lake import Lake
    from tasks.optimise import joined
    from tasks.source import sources

    known = sources()
    if source not in known:
        raise typer.BadParameter(f"there is no source {source!r}, only {', '.join(known)}")
    done = joined(known[source], Lake(root=lake))
    _show({"source": source, "tables": [{"table": name, **j.model_dump()} for name, j in done.items()]}, as_json)


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
    console = Console(markup=False, highlight=False)
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
