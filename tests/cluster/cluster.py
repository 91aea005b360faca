"""A Kubernetes for the tests: the project's own of one node (`kubernetes/up.sh`), or the one that KUBECONFIG names."""

import contextlib
import fcntl
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.servers import require

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SCRIPTS = HERE / "kubernetes"
NOT_PROVED = "network policies, loss of a node, cluster DNS, executor spread"  # by one node, without DNS


class Refused(Exception):
    """kubectl failed; the message is what it said."""


def condition(kind: str) -> Callable[[dict[str, Any]], bool]:
    """Whether an object has a condition, such as Ready, Available or Complete: for `Cluster.wait`."""

    def holds(found: dict[str, Any]) -> bool:
        conditions = found.get("status", {}).get("conditions", [])
        return any(one["type"] == kind and one["status"] == "True" for one in conditions)

    return holds


def finished(found: dict[str, Any]) -> bool:
    """Whether a Job or a pod has ended, well or not: for `Cluster.wait`."""
    ended = found.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return ended or condition("Complete")(found) or condition("Failed")(found)


@dataclass(frozen=True)
class Cluster:
    """A cluster, or a namespace of it. `own` is whether it is the project's: one node, no DNS, no network policies."""

    kubeconfig: Path
    own: bool
    namespace: str = "default"

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 120) -> str:
        """What kubectl says; raises `Refused` with what it says of a failure."""
        program = SCRIPTS / "kubectl.sh" if self.own else require("kubectl", "kubectl is not installed")
        command = [str(program), "--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
        if done.returncode:
            raise Refused(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "--output=json"))
        return found

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind, or those with the labels."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, f"--selector={selector}", "--output=json"))[
            "items"
        ]
        return found

    def apply(self, *objects: dict[str, Any]) -> None:
        """Make objects, or make them as they are given."""
        whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename=-", stdin=json.dumps(whole))

    def wait(
        self, kind: str, name: str, until: Callable[[dict[str, Any]], bool], seconds: float = 90
    ) -> dict[str, Any]:
        """An object, once it is there and as it is to be; raises `TimeoutError` with what kubectl knows of it."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Refused):
                found = self.get(kind, name)
                if until(found):
                    return found
            if time.monotonic() > deadline:
                break
            time.sleep(0.25)
        said = [f"{kind}/{name} is not as it was to be after {seconds:.0f} s"]
        selector = f"--selector=job-name={name}" if kind == "job" else name  # why a Job stands still, its pod knows
        for command in (["describe", kind, name], ["describe", "pod", selector], ["get", "events"]):
            with contextlib.suppress(Refused):
                said.append(self.kubectl(*command))
        raise TimeoutError("\n".join(said))

    def logs(self, what: str, *arguments: str) -> str:
        """What a pod has said, by its name or as `job/NAME`; `--previous` is of the container before this one."""
        return self.kubectl("logs", what, "--tail=-1", *arguments)

    @contextlib.contextmanager
    def fresh(self, name: str = "") -> Iterator["Cluster"]:
        """A namespace of that name or a new one, from when pods may be made in it until it is deleted."""
        there = replace(self, namespace=name or f"test-{uuid.uuid4().hex[:8]}")
        self.kubectl("create", "namespace", there.namespace)
        try:
            there.wait("serviceaccount", "default", lambda found: True)
            yield there
        finally:
            # pods that do not heed SIGTERM would take half a minute each
            there.kubectl("delete", "pods", "--all", "--grace-period=0", "--force")
            # only a name that may be taken again is waited for
            self.kubectl("delete", "namespace", there.namespace, f"--wait={bool(name)}".lower(), seconds=180)

    @property
    def address(self) -> str:
        """The node's address, or the first node's."""
        addresses = self.list("nodes")[0]["status"]["addresses"]
        return str(next(one["address"] for one in addresses if one["type"] == "InternalIP"))

    @property
    def host(self) -> str:
        """This machine's address as pods see it: what listens there, or everywhere, they reach."""
        if self.own:
            return self.address.rpartition(".")[0] + ".254"
        return os.environ.get("INLET_CLUSTER_HOST") or require(
            None, "INLET_CLUSTER_HOST does not say what pods call us"
        )

    def load_image(
        self, name: str, dockerfile: Path, context: Path = ROOT, given: str = "INLET_CLUSTER_IMAGE", **arguments: str
    ) -> str:
        """The name by which pods have the image; built where something changed, and given to the node.

        Pods never pull it. A cluster that is not the project's own has loaded it before, and the variable `given` says
        its name.
        """
        if not self.own:
            return os.environ.get(given) or require(None, f"{given} names no image that the cluster has")
        options = [option for key, value in arguments.items() for option in ("--build-arg", f"{key}={value}")]
        _script("image.sh", name, str(dockerfile), str(context), *options)
        return name


def home() -> Path:
    """The folder of the project's own cluster."""
    return Path(os.environ.get("INLET_CLUSTER", ROOT / "build" / "cluster")).resolve()


def _script(name: str, *arguments: str) -> None:
    """Run a script of `kubernetes`. Exit code 2 is that this machine cannot, and said in a sentence."""
    done = subprocess.run(
        [SCRIPTS / name, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode == 2:
        require(None, done.stderr.strip())
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-3000:]}")


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """The one that KUBECONFIG names; else the project's own, which ends with the last tests if tests began it."""
    if given := os.environ.get("KUBECONFIG"):
        yield Cluster(Path(given).resolve(), own=Path(given).resolve() == home() / "kubeconfig")
        return
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("w") as users:
        # All who use it share the lock; who can have it alone is the last.
        fcntl.flock(users, fcntl.LOCK_SH)
        node, ours = folder / "run" / "node.pid", folder / "run" / "of-tests"
        before = node.read_text() if node.exists() else ""
        _script("up.sh")
        if node.read_text() != before:
            ours.touch()
        try:
            yield Cluster(folder / "kubeconfig", own=True)
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if ours.exists():
                    _script("down.sh")
