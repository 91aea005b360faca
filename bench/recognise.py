"""`make bench-recognise`: how many columns are recognised rightly, and how many identifiers of persons are missed.

Columns of the real samples below INLET_REALDATA, labelled by hand (`bench/labels`), are recognised by name and values
together, by name alone, and by values alone under a name that says nothing; columns of other systems and of inlet's
own common schemas by name. Of a flag, recall is the share of identifiers that are flagged at all, and precision the
share of flagged columns that are identifiers: a provider's or a program's are not. Texts of presidio's own evaluation
say what `hidden` finds. The tables go into `docs/recognised.md`, between its marks.

    INLET_REALDATA=../shared/realdata python -m bench.recognise
"""

import importlib
import json
import os
import pkgutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

import spark.schemas
from bench.labelled import Labelled, header_only, labelled, profiles
from spark.profiling.profiles import ColumnProfile
from spark.recognising import hidden, recognise, recognise_table
from spark.schemas.base import Schema

DOCS = Path("docs/recognised.md")
BEGIN, END = "<!-- results -->", "<!-- end of results -->"

PRESIDIO = "pii/presidio/generated_small.json"
SPANS = {
    "PERSON": "name",
    "ADDRESS": "geography",
    "LOCATION": "geography",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "account_number",
    "DATE_TIME": "date",
    "DOMAIN_NAME": "url",
    "US_SSN": "ssn",
    "IP_ADDRESS": "ip",
    "EMAIL_ADDRESS": "email",
    "US_DRIVER_LICENSE": "license_number",
}
"""Presidio's entities that are identifiers of a person; organizations and titles are none."""

Told = tuple[Labelled, str, str | None]
"""A labelled column, and the kind and identifier that it is said to be; "" for none."""


Look = Callable[[ColumnProfile], ColumnProfile]


class Score(NamedTuple):
    """What was right, what was said wrongly, and what was missed."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """The share of what was said that is right."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """The share of what is that was said."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        return 2 * self.right / (2 * self.right + self.wrong + self.missed) if self.right else 0.0


def by_name(column: ColumnProfile) -> ColumnProfile:
    """The column as a header alone shows it."""
    return ColumnProfile(name=column.name, original=column.original, label=column.label)


def by_values(column: ColumnProfile) -> ColumnProfile:
    """The column under a name that says nothing."""
    return column.model_copy(update={"name": "col7", "original": "col7", "label": ""})


def told(columns: Iterable[Labelled], seen: Look = lambda column: column) -> list[Told]:
    """What is said of each column, looked at in some way; those of which nothing is left to look at are left out."""
    found: list[Told] = []
    for one in columns:
        looked_at = seen(one.column)
        if looked_at.original != "col7" or looked_at.values or looked_at.examples:
            best = recognise(looked_at)
            found.append((one, best[0].kind if best else "", best[0].phi if best else None))
    return found


def told_in_tables(root: Path, columns: Iterable[Labelled]) -> list[Told]:
    """What is said of each column beside the others of its file."""
    tables: dict[str, dict[str, tuple[str, str | None]]] = {}
    found = []
    for one in columns:
        if one.file not in tables:
            whole = {column.name: column for column in profiles(root, one.file)}
            tables[one.file] = {
                name: (best[0].kind, best[0].phi) if best else ("", None)
                for name, best in recognise_table(whole).items()
            }
        found.append((one, *tables[one.file][one.column.name]))
    return found


def flags(found: Iterable[Told]) -> Score:
    """Identifiers that are flagged, as whichever."""
    pairs = Counter((one.phi is not None, phi is not None) for one, _, phi in found)
    return Score(pairs[True, True], pairs[False, True], pairs[True, False])


def kinds(found: Sequence[Told]) -> dict[str, Score]:
    """By kind; a column whose label allows several is of the one that was said, if that is among them."""
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for one, kind, _ in found:
        if kind in one.kinds:
            right[kind] += 1
        else:
            missed[one.kinds[0]] += 1
            wrong[kind] += 1
    return {kind: Score(right[kind], wrong[kind], missed[kind]) for kind in sorted({*right, *wrong, *missed} - {""})}


def of_schemas() -> Iterator[Labelled]:
    """Columns of the common schemas, which say themselves which identifiers they are."""
    schemas: dict[str, Schema] = {}
    for module in pkgutil.iter_modules(spark.schemas.__path__):
        for value in vars(importlib.import_module(f"spark.schemas.{module.name}")).values():
            if isinstance(value, Schema):
                schemas[str(value)] = value
    for name, schema in schemas.items():
        for column in schema.columns:
            yield Labelled(name, ColumnProfile(name=column.name, original=column.name), (), column.phi)


def of_texts(path: Path) -> dict[str, Score]:
    """What `hidden` finds in each of presidio's texts, by identifier."""
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for one in json.loads(path.read_text()):
        truth = {SPANS[span["entity_type"]] for span in one["spans"] if span["entity_type"] in SPANS}
        found = {str(recognised.phi) for recognised in hidden([one["full_text"]])}
        right.update(truth & found)
        wrong.update(found - truth)
        missed.update(truth - found)
    return {phi: Score(right[phi], wrong[phi], missed[phi]) for phi in sorted({*right, *wrong, *missed})}


def _rows(root: Path, parts: dict[str, list[Labelled]]) -> Iterator[tuple[str, list[Told]]]:
    """Each set of columns, and each way to look at them."""
    for part, columns in parts.items():
        yield f"{part}: name and values", told(columns)
        yield f"{part}: in their table", told_in_tables(root, columns)
        yield f"{part}: name alone", told(columns, by_name)
        yield f"{part}: values alone", told(columns, by_values)
    yield "names of other systems: name alone", told(header_only("names"))
    yield "names in the wild: name alone", told(header_only("wild"))
    yield "inlet's common schemas: name alone", told(of_schemas())


def _tables(root: Path) -> Iterator[str]:
    """The page's tables, line by line."""
    parts = {"tuning": list(labelled(root, "tuning")), "held out": list(labelled(root, "held_out"))}
    yield "| columns | n | identifiers | flagged: recall | precision | of the right sort | kind right |"
    yield "|---|---|---|---|---|---|---|"
    held: list[Told] = []
    for name, found in _rows(root, parts):
        held = found if name == "held out: name and values" else held
        score = flags(found)
        sort = [phi == one.phi for one, _, phi in found if one.phi and phi]
        known = [kind in one.kinds for one, kind, _ in found if one.kinds]
        yield (
            f"| {name} | {len(found)} | {score.right + score.missed} | {score.recall:.3f} | {score.precision:.3f} "
            f"| {sum(sort) / len(sort):.3f} | {f'{sum(known) / len(known):.3f}' if known else ''} |"
        )
    everything = [*parts["tuning"], *parts["held out"]]
    ways = [kinds(told(everything, seen)) for seen in (lambda column: column, by_name, by_values)]
    yield from (
        "",
        "| kind | n | precision | recall | F1 | F1 by name | F1 by values |",
        "|---|---|---|---|---|---|---|",
    )
    for kind, score in ways[0].items():
        others = [f"{way[kind].f1:.2f}" if kind in way else "" for way in ways[1:]]
        figures = [f"{score.precision:.2f}", f"{score.recall:.2f}", f"{score.f1:.2f}", *others]
        yield f"| {kind} | {score.right + score.missed} | {' | '.join(figures)} |"
    yield from ("", "| hidden in texts | n | precision | recall |", "|---|---|---|---|")
    for phi, score in of_texts(root / PRESIDIO).items():
        yield f"| {phi} | {score.right + score.missed} | {score.precision:.2f} | {score.recall:.2f} |"
    wide = [one.column for one in everything if one.column.values][:330]
    recognise(wide[0])
    begun = time.process_time()
    for column in wide:
        recognise(column)
    yield from (
        "",
        f"{len(wide)} columns of these, with their values, took {time.process_time() - begun:.2f} CPU seconds.",
    )


def main(
    size: Annotated[str, typer.Option(help="As other benchmarks have it; there is one size")] = "small",
    docs: Annotated[Path, typer.Option(help="The page that the tables go into")] = DOCS,
) -> None:
    """Measure, and write the tables into the page."""
    root = os.environ.get("INLET_REALDATA")
    if not root:
        raise typer.BadParameter("set INLET_REALDATA to the folder of real samples")
    lines = list(_tables(Path(root)))
    before, _, rest = docs.read_text().partition(BEGIN)
    docs.write_text("\n".join([f"{before}{BEGIN}", *lines, f"{END}{rest.partition(END)[2]}"]))
    typer.echo("\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
