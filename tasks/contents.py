"""contents: what a party's list inside the wrapping says of the files beside it, and what was cut of them."""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tasks.source import Contents

Row = Mapping[str, object]


class Cut(NamedTuple):
    """What was cut of a plain file: its records, with those that were rejected, and what a whole one has of columns.

    `length` is None where the format fixes no length.
    """

    records: int
    length: int | None = None


def contradictions(
    spec: Contents,
    lists: Mapping[str, Sequence[Row]],
    files: Mapping[str, Cut],
    delivered: Sequence[str],
    ignored: Callable[[str], bool],
) -> list[str]:
    """In what the lists and the files of a drop contradict each other, each in words; nothing where they agree.

    `lists` are the rows of each, `files` all other plain files, both by their names in the drop (`a.zip/b.csv`). Each
    `delivered` file is to hold a list. `ignored` tells files that are no data. What is said names files, but repeats
    nothing that stands in a list and is neither a file's name nor a number.
    """
    found = [
        f"{file}: there is no list of its files ({spec.dataset}) in it"
        for file in delivered
        if not any(name.startswith(f"{file}/") for name in lists)
    ]
    listed = set[str]()
    for name, rows in lists.items():
        beside = {file: cut for file, cut in files.items() if file.startswith(f"{posixpath.dirname(name)}/")}
        for number, row in enumerate(rows, 1):
            if not (entry := _text(row, spec.name)):
                found.append(f"{name}: record {number:,} has no {spec.name}")
                continue
            of = {file: cut for file, cut in beside.items() if _is(entry, spec, file, name)}
            listed |= of.keys()
            if of or not ignored(entry):
                shown = entry if entry in spec.files else f"record {number:,} of {posixpath.basename(name)}"
                found += _differences(spec, row, shown, of)
        found += [
            f"{posixpath.basename(file)}: {cut.records:,} records found, and the list does not name it"
            for file, cut in beside.items()
            if file not in listed
        ]
    return found


def _is(entry: str, spec: Contents, file: str, of: str) -> bool:
    """Whether a name in a list is that of a file: its own, or its path from where the list stands."""
    pattern = spec.files.get(entry, re.escape(entry))
    return any(
        re.fullmatch(pattern, name)
        for name in (posixpath.basename(file), file.removeprefix(f"{posixpath.dirname(of)}/"))
    )


def _differences(spec: Contents, row: Row, shown: str, files: Mapping[str, Cut]) -> Iterator[str]:
    """How files that one row speaks of differ from what it says."""
    shown = ", ".join(map(posixpath.basename, files)) or shown
    for column, unit, found in (
        (spec.records, "records", {sum(cut.records for cut in files.values())}),
        (spec.length, "columns a record", {cut.length for cut in files.values() if cut.length is not None}),
    ):
        if column is None:
            continue
        said = _text(row, column).replace(",", "")
        if not said.isdecimal():
            yield f"{shown}: no number stands in the list as {column}"
        elif not files and column == spec.records:
            if int(said):  # a file of no records need not be there
                yield f"{shown}: {int(said):,} {unit} by the list, but there is no such file"
        else:
            yield from (f"{shown}: {int(said):,} {unit} by the list, {have:,} found" for have in found - {int(said)})


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value).strip()
