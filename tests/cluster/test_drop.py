"""A drop from SFTP to S3, with everything on a cluster: the worker's Jobs, the image, Spark's executors."""

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from bench.synthetic.nppes import World
from tests.cluster.cluster import ROOT, Cluster, Refused, finished
from tests.cluster.site import EXECUTORS, Site

START = date(2025, 11, 8)


@pytest.fixture(scope="module")
def world(site: Site, tmp_path_factory: pytest.TempPathFactory) -> World:
    outside = tmp_path_factory.mktemp("party")
    world = World(seed=5, providers=2_000, start=START)
    world.monthly(START, outside)
    for file in outside.iterdir():
        site.put(file)
    return world


def test_a_drop_goes_from_sftp_to_current_on_s3(site: Site, world: World) -> None:
    ingest = site.ends(site.start("nppes/ingest"))
    assert ingest["state_type"] == "COMPLETED", site.told(ingest["id"])
    (drop,) = site.children(ingest["id"])
    assert drop["name"] == "nppes 2025-11"
    assert site.current("provider", "npi").keys() == {row["npi"] for row in world.truth().to_pylist()}
    site.until(lambda: not site.pods(), 30, site.pods)


def test_no_secret_stands_in_an_object_of_the_cluster_or_in_a_log(site: Site, world: World) -> None:
    shown = json.dumps([site.cluster.list(kind) for kind in ("pods", "jobs", "configmaps", "events")])
    logs = "".join(site.cluster.kubectl("logs", f"pod/{pod['metadata']['name']}") for pod in site.cluster.list("pods"))
    assert not [secret for secret in site.secrets if secret in shown + logs]


def test_large_stages_are_done_by_executors_which_are_gone_after_it(site: Site, world: World) -> None:
    before = site.current("provider", "npi")
    run = site.start("nppes/drop", EXECUTORS, drops="2025-11", start_from="landed", force=True)
    (executor,) = site.until(
        lambda: site.pods("app.kubernetes.io/component=inlet-executor"), 120, lambda: site.told(run)
    )
    owner = executor["metadata"]["ownerReferences"][0]
    (driver,) = site.pods(f"prefect.io/flow-run-id={run}")
    assert owner["uid"] == driver["metadata"]["uid"]  # by which it ends with it, however that ends
    (container,) = executor["spec"]["containers"]
    assert container["resources"]["limits"]["cpu"] == "1"
    assert not executor["spec"]["automountServiceAccountToken"]
    # it has from a Secret what else Spark would write into it
    assert "_SPARK_AUTH_SECRET" not in [variable["name"] for variable in container["env"]]
    ended = site.ends(run)
    assert ended["state_type"] == "COMPLETED", site.told(run)
    assert site.current("provider", "npi") == before
    site.until(lambda: not site.pods(), 60, site.pods)


MAY = {
    "GET /api/v1/namespaces/inlet/pods": True,
    "POST /api/v1/namespaces/inlet/pods?dryRun=All": True,
    "GET /api/v1/namespaces/inlet/configmaps": True,
    "GET /api/v1/namespaces/inlet/secrets": False,
    "GET /api/v1/namespaces/inlet/secrets/inlet-lake": False,
    "POST /api/v1/namespaces/inlet/pods/x/exec": False,
    "POST /api/v1/namespaces/inlet/serviceaccounts/inlet-worker/token": False,
    "POST /apis/batch/v1/namespaces/inlet/jobs?dryRun=All": False,
    "POST /apis/rbac.authorization.k8s.io/v1/namespaces/inlet/rolebindings?dryRun=All": False,
    "GET /api/v1/namespaces/outside/pods": False,
    "GET /api/v1/nodes": False,
}
"""What a run's account may ask of the cluster's API."""

TRY = """
import json, os, ssl, sys, urllib.error, urllib.request
here = "/run/secrets/kubernetes.io/serviceaccount"
trusted = ssl.create_default_context(cafile=f"{here}/ca.crt")
said = {}
for what in json.loads(sys.argv[1]):
    method, path = what.split()
    url = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}{path}"
    head = {"Authorization": "Bearer " + open(f"{here}/token").read(), "Content-Type": "application/json"}
    data = b"{}" if method == "POST" else None
    asked = urllib.request.Request(url, data, head, method=method)
    try:
        said[what] = urllib.request.urlopen(asked, context=trusted).status
    except urllib.error.HTTPError as error:
        said[what] = error.code
print(json.dumps(said))
"""


def test_a_run_may_have_executors_and_nothing_more(site: Site, inlet_image: str) -> None:
    """Tried from inside, by a pod with a run's account; what is let through fails for what it says, not with 403."""
    bare = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "try",
        "image": inlet_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", TRY, json.dumps(list(MAY))],
        "securityContext": bare,
    }
    user = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"serviceAccountName": "inlet-flow", "restartPolicy": "Never", "securityContext": user}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try"}, "spec": spec | {"containers": [container]}}
    site.cluster.apply(pod)
    site.cluster.wait("pod", "try", finished)
    said = json.loads(site.cluster.logs("try"))
    assert {what: code != 403 for what, code in said.items()} == MAY, said


def test_a_pod_that_is_more_than_it_needs_to_be_is_not_let_in(site: Site) -> None:
    spec = {"containers": [{"name": "root", "image": "localhost/inlet:test", "securityContext": {"privileged": True}}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": spec}
    with pytest.raises(Refused, match='violates PodSecurity "restricted'):
        site.cluster.kubectl("apply", "--filename=-", stdin=json.dumps(pod))


def test_all_manifests_are_such_as_the_clusters_api_takes(site: Site) -> None:
    """By its own schemas and strictly, those as well that a cluster of one node cannot prove: network policies."""
    kubernetes = ROOT / "deployments" / "kubernetes"
    made = site.cluster.kubectl("kustomize", str(kubernetes))
    check = ("apply", "--dry-run=server", "--validate=strict", "--filename=-")
    said = site.cluster.kubectl(*check, stdin=made)
    assert said.count("networkpolicy.networking.k8s.io/") == made.count("kind: NetworkPolicy") > 0
    site.cluster.kubectl(*check, stdin=(kubernetes / "ftp.yaml").read_text())
    with pytest.raises(Refused, match="unknown field"):
        site.cluster.kubectl(*check, stdin=made.replace("podSelector:", "podSelektor:"))


@pytest.fixture
def own_namespace(site: Site, tmp_path: Path) -> Iterator[Cluster]:
    """A namespace for one source, made as docs/kubernetes.md says."""
    with site.cluster.fresh("inlet-nppes") as own:
        flows = os.path.relpath(ROOT / "deployments" / "kubernetes" / "flows", tmp_path)
        (tmp_path / "kustomization.yaml").write_text(f"namespace: {own.namespace}\nresources: [{flows}]\n")
        own.kubectl("apply", "--kustomize", str(tmp_path))
        secret = site.cluster.get("secret", "inlet-lake")
        own.apply(secret | {"metadata": {"name": "inlet-lake"}})
        with site.observed(own.namespace):
            yield own


def test_a_source_may_have_a_namespace_of_its_own(site: Site, world: World, own_namespace: Cluster) -> None:
    variables = {"namespace": own_namespace.namespace}
    run = site.start("nppes/drop", variables, drops="2025-11", start_from="transformed", force=True)
    ended = site.ends(run)
    assert ended["state_type"] == "COMPLETED", site.told(run)
    (pod,) = own_namespace.list("pods", f"prefect.io/flow-run-id={run}")
    assert own_namespace.wait("pod", pod["metadata"]["name"], finished)["status"]["phase"] == "Succeeded"
