"""compliance: the decisions on columns that say who somebody is, and that there are some before a source is published.

A column wants a decision where a mapping reads it and it is recognised, by its profile or, without one, by its name, as
one of HIPAA's identifiers; or where it has lists, into which no profile looks. So does a field within a column of which
a mapping reads any: rows that are held have all of it. What no mapping reads stays in Raw, where all columns are as
they came.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Dict

import pyarrow as pa
from pydantic import SecretStr

from blocks.errors import Misconfigured
from blocks.hash_key import HashKey
from spark.errors import Undecided
from spark.mapping import Mapping
from spark.privacy import Hash, Privacy, flagged, known_by
from spark.profiling.profiles import ColumnProfile
from spark.profiling.recognised import Recognised
from spark.profiling.shown import shows_values
from spark.recognising import recognise
from spark.schemas import Schema
from tasks import profiles
from tasks.convert import Raw
from tasks.drop import Drop
from tasks.engine import Log
from tasks.events import emit
from tasks.run import Run
from tasks.source import Source


def privacies(source: Source, datasets: Iterable[str], drop: Drop) -> dict[str, Privacy]:
    """What was decided on the columns of datasets, with the keys that this takes; raises `Misconfigured`."""
    keys: dict[str, SecretStr] = {}
    found = {}
    for name in datasets:
        decisions = source.datasets[name].privacy if name in source.datasets else {}
        for decision in decisions.values():
            if isinstance(decision, Hash) and decision.key not in keys:
                keys[decision.key] = _key(decision.key)
        found[name] = Privacy(decisions, keys, drop.as_of)
    return found


def said(decided: Dict[str, Privacy], by: Dict[str, Mapping]) -> list[str]:
    """What of the decisions a transform's result depends on: those by which its mappings see something else."""
    return [
        f"{name}.{path}: {change!r}{f' {known_by(privacy.keys[change.key])}' if isinstance(change, Hash) else ''}"
        for name, privacy in sorted(decided.items())
        for path in sorted({*by[name].reads, *privacy.decisions})
        if path.partition(".")[0] in by[name].reads and (change := privacy.changes(path))
    ]


def published(run: Run, to: Schema) -> bool:
    """Whether rows of the run's source are, or were, in a schema's `current`."""
    return run.source.slug in run.tables.marks(f"current.{to}", "source")


def assert_decided(raw: Raw, to: Schema, by: Dict[str, Mapping], run: Run, log: Log) -> None:
    """Raise `Undecided` where mappings read columns that want a decision and have none, and warn once all is published.

    A source that declares that it holds nobody's data wants none.
    """
    if shows_values(run.source.phi):
        return
    found = dict(_undecided(raw, by, run))
    if not found:
        return
    names = ", ".join(f"{column} ({what.kind.replace('_', ' ')})" for column, what in found.items())
    what = f"{run.source.slug} {raw.drop} to {to}: nobody has decided on {names}"
    refused = not published(run, to)
    emit("inlet.compliance.flagged", raw.drop, schema=str(to), what=what, columns=[*found], refused=refused)
    if refused:
        raise Undecided(what)
    log.warning("%s, and it has been published before", what)


def _undecided(raw: Raw, by: Dict[str, Mapping], run: Run) -> Iterator[tuple[str, Recognised]]:
    known = profiles.read(run.lake, raw.drop, raw.fingerprint)
    for name, mapping in by.items():
        if name not in raw.datasets:
            continue
        columns = known[name].columns if name in known else _by_name(name, run)
        for path, about in columns.items():
            names, decisions = path.split("."), run.source.datasets[name].privacy
            decided = any(".".join(names[:n]) in decisions for n in range(1, len(names) + 1))
            if names[0] in mapping.reads and not decided and (found := flagged(recognise(about)) or _unseen(about)):
                yield f"{name}.{path}", found


def _by_name(dataset: str, run: Run) -> dict[str, ColumnProfile]:
    """What is known of columns without a profile, fields of structs in place of these."""
    found = {}
    for path, field in _leaves(run.tables.schema(run.source.table("raw", dataset))):
        original, _, label = (field.metadata or {}).get(b"doc", field.name.encode()).decode().partition(": ")
        found[path] = ColumnProfile(name=path, original=original, label=label, type=str(field.type))
    return found


def _leaves(fields: Iterable[pa.Field], above: str = "") -> Iterator[tuple[str, pa.Field]]:
    for field in fields:
        if pa.types.is_struct(field.type):
            yield from _leaves(field.type, f"{above}{field.name}.")
        elif above or field.name not in ("_drop", "_file", "_record"):
            yield f"{above}{field.name}", field


def _unseen(column: ColumnProfile) -> Recognised | None:
    """What a column is taken for whose values nothing looked at: lists and maps may hold anybody's."""
    return Recognised(kind="list", confidence=1.0, phi="text") if column.is_nested else None


def _key(name: str) -> SecretStr:
    try:
        block = HashKey.load(name)
    except ValueError as error:
        raise Misconfigured(f"there is no hash key block named {name!r}") from error
    key: SecretStr = block.key  # type: ignore[union-attr]  # Prefect's load may be async
    return key
