"""cancelled: ends what the cluster still has of runs that were cancelled while their pods waited for a node.

A run whose pod runs ends itself when it is cancelled. One whose pod waits cannot, and the worker looks after a run only
until it has made its Job: the pod would wait on, and begin a run that nobody wants. This looks at the Jobs
that there are, so it keeps nothing and misses nothing, whoever was restarted meanwhile. It stands beside each worker:

    python -m deployments.cancelled
"""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, ApiException, BatchV1Api, V1Job
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelled
from prefect_kubernetes.settings import KubernetesSettings

EVERY = 5.0
"""Seconds between two looks."""

GRACE = timedelta(seconds=20)
"""So long the pod of a run that is cancelled may take to end by itself."""

RUN = "prefect.io/flow-run-id"

log = logging.getLogger("inlet.cancelled")


async def end(jobs: BatchV1Api, prefect: PrefectClient, namespace: str) -> None:
    """Delete the Jobs of a namespace whose runs are cancelled and whose pods do not run, with their pods."""
    found = (await jobs.list_namespaced_job(namespace, label_selector=RUN)).items
    of_run = {UUID(job.metadata.labels[RUN]): job for job in found if not job.status.ready and not _finished(job)}
    for run in await _unwanted(prefect, of_run):
        name = of_run[run.id].metadata.name
        log.info("%s was cancelled while its pod waited: its Job %s is deleted", run.name, name)
        try:
            await jobs.delete_namespaced_job(name, namespace, propagation_policy="Background")
        except ApiException as error:
            if error.status != 404:  # another worker's neighbour was faster
                raise
        await prefect.set_flow_run_state(run.id, Cancelled(message="Cancelled while its pod waited"), force=True)


def _finished(job: V1Job) -> bool:
    return any(said.type in ("Complete", "Failed") and said.status == "True" for said in job.status.conditions or ())


async def _unwanted(prefect: PrefectClient, ids: Iterable[UUID]) -> list[FlowRun]:
    """Those of these runs whose Jobs nobody else will end."""
    asked = list(ids)
    found: list[FlowRun] = []
    for start in range(0, len(asked), 200):  # the most that the server gives at once
        some = FlowRunFilter(id=FlowRunFilterId(any_=asked[start : start + 200]))
        found += await prefect.read_flow_runs(flow_run_filter=some)
    return [run for run in found if _is_unwanted(run)]


def _is_unwanted(run: FlowRun) -> bool:
    if run.state is None:
        return False
    ends_itself = datetime.now(UTC) - run.state.timestamp < GRACE
    return run.state.is_cancelling() or (run.state.is_cancelled() and not ends_itself)


async def main() -> None:
    """Look again and again; what cannot be reached now is asked the next time."""
    try:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    except config.ConfigException:
        await config.load_kube_config()
    namespaces = sorted(KubernetesSettings().observer.namespaces)
    async with ApiClient() as api, get_client() as prefect:
        while True:
            for namespace in namespaces:
                try:
                    await end(BatchV1Api(api), prefect, namespace)
                except Exception as error:  # whichever of the two is away comes back
                    log.warning("%s: not looked at: %s: %s", namespace, type(error).__name__, error)
            await asyncio.sleep(EVERY)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())
