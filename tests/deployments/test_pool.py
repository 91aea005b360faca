"""The Job that a run becomes on Kubernetes, made by the worker's own code from the pool's template."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
import yaml
from prefect.client.schemas.objects import Flow, FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from deployments.pool import JOB, template
from deployments.settings import Pool, SettingsError

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
BY_NAME = {f"{each['entrypoint'].rpartition('.')[2]}/{each['name']}": each for each in DEPLOYMENTS}


def job(variables: dict[str, Any], **pool: Any) -> dict[str, Any]:
    made = template(Pool(type="kubernetes", variables={"image": "inlet:1", **pool}))
    configuration = asyncio.run(KubernetesWorkerJobConfiguration.from_template_and_values(made, variables))
    configuration.prepare_for_flow_run(FlowRun(name="brisk-otter", flow_id=uuid4()))
    return configuration.job_manifest


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (found,) = manifest["spec"]["template"]["spec"]["containers"]
    return found


def environment(manifest: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "by reference") for each in container(manifest)["env"]}


@pytest.mark.parametrize("variables", [{}, {"backoff_limit": 3}])
def test_a_run_that_is_evicted_goes_back_to_the_pool_and_kubernetes_starts_no_second(
    variables: dict[str, Any],
) -> None:
    made = job(variables)
    assert made["spec"]["backoffLimit"] == 0
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert environment(made)["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"] == "reschedule"


def test_network_policies_find_the_pods_of_runs_as_a_worker_labels_them() -> None:
    """A worker puts the names of flow and deployment into labels of its own choice, over what the template says."""
    made = template(Pool(type="kubernetes", variables={"image": "inlet:1"}))
    configuration = asyncio.run(KubernetesWorkerJobConfiguration.from_template_and_values(made, {}))
    run, party = FlowRun(name="brisk-otter", flow_id=uuid4()), Flow(id=uuid4(), name="nppes")
    drop = DeploymentResponse(id=uuid4(), name="drop", flow_id=party.id)
    configuration.prepare_for_flow_run(run, drop, party)
    labels = configuration.job_manifest["spec"]["template"]["metadata"]["labels"]
    policies = list(yaml.safe_load_all((JOB.parent / "flows" / "network.yaml").read_text()))
    for selector in (policy["spec"]["podSelector"] for policy in policies):
        (chosen,) = selector.get("matchExpressions") or [
            {"key": key, "values": [value]} for key, value in selector["matchLabels"].items()
        ]
        assert labels[chosen["key"]] in chosen["values"]


def test_a_pool_cannot_say_otherwise() -> None:
    with pytest.raises(SettingsError, match="a kubernetes worker has no backoff_limit"):
        template(Pool(type="kubernetes", variables={"backoff_limit": 3}))


def test_a_run_is_an_unprivileged_user_on_a_read_only_disk() -> None:
    made = job({})
    pod = made["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container(made)["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {each["mountPath"]: each["name"] for each in container(made)["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
    assert volumes[mounts["/tmp"]]["emptyDir"] == {"sizeLimit": "8Gi"}


def test_secrets_are_named_and_never_copied() -> None:
    made = job({"lake_secret": "lake-of-cclf", "source_secret": "cclf"})
    assert {"secretRef": {"name": "lake-of-cclf", "optional": True}} in container(made)["envFrom"]
    volumes = {each["name"]: each for each in made["spec"]["template"]["spec"]["volumes"]}
    assert volumes["source"]["secret"]["secretName"] == "cclf"


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_deployment_gives_variables_that_the_pool_takes(name: str) -> None:
    given = BY_NAME[name]["work_pool"]["job_variables"]
    schema = template(Pool(type="kubernetes"))["variables"]
    jsonschema.validate(given, schema)
    assert given.keys() <= schema["properties"].keys()
    made = job(given)
    resources = container(made)["resources"]
    assert resources["limits"]["cpu"] == given["cpu_limit"]
    assert resources["limits"]["memory"] == given["memory_limit"]
    assert resources["requests"]["memory"] == given["memory_request"]
    assert resources["limits"]["ephemeral-storage"] == given.get("scratch", "8Gi")
    assert environment(made)["INLET_EXECUTORS"] == f"{given.get('executors', 0)}x4"
    assert all(isinstance(value, str) for value in environment(made).values())


def test_nodes_are_chosen_by_labels_and_taints() -> None:
    taint = {"key": "inlet", "operator": "Exists", "effect": "NoSchedule"}
    pod = (job({"node_selector": {"disk": "nvme"}, "tolerations": [taint], "grace_seconds": 90}))["spec"]["template"][
        "spec"
    ]
    assert pod["nodeSelector"] == {"disk": "nvme"}
    assert pod["tolerations"] == [taint]
    assert pod["terminationGracePeriodSeconds"] == 90


def test_what_a_deployment_sets_stands_before_what_the_job_gives() -> None:
    made = job({"env": {"INLET_LAKE": "other", "INLET_SPARK_MEMORY": "9g"}})
    assert environment(made)["INLET_LAKE"] == "other"
    assert environment(made)["INLET_SPARK_MEMORY"] == "9g"
    assert environment(made)["INLET_POD_NAME"] == "by reference"


def test_a_source_may_have_a_namespace_of_its_own() -> None:
    made = job({"namespace": "inlet-cclf"})
    assert made["metadata"]["namespace"] == "inlet-cclf"
