"""status: where each source stands, read from the lake alone."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from blocks.lake import Lake
from tasks import decisions
from tasks.cadence import Expected, expected
from tasks.decisions import Decision
from tasks.discover import asked, pending
from tasks.manifest import Manifest, landed, now
from tasks.source import Source

if TYPE_CHECKING:
    from pyiceberg.table import Table


class Current(BaseModel, frozen=True):
    """What `current` has of a source for one schema, and when that was published last, if a snapshot still says so."""

    table: str
    rows: int
    at: datetime | None


class Standing(BaseModel, frozen=True):
    """One source: its last drop, what is in `current`, what is to come, and what needs a look.

    `used` is whether anybody ever looked for its drops. `through_as_of` is up to when the drops speak that went all the
    way. `expected` is the drop of each kind that comes next by its calendar, or that is overdue.
    `held` is why nothing of it is done, `held_drops` why drops are held. `overdue` says which should be there,
    `pending` which are listed but not landed, `unfinished` which landed but are not through, `failed` why, `candidates`
    what checks found, by drop and table, `accepted` why the next run takes failed ones all the same. `interrupted` are
    decisions of which nobody knows what came.
    """

    source: str
    used: bool
    landed: int
    last_drop: str | None
    last_as_of: datetime | None
    last_landed_at: datetime | None
    through_as_of: datetime | None
    current: list[Current]
    held: Decision | None
    held_drops: dict[str, Decision]
    expected: list[Expected]
    overdue: list[str]
    pending: list[str]
    unfinished: list[str]
    failed: dict[str, str]
    candidates: dict[str, dict[str, str]]
    accepted: dict[str, Decision]
    interrupted: list[Decision]

    def notes(self) -> Iterator[str]:
        """What needs a look, in a line each."""
        slug = self.source
        if self.held:
            yield f"{slug} is held: {self.held.why}"
        for drop, hold in self.held_drops.items():
            yield f"{slug} {drop} is held: {hold.why}"
        for decision in self.interrupted:
            yield f"{slug}: not known to be done, so do it again: {decision}"
        for drop, tables in self.candidates.items():
            for failures in tables.values():  # each says where to look
                yield f"{slug} {drop} failed its checks: {failures}"
        for drop, why in self.failed.items():
            if drop not in self.candidates:
                yield f"{slug} {drop} failed: {why}"
        for drop, decision in self.accepted.items():
            yield f"{slug} {drop} is accepted, for the next run: {decision.why}"
        waiting = [drop for drop in self.unfinished if drop not in self.failed and drop not in self.held_drops]
        for what, drops in (("landed, not through", waiting), ("listed, not landed", self.pending)):
            if drops:
                yield f"{slug}: {what}: {_listed(drops)}"
        for late in self.overdue:
            yield f"{slug} is overdue: {late}"


def standing(sources: Iterable[Source], lake: Lake) -> list[Standing]:
    """How each source stands."""
    manifests = [(source, landed(lake, source)) for source in sources]
    tables = _Tables(lake) if any(of for _, of in manifests) else None  # to look makes a catalog where there is none
    found = []
    for source, of in manifests:
        drops = sorted((m.as_drop() for m in of.values() if m.revisions), key=lambda drop: drop.order)
        decided, at = decisions.read(lake, source.slug), now()
        to_come = expected(source, drops, at)
        found.append(
            Standing(
                source=source.slug,
                used=bool(drops) or asked(source, lake),
                landed=len(drops),
                last_drop=drops[-1].key if drops else None,
                last_as_of=drops[-1].as_of if drops else None,
                last_landed_at=of[drops[-1].key].latest.landed_at if drops else None,
                through_as_of=max((d.as_of for d in drops if of[d.key].finished >= d.revision), default=None),
                current=list(tables.current(source)) if tables else [],
                held=decided.held,
                held_drops=decided.held_drops,
                expected=to_come,
                overdue=[drop.said(ZoneInfo(source.zone)) for drop in to_come if drop.late(at)],
                pending=pending(source, lake),
                unfinished=[d.key for d in drops if of[d.key].finished < d.revision],
                failed={key: m.failed for key, m in of.items() if m.failed},
                candidates=tables.candidates(source, [of[d.key] for d in drops]) if tables else {},
                accepted={d.key: why for d in drops if of[d.key].failed and (why := decided.accepted(d))},
                interrupted=decided.interrupted,
            )
        )
    return found


class _Tables:
    """The tables that sources share, each loaded once."""

    def __init__(self, lake: Lake) -> None:
        from spark.schemas import SCHEMAS
        from spark.still import Still  # pyiceberg takes most of a second to load

        tables = Still(lake.catalog_properties(), lake.url())
        self._tables = tables
        self._current = {name: table for schema in SCHEMAS if (table := tables.get(name := f"current.{schema}"))}
        names = [f"candidate.{schema}" for schema in SCHEMAS]
        self._candidates = {name: marks for name in names if (marks := tables.marks(name, "drop"))}

    def current(self, source: Source) -> Iterator[Current]:
        for name, table in self._current.items():
            if source.slug in self._tables.marks(name, "source"):
                rows = self._tables.rows(name, _source=source.slug)
                yield Current(table=name, rows=rows, at=_published(table, source.slug))

    def candidates(self, source: Source, manifests: Iterable[Manifest]) -> dict[str, dict[str, str]]:
        """What checks found in drops that are not through, by drop and table."""
        found: dict[str, dict[str, str]] = {}
        for manifest in manifests:
            for name, marks in self._candidates.items():
                mark = marks.get(f"{source.slug}/{manifest.drop}")
                if mark and mark["failures"] and manifest.failed and mark["revision"] == manifest.latest.number:
                    found.setdefault(manifest.drop, {})[name] = "; ".join(map(str, mark["failures"]))
        return found


def _published(table: "Table", slug: str) -> datetime | None:
    """When a source last changed what is in a table, by the snapshots that are kept."""
    by_source = [s.timestamp_ms for s in table.metadata.snapshots if s.summary and s.summary["inlet.source"] == slug]
    return datetime.fromtimestamp(max(by_source) / 1000, UTC) if by_source else None


def _listed(drops: Sequence[str]) -> str:
    more = f" and {len(drops) - _FIRST} more" if len(drops) > _FIRST else ""
    return f"{', '.join(drops[:_FIRST])}{more}"


_FIRST = 12
