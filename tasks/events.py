"""events: what happens to a source and its drops, told to Prefect, where automations act on it (docs/alerts.md).

An event says that something happened, and is no state: Prefect keeps it for a week. It holds names of columns, counts
and what errors say, but no value of a record.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from uuid import UUID

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

from spark.errors import ChecksFailed, DataError, Drifted, MissingColumns, TooManyRejected, Undecided
from tasks.drop import Drop

Happened = Literal[
    "inlet.drop.landed",
    "inlet.drop.published",
    "inlet.drop.rejected",
    "inlet.drop.held",
    "inlet.schema.drifted",
    "inlet.compliance.flagged",
    "inlet.drop.late",
    "inlet.source.recovered",
]

TOLD: tuple[type[DataError], ...] = (TooManyRejected, ChecksFailed, Drifted, MissingColumns, Undecided)
"""Errors that stop a drop and of which an event tells: who must act need not hear of them from its run as well."""


def emit(
    event: Happened,
    of: Drop | str,
    *,
    dataset: str | None = None,
    schema: str | None = None,
    id: UUID | None = None,
    **said: str | int | bool | list[str] | None,
) -> None:
    """Tell that something happened to a drop, or to the source of this slug.

    The event is of the resource `inlet.source.<slug>`; drop, dataset and common schema are related ones, to which
    Prefect adds the run, its deployment and its tags. The payload is `said`, with the names of all of these. Prefect
    sends it in the background and before the process ends. Without a server, and whatever goes wrong, nothing happens.
    """
    if not PREFECT_API_URL.value():  # else Prefect would start a server for it
        return
    slug, drop = (of.source, of) if isinstance(of, Drop) else (of, None)
    related = []
    if drop:
        about = {"prefect.resource.name": drop.key, "inlet.revision": str(drop.revision)}
        related.append(_resource(f"inlet.drop.{slug}.{drop.key}", "drop") | about)
    if dataset:
        related.append(_resource(f"inlet.dataset.{slug}.{dataset}", "dataset") | {"prefect.resource.name": dataset})
    if schema:
        related.append(_resource(f"inlet.schema.{schema}", "schema") | {"prefect.resource.name": schema})
    names = {"source": slug, "drop": drop and drop.key, "dataset": dataset, "schema": schema}
    try:
        emit_event(
            event,
            resource={"prefect.resource.id": f"inlet.source.{slug}", "prefect.resource.name": slug},
            related=related,
            payload={name: value for name, value in {**names, **said}.items() if value is not None},
            id=id,
        )
    except Exception as error:  # an alert that is lost stops no data
        logging.getLogger("inlet").warning("%s of %s is not told: %s", event, slug, error)


@contextmanager
def told(error: type[DataError], event: Happened, drop: Drop, *, schema: str) -> Iterator[None]:
    """Tell of an error that leaves the block, and so refuses the drop."""
    try:
        yield
    except error as raised:
        emit(event, drop, schema=schema, what=raised.what, refused=True)
        raise


def _resource(id: str, role: str) -> dict[str, str]:
    return {"prefect.resource.id": id, "prefect.resource.role": role}
