"""Spark's executors as pods: what a run that is a pod itself tells Spark, as its driver, to start them.

The driver is in client mode. Executors are started when a stage has tasks for them and are gone a minute after; their
pods are owned by the driver's, so that they end with it, however it ends. Each is a pod of the same image, of a size of
its own, from the template deployments/kubernetes/executor.yaml or the environment's own. The Job gives the variables
(deployments/kubernetes/job.yaml): `INLET_EXECUTORS`, as `8x4` for up to eight pods of four cores, is the one that moves
a run to them.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from spark.errors import NoExecutors

HERE = Path(__file__).resolve().parents[1] / "deployments" / "kubernetes"  # the same in every pod of the image
OWN = Path("/etc/inlet/executor.yaml")
"""The environment's own template, from its ConfigMap."""

AUTHENTICATES = Path("/run/secrets/spark/secret")
"""By what driver and executors know each other and agree on keys for what passes between them, from a Secret."""

DRIVER_PORT, BLOCKS_PORT = 7078, 7079
"""Where executors reach the driver, and each other for blocks: what network policies let through."""

SECRET = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether large work goes to executors: `INLET_EXECUTORS` names more than none."""
    return _size(environment)[0] > 0


def master(environment: Mapping[str, str] = os.environ) -> str:
    """The cluster that this pod is in, by the address that every pod is given: it needs no DNS."""
    host, port = (_given(f"KUBERNETES_SERVICE_{name}", environment) for name in ("HOST", "PORT"))
    return f"k8s://https://{f'[{host}]' if ':' in host else host}:{port}"


def settings(lake: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the session is to say of executors; `lake` are the variables by which the lake is reached.

    Keys go to executors by the Secret that their template names, never by a setting: raises `NoExecutors` where the
    lake's block has keys and this pod, which takes the same Secret, has none; and where the Job gives no such variable.
    """
    pods, cores = _size(environment)
    memory, overhead = (_given(f"INLET_EXECUTOR_{name}", environment) for name in ("MEMORY", "OVERHEAD"))
    if lake.get("AWS_ACCESS_KEY_ID") not in {None, environment.get("AWS_ACCESS_KEY_ID")}:
        raise NoExecutors(
            "the lake's block has keys that executors would not have: give the Secret inlet-lake AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or the block none and the pods a role"
        )
    address = _given("INLET_POD_IP", environment)
    found = {
        "spark.submit.deployMode": "client",
        "spark.kubernetes.namespace": _given("INLET_POD_NAMESPACE", environment),
        "spark.kubernetes.driver.pod.name": _given("INLET_POD_NAME", environment),  # who owns the executors
        "spark.kubernetes.container.image": _given("INLET_IMAGE", environment),
        "spark.kubernetes.container.image.pullPolicy": environment.get("INLET_IMAGE_PULL", "IfNotPresent"),
        "spark.kubernetes.executor.podTemplateFile": str(OWN if OWN.exists() else HERE / "executor.yaml"),
        "spark.kubernetes.executor.podTemplateContainerName": "executor",
        "spark.kubernetes.executor.podNamePrefix": _prefix(_given("INLET_POD_NAME", environment)),
        "spark.driver.host": address,
        "spark.driver.bindAddress": address,  # by which executors look for it
        "spark.driver.port": str(DRIVER_PORT),
        "spark.blockManager.port": str(BLOCKS_PORT),
        "spark.executor.cores": str(cores),
        "spark.executor.memory": memory,
        "spark.executor.memoryOverhead": overhead,
        "spark.kubernetes.executor.limit.cores": str(cores),
        # as many shares as all of them together have cores, though at first there is none of them
        "spark.default.parallelism": str(pods * cores),
        "spark.sql.shuffle.partitions": str(max(16, 2 * pods * cores)),
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.minExecutors": "0",
        "spark.dynamicAllocation.maxExecutors": str(pods),
        "spark.dynamicAllocation.executorIdleTimeout": "60s",
        # an executor that starts when its driver has just ended without notice would look for it for six minutes
        "spark.rpc.io.connectionCreationTimeout": "10s",
        # one that is evicted hands its blocks to others first; what is lost all the same is worked out again
        "spark.decommission.enabled": "true",
        "spark.storage.decommission.enabled": "true",
        "spark.kubernetes.decommission.script": str(HERE / "decommission.sh"),
        # an executor that is killed with its node is the cluster's doing, and no failure of the task
        "spark.excludeOnFailure.enabled": "false",
        "spark.task.maxFailures": "8",
    }
    if AUTHENTICATES.exists():  # else Spark makes one up and writes it into its executors' pods
        found["spark.authenticate.secret.file"] = str(AUTHENTICATES)
    return found | {f"spark.executorEnv.{name}": value for name, value in lake.items() if name not in SECRET}


def _size(environment: Mapping[str, str]) -> tuple[int, int]:
    """Pods at most, and cores of each."""
    text = environment.get("INLET_EXECUTORS", "")
    found = re.fullmatch(r"(\d+)x([1-9]\d*)", text)
    if text and not found:
        raise NoExecutors(f"INLET_EXECUTORS is {text!r}: write pods and cores of each, such as 8x4")
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _given(name: str, environment: Mapping[str, str]) -> str:
    if not (value := environment.get(name)):
        raise NoExecutors(f"{name} is not set, as the Job of inlet's work pool does (deployments/kubernetes/job.yaml)")
    return value


def _prefix(pod: str) -> str:
    """What executors' names begin with: the run's pod, as far as Spark takes it (47 characters, as a label)."""
    return pod[:40].rstrip("-.")
