"""inlet on a cluster as its manifests have it, and what is outside of it: parties, S3, PostgreSQL."""

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
from prefect_aws import AwsClientParameters, AwsCredentials
from pydantic import SecretStr

from blocks.lake import Lake
from spark.tables import Tables
from tests.cluster.cluster import ROOT, Cluster, finished
from tests.servers import answers, free_port, running

HERE = Path(__file__).parent
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
SMALL = "{cpu_request: 100m, memory_request: 384Mi, memory_limit: 3Gi, scratch: 4Gi, driver_memory: 1g}"
EXECUTORS: dict[str, Any] = {
    "executors": 1,
    "executor_cores": 1,
    "executor_memory": "512m",
    "executor_overhead": "700m",
    "env": {"INLET_CADENCE": "off", "INLET_SPARK_FROM": "1"},  # everything is large
}
"""Job variables by which a run's executor fits on the node beside all else."""


@dataclass(frozen=True)
class Site:
    """inlet in its namespace. `lake` is the lake as this machine reaches it, `secrets` what no object may say."""

    cluster: Cluster
    outside: Cluster
    api: str
    lake: Lake
    secrets: tuple[str, ...] = field(repr=False)

    def put(self, file: Path) -> None:
        """Have the party offer a file."""
        whole = f"base64 -d > /tmp/{file.name} && mv /tmp/{file.name} /tmp/party/{file.name}"
        text = base64.b64encode(file.read_bytes()).decode()
        self.outside.kubectl("exec", "--stdin", "sftp", "--", "sh", "-c", whole, stdin=text)

    def deployment(self, name: str) -> dict[str, Any]:
        """What the server knows of a deployment, such as nppes/drop."""
        url = f"{self.api}/deployments/name/{name}"
        found: dict[str, Any] = httpx.get(url, timeout=30).raise_for_status().json()
        return found

    @contextlib.contextmanager
    def changed(self, deployment: str, **variables: object) -> Iterator[None]:
        """A deployment has other job variables, as after an edit in the UI."""
        found = self.deployment(deployment)
        url, before = f"{self.api}/deployments/{found['id']}", found["job_variables"]
        httpx.patch(url, json={"job_variables": before | variables}, timeout=30).raise_for_status()
        try:
            yield
        finally:
            httpx.patch(url, json={"job_variables": before}, timeout=30).raise_for_status()

    @contextlib.contextmanager
    def observed(self, namespace: str) -> Iterator[None]:
        """The worker looks after a further namespace."""
        self._observe(f"inlet,{namespace}")
        try:
            yield
        finally:
            self._observe("inlet")

    def _observe(self, namespaces: str) -> None:
        said = json.dumps({"data": {"PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES": namespaces}})
        self.cluster.kubectl("patch", "configmap", "inlet-worker", f"--patch={said}")
        self.cluster.kubectl("rollout", "restart", "deployment/inlet-worker")

    def start(self, deployment: str, variables: dict[str, Any] | None = None, **parameters: Any) -> str:
        """Start a run of a deployment, as the UI does; its id."""
        found = self.deployment(deployment)
        run = {"parameters": parameters, "job_variables": variables or {}, "state": {"type": "SCHEDULED"}}
        url = f"{self.api}/deployments/{found['id']}/create_flow_run"
        return str(httpx.post(url, json=run, timeout=30).raise_for_status().json()["id"])

    def cancel(self, id: str) -> None:
        """Cancel a run, as the UI does."""
        state = {"state": {"type": "CANCELLING"}}
        httpx.post(f"{self.api}/flow_runs/{id}/set_state", json=state, timeout=30).raise_for_status()

    def run(self, id: str) -> dict[str, Any]:
        """What the server knows of a run."""
        found: dict[str, Any] = httpx.get(f"{self.api}/flow_runs/{id}", timeout=30).raise_for_status().json()
        return found

    def children(self, id: str) -> list[dict[str, Any]]:
        """The runs that a run has started."""
        query = {"flow_runs": {"parent_flow_run_id": {"any_": [id]}}}
        found: list[dict[str, Any]] = httpx.post(f"{self.api}/flow_runs/filter", json=query, timeout=30).json()
        return found

    def ends(self, id: str, seconds: float = 300) -> dict[str, Any]:
        """The run, once it has ended."""
        self.until(lambda: self.run(id)["state_type"] in ENDED, seconds, lambda: self.told(id))
        return self.run(id)

    def told(self, id: str) -> str:
        """What is known of a run that is not as it was to be."""
        selector = f"prefect.io/flow-run-id={id}"
        ended = [pod["status"].get("containerStatuses") for pod in self.cluster.list("pods", selector)]
        pods = self.cluster.kubectl("describe", "pods", f"--selector={selector}")
        return f"{self.run(id)['state']}\n{ended}\n{pods[-4000:]}\n{self.logs(id)[-4000:]}"

    def logs(self, id: str) -> str:
        """What a run's pods have said."""
        return self.cluster.kubectl("logs", f"--selector=prefect.io/flow-run-id={id}", "--tail=-1")

    def runs(self, id: str, state: str, seconds: float = 120) -> None:
        """Wait until a run is in a state, such as RUNNING."""
        self.until(lambda: self.run(id)["state_type"] == state, seconds, lambda: self.told(id))

    def jobs(self) -> list[str]:
        """Jobs that have not ended, by the id of their run."""
        found = [job for job in self.cluster.list("jobs") if not finished(job)]
        return [job["metadata"]["labels"]["prefect.io/flow-run-id"] for job in found]

    def pods(
        self, selector: str = "app.kubernetes.io/component in (inlet-flow,inlet-executor)"
    ) -> list[dict[str, Any]]:
        """Pods that are there and have not ended."""
        found = self.cluster.list("pods", selector)
        return [pod for pod in found if pod["status"].get("phase") in ("Pending", "Running")]

    def until(
        self, condition: Callable[[], Any], seconds: float = 120, else_: Callable[[], object] = lambda: "not in time"
    ) -> Any:
        """What a condition gives, once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, else_()
            time.sleep(0.5)
        return found

    def landed(self, source: str, drop: str) -> dict[str, str]:
        """When each landed object of a drop was last written, by its path."""
        found = self.lake.fs().find(self.lake.path("landed", source, drop), detail=True)
        return {path: str(said["LastModified"]) for path, said in found.items() if not path.endswith(".json")}

    @property
    def tables(self) -> Tables:
        """The lake's tables."""
        return Tables(self.lake.catalog_properties(), self.lake.url())

    def current(self, schema: str, key: str) -> dict[str, dict[str, Any]]:
        """What `current` has of a schema; each key is there once."""
        files, fs = self.tables.files(f"current.{schema}"), self.lake.fs()
        rows = [row for url in files for row in pq.read_table(fs.open(url)).to_pylist()]
        found = {row[key]: row for row in rows}
        assert len(found) == len(rows)
        return found


@contextlib.contextmanager
def site(cluster: Cluster, image: str, outside_image: str, home: Path) -> Iterator[Site]:
    """inlet in the namespace `inlet`, by its manifests, with the deployments of prefect.yaml in a smaller size."""
    keys = _keys(home)
    with cluster.fresh("outside") as outside, contextlib.ExitStack() as stack:
        manifest = (HERE / "outside" / "outside.yaml").read_text()
        outside.kubectl("apply", "--filename=-", stdin=manifest.replace("localhost/inlet-outside:test", outside_image))
        files = [f"--from-file={home / name}" for name in ("host_key", "user_key.pub", "s3.json")]
        outside.kubectl("create", "secret", "generic", "outside", *files)
        outside.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=120s", seconds=150)
        postgres, s3, sftp = (_service(outside, name) for name in ("postgres", "s3", "sftp"))

        inlet = stack.enter_context(cluster.fresh("inlet"))
        database = f"postgresql+asyncpg://inlet@{postgres}:5432/postgres"
        _secret(inlet, "prefect-server", PREFECT_SERVER_DATABASE_CONNECTION_URL=database)
        endpoint = f"http://{s3}:8333"
        lake_keys = {"AWS_ACCESS_KEY_ID": "inlet", "AWS_SECRET_ACCESS_KEY": keys["s3"]}
        _secret(inlet, "inlet-lake", **lake_keys, AWS_REGION="us-east-1", AWS_ENDPOINT_URL_S3=endpoint)
        between = uuid.uuid4().hex
        _secret(inlet, "inlet-spark", secret=between)
        made = inlet.kubectl("kustomize", str(HERE / "overlay")).replace("localhost/inlet:test", image)
        inlet.kubectl("apply", "--filename=-", stdin=made)
        server = f"http://{_service(inlet, 'prefect-server')}:4200/api"
        known = {"data": {"PREFECT_API_URL": server}}  # by its address: the project's own cluster has no DNS
        inlet.kubectl("patch", "configmap", "inlet-worker", f"--patch={json.dumps(known)}")
        inlet.kubectl("rollout", "restart", "deployment/inlet-worker")
        inlet.kubectl("rollout", "status", "deployment/prefect-server", "--timeout=180s", seconds=200)

        api = f"http://{_reached(stack, inlet, 'prefect-server', 4200, home)}/api"
        near_s3 = f"http://{_reached(stack, outside, 's3', 8333, home)}"
        near_postgres = _reached(stack, outside, "postgres", 5432, home)
        lake = Lake(
            root="s3://lake/inlet",
            catalog=SecretStr(f"postgresql+psycopg2://inlet@{near_postgres}/catalog"),
            credentials=AwsCredentials(
                aws_access_key_id="inlet",
                aws_secret_access_key=SecretStr(keys["s3"]),
                region_name="us-east-1",
                aws_client_parameters=AwsClientParameters(endpoint_url=near_s3),
            ),
        )
        lake.fs().mkdir("lake")
        _deploy(home, api, image, postgres, sftp)
        yield Site(inlet, outside, api, lake, (keys["s3"], keys["user"].splitlines()[2], between))


def _keys(home: Path) -> dict[str, str]:
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", home / name], check=True)
    secret = uuid.uuid4().hex
    account = {"name": "inlet", "credentials": [{"accessKey": "inlet", "secretKey": secret}], "actions": ["Admin"]}
    (home / "s3.json").write_text(json.dumps({"identities": [account]}))
    return {"s3": secret, "user": (home / "user_key").read_text()}


def _secret(cluster: Cluster, name: str, **entries: str) -> None:
    values = [f"--from-literal={key}={value}" for key, value in entries.items()]
    cluster.kubectl("create", "secret", "generic", name, *values)


def _service(cluster: Cluster, name: str) -> str:
    return str(cluster.get("service", name)["spec"]["clusterIP"])


def _reached(stack: contextlib.ExitStack, cluster: Cluster, service: str, port: int, home: Path) -> str:
    """Where this machine reaches a Service: as it is on the project's own cluster, on others through kubectl."""
    if cluster.own:
        return f"{_service(cluster, service)}:{port}"
    here = free_port()
    command = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "--namespace", cluster.namespace]
    command += ["port-forward", f"service/{service}", f"{here}:{port}"]
    stack.enter_context(running(command, answers(here), home / f"{service}.log"))
    return f"127.0.0.1:{here}"


def _deploy(home: Path, api: str, image: str, postgres: str, sftp: str) -> None:
    """What an engineer runs: the apply command, then prefect.yaml."""
    (home / "inlet.toml").write_text(
        f"""
        [pool]
        type = "kubernetes"
        variables = {{ image = "{image}", image_pull_policy = "IfNotPresent", env = {{ INLET_CADENCE = "off" }} }}

        [blocks."lake/lake"]
        root = "s3://lake/inlet"
        catalog = "postgresql+psycopg2://inlet@{postgres}:5432/catalog"

        [blocks."sftp-server/nppes"]
        host = "{sftp}"
        port = 2222
        user = "inlet"
        private_key = {{ file = "{home}/user_key" }}
        host_key = {{ file = "{home}/host_key.pub" }}
        """
    )
    text = (ROOT / "prefect.yaml").read_text()
    text = re.sub(r"(?m)^  (small|medium|large): &\1 ?(\{.*\}|\n(    .*\n)+)", rf"  \1: &\1 {SMALL}\n", text)
    text = re.sub(r"job_variables: \{cpu_request: 500m.*\}", f"job_variables: {SMALL}", text)
    (home / "prefect.yaml").write_text(text)
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "INLET_"))}
    apply = ["deployments.apply", "--settings", str(home / "inlet.toml")]
    for command in (apply, ["prefect", "--no-prompt", "deploy", "--all"]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=home,
            env=bare | {"PREFECT_API_URL": api, "PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
