"""The cluster itself: what tests that stand on it take for granted."""

import contextlib
import os
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import SCRIPTS, Cluster, finished, home


def pod(name: str, image: str, script: str, **container: Any) -> dict[str, Any]:
    """A pod that runs a Python script once."""
    command = ["python3", "-u", "-c", script]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": command,
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                }
                | container
            ],
        },
    }


def said(cluster: Cluster, name: str, image: str, script: str) -> str:
    """What a pod says by its end."""
    cluster.apply(pod(name, image, script))
    cluster.wait("pod", name, finished)
    return cluster.logs(name)


def test_a_job_runs_to_its_end(namespace: Cluster, bare_image: str) -> None:
    template = pod("hello", bare_image, "import sys; print('hello', sys.version_info[0])")
    spec = {"backoffLimit": 0, "template": {"spec": template["spec"]}}
    namespace.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "hello"}, "spec": spec})
    assert namespace.wait("job", "hello", finished)["status"]["succeeded"] == 1
    assert namespace.logs("job/hello") == "hello 3\n"


def test_a_service_answers_from_a_pod_and_from_this_machine(namespace: Cluster, bare_image: str) -> None:
    probe = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}
    serve = "import http.server as s; s.test(s.SimpleHTTPRequestHandler, port=8000)"
    namespace.apply(
        pod("web", bare_image, serve, readinessProbe=probe, workingDir="/etc"),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"name": "web"}, "ports": [{"port": 80, "targetPort": 8000}]},
        },
    )
    namespace.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
    address = namespace.get("service", "web")["spec"]["clusterIP"]
    read = f"import urllib.request as u; print(u.urlopen('http://{address}/group', timeout=20).read().decode())"
    assert "nogroup" in said(namespace, "client", bare_image, read)
    if namespace.own:  # others' Services are seldom reached from outside
        with urllib.request.urlopen(f"http://{address}/group", timeout=20) as answer:
            assert b"nogroup" in answer.read()


def test_what_a_pod_reaches_is_the_machine_and_nothing_beyond(namespace: Cluster, bare_image: str) -> None:
    if not namespace.own:
        pytest.skip("the project's own cluster alone is closed")
    knock = "import socket; socket.create_connection(('198.51.100.1', 80), 3)"
    assert "Error" in said(namespace, "beyond", bare_image, knock)
    name = "import socket; socket.gethostbyname('example.org')"
    began = time.monotonic()
    assert "gaierror" in said(namespace, "name", bare_image, name)
    assert time.monotonic() - began < 20, "a look-up hangs where it should fail"


def test_too_much_memory_is_told_as_such(namespace: Cluster, bare_image: str) -> None:
    namespace.apply(pod("greedy", bare_image, "held = b'x' * (256 << 20); print(len(held))"))
    (status,) = namespace.wait("pod", "greedy", finished)["status"]["containerStatuses"]
    assert status["state"]["terminated"]["reason"] == "OOMKilled"
    assert status["state"]["terminated"]["exitCode"] == 137


ASK = """
import json, os, ssl, urllib.error, urllib.request
of = "/var/run/secrets/kubernetes.io/serviceaccount"
url = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
url += f"/api/v1/namespaces/{open(of + '/namespace').read()}/pods"
asked = urllib.request.Request(url, headers={"Authorization": "Bearer " + open(of + "/token").read()})
try:
    answer = urllib.request.urlopen(asked, context=ssl.create_default_context(cafile=of + "/ca.crt"), timeout=20)
    print(answer.status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def test_rights_are_what_a_role_gives(namespace: Cluster, bare_image: str) -> None:
    assert said(namespace, "without", bare_image, ASK) == "403\n"
    namespace.kubectl("create", "role", "reader", "--verb=list", "--resource=pods")
    account = f"--serviceaccount={namespace.namespace}:default"
    namespace.kubectl("create", "rolebinding", "reader", "--role=reader", account)
    assert said(namespace, "with", bare_image, ASK) == "200\n"


def test_the_node_offers_what_the_machine_has(cluster: Cluster) -> None:
    if not cluster.own:
        pytest.skip("of the project's own cluster")
    offered = cluster.get("node", "node")["status"]["allocatable"]
    assert int(offered["cpu"]) == os.cpu_count()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert int(offered["memory"].removesuffix("Ki")) * 1024 > memory * 0.95


def test_up_again_changes_nothing(cluster: Cluster) -> None:
    if not cluster.own:
        pytest.skip("of the project's own cluster")
    before = (home() / "run" / "node.pid").read_text()
    done = subprocess.run([SCRIPTS / "up.sh"], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert (home() / "run" / "node.pid").read_text() == before


def test_down_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """On a second cluster, with the first one's programs."""
    if not cluster.own:
        pytest.skip("of the project's own cluster")
    for kept in ("bin", "debian"):
        (tmp_path / kept).symlink_to(home() / kept)
    env = os.environ | {"INLET_CLUSTER": str(tmp_path)}
    shared, kernel = outside(), sysctls()
    try:
        subprocess.run([SCRIPTS / "up.sh"], check=True, env=env, capture_output=True)
        second = Cluster(tmp_path / "kubeconfig", own=True)
        assert second.address != cluster.address
        second.apply(pod("kept", "localhost/pause:1", "", command=["/pause"]))
        second.wait("pod", "kept", lambda found: found["status"].get("phase") == "Running")
        node = (tmp_path / "run" / "node.pid").read_text().split()[0]
        spaces = {os.readlink(f"/proc/{node}/ns/{kind}") for kind in ("net", "mnt", "pid_for_children")}
        assert len(processes(spaces)) > 10
        assert len(outside() - shared) > 1, "an interface and control groups"
    finally:
        subprocess.run([SCRIPTS / "down.sh"], check=True, env=env, capture_output=True)
    assert processes(spaces) == set()
    assert outside() - shared == set()
    assert sysctls() == kernel
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "debian", "lock"]
    assert cluster.kubectl("get", "--raw=/readyz") == "ok", "the first has suffered"


def processes(spaces: set[str]) -> set[str]:
    """Those that are in one of these namespaces."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if spaces & {os.readlink(process / "ns" / kind) for kind in ("net", "mnt", "pid")}:
                found.add(process.name)
    return found


def outside() -> set[str]:
    """What clusters have outside of their folders: an interface each, and control groups."""
    interfaces = Path("/sys/class/net").glob("inlet*")
    return {str(path) for path in (*interfaces, *Path("/sys/fs/cgroup").rglob("inlet*"))}


def sysctls() -> list[str]:
    """What kubelet sets of the kernel's."""
    names = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"]
    names += ["kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"]
    return [(Path("/proc/sys") / name).read_text() for name in names]
