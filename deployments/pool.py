"""pool: the base job template of the work pool, for either type of worker."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from prefect.workers.process import ProcessWorker
from prefect_kubernetes.worker import KubernetesWorker

from deployments.settings import Pool, SettingsError

JOB = Path(__file__).parent / "kubernetes" / "job.yaml"
"""What of a Kubernetes worker's template is inlet's own: the Job, and variables by which it is changed."""


def template(pool: Pool) -> dict[str, Any]:
    """The worker's own template with the pool's defaults; raises `SettingsError` for a variable that it lacks."""
    worker = {"process": ProcessWorker, "kubernetes": KubernetesWorker}[pool.type]
    made: dict[str, Any] = deepcopy(worker.get_default_base_job_template())
    properties = made["variables"]["properties"]
    if pool.type == "kubernetes":
        ours = yaml.safe_load(JOB.read_text())
        made["job_configuration"]["job_manifest"] = ours["job_manifest"]
        for name, said in ours["variables"].items():
            properties[name] = {**properties.get(name, {}), **said}
        del properties["backoff_limit"]
    for name, value in pool.variables.items():
        if name not in properties:
            raise SettingsError(
                f"pool.variables: a {pool.type} worker has no {name}; there are {', '.join(sorted(properties))}"
            )
        properties[name]["default"] = value
    return made
