"""expect: what a source's drops are to be like: judged by their profiles before a publish, drafted from a good one."""

from collections.abc import Iterable, Iterator
from typing import Any

from blocks.lake import Lake
from spark.checks import Failure, unexpected
from spark.profiling.expectations import broken, code, draft
from spark.profiling.profiles import ColumnProfile, DatasetProfile
from tasks import decisions, manifest, profiles
from tasks.convert import Raw, RawDataset
from tasks.decisions import Refused
from tasks.drop import Drop
from tasks.run import Run
from tasks.source import Source


def judge(raw: Raw, datasets: Iterable[str], run: Run) -> tuple[Failure, ...]:
    """The expectations that a drop's datasets do not meet; none where none are declared."""
    declared = {name: run.source.datasets[name].expect for name in datasets if name in raw.datasets}
    if not any(declared.values()):
        return ()
    kept, before = profiles.read(run.lake, raw.drop, raw.fingerprint), last(raw.drop, run)
    then = profiles.read(run.lake, before) if before else {}
    return tuple(
        failure
        for name, expected in declared.items()
        if expected is not None
        for failure in unexpected(
            broken(kept.get(name) or counted(raw.datasets[name]), expected, then.get(name)),
            name,
            f"{run.source.table('raw', name)} where _drop = '{raw.drop}'",
        )
    )


def compared(drop: Drop, run: Run) -> list[Any]:
    """What decides, beside a drop's own rows, whether it is as expected: the limits, and the drop before it."""
    declared = [(name, dataset.expect) for name, dataset in run.source.datasets.items() if dataset.expect]
    before = last(drop, run) if declared else None
    return [declared, before and (before.key, before.revision)] if declared else []


def earlier(drop: Drop, run: Run) -> list[Drop]:
    """The drops of the same kind and part that landed and come before it, in their order; not those that are held."""
    return [before for before, _ in _earlier(drop, run)]


def last(drop: Drop, run: Run) -> Drop | None:
    """The one that a drop is compared with: the last that went all the way, else the last."""
    found = _earlier(drop, run)
    through = [before for before, done in found if done] or [before for before, _ in found]
    return through[-1] if through else None


def _earlier(drop: Drop, run: Run) -> list[tuple[Drop, bool]]:
    held = decisions.read(run.lake, drop.source).held_drops
    landed = [
        (before, made.finished >= before.revision)
        for made in manifest.landed(run.lake, run.source).values()
        if made.revisions and made.drop not in held
        for before in [made.as_drop()]
    ]
    alike = [one for one in landed if (one[0].kind, one[0].part) == (drop.kind, drop.part)]
    return sorted(
        (one for one in alike if one[0].order < drop.order and one[0].key != drop.key), key=lambda one: one[0].order
    )


def counted(raw: RawDataset) -> DatasetProfile:
    """What the conversion has counted, as a profile of which nothing was sampled."""
    columns = {
        name: ColumnProfile(name=name, original=name, rows=raw.rows, nulls=nulls) for name, nulls in raw.nulls.items()
    }
    return DatasetProfile(rows=raw.rows, columns=columns)


def drafted(source: Source, lake: Lake, drop: str, dataset: str | None = None) -> Iterator[tuple[str, str]]:
    """For each dataset of a drop that is known to be good, or one, the code of what its next drops should be like.

    Raises `Refused` where there is no such drop or dataset, or nothing is known of it.
    """
    landed = manifest.read(lake, source.slug, drop)
    if landed is None or not landed[0].revisions:
        raise Refused(f"{source.slug} has no drop {drop} that landed")
    if dataset is not None and dataset not in source.datasets:
        raise Refused(f"{source.slug} has no dataset {dataset}, but {', '.join(source.datasets)}")
    kept = profiles.read(lake, landed[0].as_drop())
    if not (kept and (dataset is None or dataset in kept)):
        raise Refused(f"there is no profile of {source.slug} {drop} {dataset or ''}".rstrip() + ": convert it anew")
    for name, profile in kept.items():
        if dataset in (None, name):
            yield name, code(draft(profile, source.phi))
