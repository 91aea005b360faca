"""Whether each source's drops come when they should: hourly, from the lake alone, as an artifact and by events.

A drop that is overdue by its source's cadence is told once, as `inlet.drop.late`; when it has landed, so is
`inlet.source.recovered`. A source that is held raises no alarm.
"""

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.freshness import measure, row, tell
from tasks.manifest import now
from tasks.run import load_lake
from tasks.source import sources
from tasks.status import standing


@flow(name="freshness", flow_run_name="freshness")
def freshness() -> State[None]:
    """Show each source's last drop, when the next one is expected, and its health; tell of drops that are late."""
    lake, known, at = load_lake(), sources(), now()
    found = standing(known.values(), lake)
    rows = [row(known[stands.source], stands) for stands in found]
    create_table_artifact(rows, key="freshness", description=f"Where each source stands at {at:%Y-%m-%d %H:%M} UTC")
    changes = []
    for stands in found:
        measure(stands, at)
        changes += [
            f"{stands.source}: {change.event.rpartition('.')[2]} ({change.drop.kind})"
            for change in tell(known[stands.source], stands, lake, at)
        ]
    late = [stands.source for stands in found if stands.overdue and stands.used and not stands.held]
    return Completed(message="; ".join([f"Late: {', '.join(late) or 'none'}", *changes]))
