"""pool: the base job template of the work pool, for either type of worker."""

from copy import deepcopy
from typing import Any

from prefect.workers.process import ProcessWorker
from prefect_kubernetes.worker import KubernetesWorker

from deployments.settings import Pool, SettingsError

OURS: dict[str, dict[str, Any]] = {
    "process": {},
    # Prefect's own retries are enough: a Job that Kubernetes tries again as well would run a drop twice.
    "kubernetes": {"backoff_limit": 0, "finished_job_ttl": 3600, "image_pull_policy": "IfNotPresent"},
}
"""Defaults of job variables where they are not the worker's own."""


def template(pool: Pool) -> dict[str, Any]:
    """The worker's own template with the pool's defaults; raises `SettingsError` for a variable that it lacks."""
    worker = {"process": ProcessWorker, "kubernetes": KubernetesWorker}[pool.type]
    made: dict[str, Any] = deepcopy(worker.get_default_base_job_template())
    properties = made["variables"]["properties"]
    for name, value in {**OURS[pool.type], **pool.variables}.items():
        if name not in properties:
            raise SettingsError(
                f"pool.variables: a {pool.type} worker has no {name}; there are {', '.join(sorted(properties))}"
            )
        properties[name]["default"] = value
    return made
