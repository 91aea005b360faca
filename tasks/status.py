"""status: where each source stands, read from the lake alone."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel

from blocks.lake import Lake
from tasks.cadence import overdue
from tasks.discover import pending
from tasks.manifest import landed, now
from tasks.source import Source


class Standing(BaseModel, frozen=True):
    """One source: its last drop, what is overdue, drops listed but not landed, landed but not finished, and failed."""

    source: str
    landed: int
    last_drop: str | None
    last_as_of: datetime | None
    overdue: list[str]
    pending: list[str]
    unfinished: list[str]
    failed: dict[str, str]


def standing(sources: Iterable[Source], lake: Lake) -> list[Standing]:
    """How each source stands."""
    found = []
    for source in sources:
        manifests = landed(lake, source)
        drops = sorted((m.as_drop() for m in manifests.values() if m.revisions), key=lambda drop: drop.order)
        found.append(
            Standing(
                source=source.slug,
                landed=len(drops),
                last_drop=drops[-1].key if drops else None,
                last_as_of=drops[-1].as_of if drops else None,
                overdue=overdue(source, drops, now()),
                pending=pending(source, lake),
                unfinished=[d.key for d in drops if manifests[d.key].finished < d.revision],
                failed={key: m.failed for key, m in manifests.items() if m.failed},
            )
        )
    return found
