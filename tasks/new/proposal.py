"""What is proposed beside Raw: common schemas with mappings, and decisions on columns that say who somebody is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from spark.checks import Checks
from spark.errors import DataError
from spark.privacy import Decision, Drop, Hash, Privacy, decisions_for, flagged
from spark.profiling.profiler import profile
from spark.profiling.profiles import DatasetProfile
from spark.recognising import recognise, recognise_table
from tasks.new.datasets import Found
from tasks.new.mapping import Proposed, day_patterns, propose


class Proposal(NamedTuple):
    """Mappings as source, `text`; the lines that publish them, or would; decisions by dataset and column; what is to
    do. `mapped` has the names of schemas by dataset, of those that a run publishes.
    """

    text: str = ""
    publishes: tuple[str, ...] = ()
    decisions: Mapping[str, Mapping[str, Decision]] = {}
    notes: tuple[str, ...] = ()
    mapped: Mapping[str, tuple[str, ...]] = {}


def proposal(datasets: Sequence[Found], slug: str) -> Proposal:
    """What the sample allows: a mapping goes live where nothing in it is anybody's, and all of the sample's rows fit.

    Else it stands there with its last step as a comment: who has decided, or mended it, takes the mark away.
    """
    decided: dict[str, dict[str, Decision]] = {}
    best: dict[str, tuple[Proposed, Found, DatasetProfile]] = {}
    for found in datasets:
        profiled = profile([plain.table for plain in found.plains[:1]], found.plains[0].schema)
        top = {name: of for name, of in profiled.columns.items() if "." not in name}
        recognised = recognise_table(top)
        within = {name: recognise(of) for name, of in profiled.columns.items() if "." in name and of.filled}
        persons = {name: of for name, kinds in {**recognised, **within}.items() if (of := flagged(kinds))}
        known = profiled.columns
        patterns = {name: days for name in persons if (days := day_patterns(known[name]))}
        made = {name: _fitting(of, known[name].type) for name, of in decisions_for(persons, slug, patterns).items()}
        if made:
            decided[found.name] = made
        proposed = propose(found.name, found.plains[0].table, top, recognised)
        better = best.get(str(proposed.schema)) if proposed else None
        if proposed and (better is None or len(better[0].columns) < len(proposed.columns)):
            best[str(proposed.schema)] = (proposed, found, profiled)
    texts, lines, notes, mapped = list[str](), list[str](), list[str](), dict[str, tuple[str, ...]]()
    for proposed, found, profiled in _in_order(best):
        line = f'publish(transform(raw, to={_class(proposed)}, by={{"{found.name}": {proposed.constant}}}))'
        tried, why = _tried(proposed, found, profiled, decided.get(found.name, {}), slug)
        texts.append(tried.code())
        if why is None:
            lines.append(line)
            mapped[found.name] = (*mapped.get(found.name, ()), str(proposed.schema))
        else:
            lines.append(f"# {line}")
            notes.append(
                f"{found.name} as {proposed.schema}: {why}; then uncomment the last line of it, and import "
                f"publish, transform and {_class(proposed)}"
            )
    if decided:
        hashes = any(isinstance(of, Hash) for each in decided.values() for of in each.values())
        notes.insert(
            0, f"`privacy`: what is proposed is the strictest{f', its key the hash-key block {slug}' if hashes else ''}"
        )
    return Proposal("".join(f"\n{each}" for each in texts), tuple(lines), decided, tuple(notes), mapped)


def _fitting(decision: Decision, kind: str) -> Decision:
    """The decision, or, where the column's type is none that it is for, nothing of the column."""
    plain = kind == "string" or (isinstance(decision, Hash) and kind.startswith(("int", "double", "uint", "float")))
    return decision if plain or isinstance(decision, Drop) else Drop()


def _class(proposed: Proposed) -> str:
    return "".join(word.capitalize() for word in str(proposed.schema).split("_"))


def _in_order(
    best: Mapping[str, tuple[Proposed, Found, DatasetProfile]],
) -> list[tuple[Proposed, Found, DatasetProfile]]:
    """What others refer to comes before them."""
    order = ("provider", "organization", "patient", "encounter", "claim", "claim_line", "drug", "drug_package")
    return [best[name] for name in order if name in best]


def _tried(
    proposed: Proposed, found: Found, profiled: DatasetProfile, decided: Mapping[str, Decision], slug: str
) -> tuple[Proposed, str | None]:
    """The mapping without columns whose values are lost, and why it cannot go live; None where it can."""
    reads = proposed.mapping.reads
    if personal := [name for name in reads if name in decided]:
        return proposed, f"decide on {_some(personal)}"
    if personal := [name for name in profiled.columns if name in reads and flagged(recognise(profiled.columns[name]))]:
        return proposed, f"say by `phi` or `privacy` that {_some(personal)} are nobody's"
    lost, held = _lost(proposed, found.plains[0].table, found.plains[0].schema, slug)
    required = {column.name for column in proposed.schema.columns if column.required}
    if held or lost & required:
        return proposed, f"rows of the sample do not fit ({held or ', '.join(sorted(lost))})"
    return proposed.without(sorted(lost)), None


def _some(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _lost(proposed: Proposed, table: pa.Table, schema: pa.Schema, slug: str) -> tuple[set[str], str]:
    """Columns that lose more of the sample's values than checks allow, and why rows are held: the transform says it."""
    from spark.session import session
    from spark.transform import Input, transform

    with TemporaryDirectory(prefix="inlet-new-") as folder:
        rows = table.add_column(0, "_file", pa.repeat(pa.scalar("sample"), table.num_rows))
        rows = rows.add_column(0, "_drop", pa.repeat(pa.scalar("sample"), table.num_rows)).cast(schema)
        path = Path(folder) / "sample.parquet"
        pq.write_table(rows, path)
        given = Input([f"file://{path}"], schema, rows.num_rows, proposed.mapping, Privacy())
        into, held_into = f"file://{folder}/into", f"file://{folder}/held"
        try:
            done = transform(session(), [given], proposed.schema, slug, into=into, held_into=held_into)
        except DataError as error:
            return set(), type(error).__name__
    limit = Checks().lost
    lost = {name for name, n in done.lost.items() if n > limit * done.given[name]}
    return lost, ", ".join(f"{n:,} {reason}" for reason, n in done.reasons.items())
