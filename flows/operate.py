"""The operator's verbs as a flow: what `inlet hold`, `release`, `accept`, … do, from the UI or by a schedule."""

from uuid import uuid4

from prefect import flow, get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.errors import PlaceError
from spark.errors import DataError
from tasks import operate as verbs
from tasks.decisions import ROUTINE, Refused, Verb
from tasks.ingest import Keys
from tasks.run import Run, load_lake
from tasks.source import sources


def _name() -> str:
    given = runtime.flow_run.parameters
    drops = given.get("drops") or []
    what = [drops] if isinstance(drops, str) else drops
    return " ".join(filter(None, [given["verb"], given["source"], *what, given.get("common_schema")]))


@flow(name="operate", flow_run_name=_name)
def operate(
    verb: Verb,
    source: str,
    actor: str,
    reason: str = "",
    drops: Keys = "",
    common_schema: str = "",
    confirm: str = "",
) -> State[None]:
    """Hold, release, accept, roll back, purge, optimise or expire; who wanted it and why stands in the lake.

    Args:
        verb: hold and release a source, or drops of it; accept drops over their reject limit or with a failed check;
            rollback the last publish of a schema, which holds the source; purge all of a source; optimise joins small
            files; expire removes old snapshots.
        source: The source's slug, such as nppes; for optimise and expire also all.
        actor: Who decides it, such as ana@example.org.
        reason: Why, for who reads it later; no value of a record. Optimise and expire need none.
        drops: For hold, release and accept: key of a drop, such as 2026-11, or a list of keys. Empty: the whole source.
        common_schema: For rollback: whose last publish is undone, such as provider.
        confirm: For purge: the source's slug once more, as nothing brings back what is removed.
    """
    keys = [drops] if drops and isinstance(drops, str) else list(drops)
    by, log = verbs.By(actor=actor, reason=reason), get_run_logger()
    try:
        chosen = sources().values() if source == "all" and verb in ROUTINE else [verbs.known(source)]
        lake, run_id, done = load_lake(), f"{runtime.flow_run.id}-{uuid4().hex[:8]}", []
        for one in chosen:
            run = Run(source=one, lake=lake, id=run_id)
            match verb:
                case "hold":
                    outcome = verbs.hold(run, by, keys)
                case "release":
                    outcome = verbs.release(run, by, keys)
                case "accept":
                    outcome = verbs.accept(run, by, keys)
                case "rollback":
                    outcome = verbs.rollback(run, by, common_schema)
                case "purge":
                    outcome = verbs.purge(run, by, confirm=confirm or None, log=log)
                case "optimise":
                    outcome = verbs.optimise(run, by, log=log)
                case "expire":
                    outcome = verbs.expire(run, by, log=log)
            log.info("%s", outcome)
            done.append(str(outcome))
    except (Refused, PlaceError, DataError) as error:  # whose message says it all
        log.error("%s", error)
        return Failed(message=f"{type(error).__name__}: {error}", data=error)
    return Completed(message="; ".join(done))
