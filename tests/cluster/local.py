"""A real Kubernetes of one node on this machine, without Docker: what `make cluster` starts, and the tests take.

    python -m tests.cluster.local up | down | kubectl ARGUMENT… | image NAME DOCKERFILE

Every component is the real one: Kubernetes and etcd from their Go modules, in one program, containerd, runc and the
network plugins from Debian's packages, unpacked and not installed. All of it is below `INLET_CLUSTER` (build/cluster)
and in a network namespace of its own, in which pods reach each other and nothing else: there is no DNS, no network
policy is enforced, and there is one node. It needs root on Debian, Go 1.24 or newer, and the packages' registries.
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "kubernetes"
ROOT = Path(__file__).parents[2]
VERSION = "1.34.4"
NODE, SERVICE, PODS, SERVICES = "10.77.0.1", "10.96.0.1", "10.78.0.0/24", "10.96.0.0/24"
PACKAGES = (
    "containerd runc containernetworking-plugins iptables conntrack libnfnetlink0 libnetfilter-conntrack3 libip6tc2 "
    "libip4tc2 libxtables12 libnftnl11 libmnl0 libseccomp2"
)
SYSCTLS = ("vm.overcommit_memory", "kernel.panic", "kernel.panic_on_oops")
"""What kubelet sets on the whole machine: `down` sets it back."""


class NoCluster(Exception):
    """This machine cannot have the cluster: the message says why, and what to do."""


class Local:
    """The cluster below a folder; `name` is its network namespace's."""

    def __init__(self, home: Path, name: str = "inlet") -> None:
        self.home, self.name = home.resolve(), name
        self.run, self.log, self.pki = (self.home / part for part in ("run", "log", "pki"))
        self.program = self.home / "bin" / "kubernetes"
        self.kubeconfig = self.home / "kubeconfig"
        self.debs, self.sys = self.home / "debs", self.home / "sys"
        self.socket = self.run / "containerd.sock"

    # ---- what it is made of

    def make(self) -> None:
        """Fetch and build what is not there; ten minutes on two cores from nothing. Raises `NoCluster`."""
        if sys.platform != "linux" or os.getuid() != 0:
            raise NoCluster("a cluster needs root on Linux: name one that is there by KUBECONFIG")
        self.home.mkdir(parents=True, exist_ok=True)
        self._fetch()
        self._build()

    def _fetch(self) -> None:
        if (self.sys / "usr/bin/containerd").exists():
            return
        if not shutil.which("apt-get"):
            raise NoCluster("containerd comes from Debian's packages, and there is no apt-get")
        self.debs.mkdir(exist_ok=True)
        if not any(Path("/var/lib/apt/lists").glob("*Packages*")):
            _do(["apt-get", "update"])
        _do(["apt-get", "download", *PACKAGES.split()], cwd=self.debs)
        for package in self.debs.glob("*.deb"):
            _do(["dpkg-deb", "-x", str(package), str(self.sys)])
        for tool in (
            "iptables",
            "iptables-save",
            "iptables-restore",
            "ip6tables",
            "ip6tables-save",
            "ip6tables-restore",
        ):
            link = self.sys / "usr/sbin" / tool  # Debian's own names are alternatives, which installing sets
            link.unlink(missing_ok=True)
            link.symlink_to("xtables-nft-multi")

    def _build(self) -> None:
        """Kubernetes' own go.mod, with the parts that it keeps in its repository taken as they are published."""
        source = self.home / "src"
        main = (HERE / "main.go").read_text()
        if self.program.exists() and (source / "main.go").read_text() == main:
            return
        if not shutil.which("go"):
            raise NoCluster("Kubernetes is built by Go 1.24 or newer (go.dev/dl), and there is none")
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir()
        env = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -buildvcs=false", "GOTOOLCHAIN": "local"}
        found = json.loads(_do(["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}"], env=env))
        theirs = Path(found["GoMod"]).read_text()
        wants = "\n".join(re.findall(r"^require \(.*?^\)", theirs, re.MULTILINE | re.DOTALL))
        staged = re.findall(r"^\t(k8s\.io/[\w-]+) => \./staging", theirs, re.MULTILINE)
        go = re.findall(r"^go .*", theirs, re.MULTILINE)[0]
        swaps = "\n".join(f"replace {name} => {name} v0.{VERSION.removeprefix('1.')}" for name in staged)
        (source / "go.mod").write_text(
            f"module kubernetes\n\n{go}\n\nrequire k8s.io/kubernetes v{VERSION}\n{wants}\n{swaps}\n"
        )
        major, minor, _ = VERSION.split(".")
        said = [
            f"-X {package}.{name}={value}"
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for name, value in (("gitVersion", f"v{VERSION}"), ("gitMajor", major), ("gitMinor", minor))
        ]
        self.program.parent.mkdir(exist_ok=True)
        # written last, as what is here counts as built
        shutil.copy(HERE / "main.go", source / "building.go")
        command = ["go", "build", "-trimpath", "-ldflags", " ".join(["-s", "-w", *said]), "-o", str(self.program)]
        _do([*command, "building.go"], cwd=source, env=env)
        (source / "main.go").write_text(main)

    def image(self, name: str, dockerfile: Path, context: Path, **arguments: str) -> None:
        """Build an image with buildah, over a bare Debian unless `BASE` is given, and bring it to the node."""
        _do([str(ROOT / "deployments/setup/debian.sh"), "buildah", "debootstrap"], cwd=ROOT)
        if "BASE" not in arguments:
            self._debian()
            arguments["BASE"] = "localhost/debian:12"
        command = ["buildah", "bud", "--isolation", "chroot", "--layers", "--tag", name, "--file", str(dockerfile)]
        command += [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
        for path in _ways():
            command += ["--volume", f"{path}:{path}:ro"]
        command += [part for key, value in os.environ.items() if _tells(key) for part in ("--env", f"{key}={value}")]
        _do([*command, str(context)])
        archive = self.home / "images" / f"{re.sub(r'[^a-z0-9]+', '-', name)}.tar"
        archive.parent.mkdir(exist_ok=True)
        archive.unlink(missing_ok=True)
        _do(["buildah", "push", name, f"oci-archive:{archive}:{name}"])
        if self.running("containerd"):
            self._import(archive)

    def _debian(self) -> None:
        if "localhost/debian:12" in _do(["buildah", "images", "--format", "{{.Name}}:{{.Tag}}"]).split():
            return
        tree = self.home / "debian"
        site = _do(["apt-get", "indextargets", "--format", "$(SITE)"]).split()[0]
        shutil.rmtree(tree, ignore_errors=True)
        packages = "python3,python3-venv,ca-certificates"
        _do(["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(tree), site])
        # whom this machine trusts, and where it has packages from, the steps of a build must know as well
        bundle, pem = "etc/ssl/certs/ca-certificates.crt", "-----BEGIN CERTIFICATE-----"
        known = set((tree / bundle).read_text().split(pem))
        for number, certificate in enumerate(set((Path("/") / bundle).read_text().split(pem)[1:]) - known):
            (tree / f"usr/local/share/ca-certificates/machine-{number}.crt").write_text(pem + certificate)
        _do(["chroot", str(tree), "update-ca-certificates"])
        if Path("/etc/apt/sources.list.d/debian.sources").exists():
            (tree / "etc/apt/sources.list").unlink()
        made = _do(["buildah", "from", "scratch"]).strip()
        _do(["buildah", "copy", made, str(tree), "/"])
        _do(["buildah", "commit", "--rm", made, "localhost/debian:12"])
        shutil.rmtree(tree)

    # ---- up and down

    def up(self) -> None:
        """Start what does not run yet; seconds, once it is built. Raises `NoCluster`."""
        self.make()
        for folder in (self.run, self.log, self.pki):
            folder.mkdir(exist_ok=True)
        self._network()
        self._certificates()
        self._configure()
        self._pause()
        proxy, kubelet = self.home / "etc/kube-proxy.yaml", self.home / "etc/kubelet.yaml"
        self._start("containerd", "containerd", "--config", str(self.home / "etc/containerd.toml"))
        peers = "http://127.0.0.1:2380"
        self._start(
            "etcd", str(self.program), "etcd", "--data-dir", str(self.run / "etcd"), "--unsafe-no-fsync",
            "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
            "--initial-cluster", f"default={peers}",
        )  # fmt: skip
        self._start(
            "kube-apiserver", str(self.program), "kube-apiserver", "--etcd-servers", "http://127.0.0.1:2379",
            "--secure-port", "443", "--advertise-address", NODE, "--service-cluster-ip-range", SERVICES,
            "--tls-cert-file", str(self.pki / "api.crt"), "--tls-private-key-file", str(self.pki / "api.key"),
            "--client-ca-file", str(self.pki / "ca.crt"), "--token-auth-file", str(self.pki / "tokens"),
            "--service-account-issuer", "https://kubernetes.default.svc",
            "--service-account-key-file", str(self.pki / "accounts.key"),
            "--service-account-signing-key-file", str(self.pki / "accounts.key"),
            "--authorization-mode", "Node,RBAC", "--allow-privileged",
            "--kubelet-preferred-address-types", "InternalIP",
        )  # fmt: skip
        _until(lambda: self.answers("get", "--raw", "/readyz"), self.log / "kube-apiserver.log")
        own = ("--kubeconfig", str(self.kubeconfig))
        self._start(
            "kube-controller-manager", str(self.program), "kube-controller-manager", *own, "--leader-elect=false",
            "--service-account-private-key-file", str(self.pki / "accounts.key"), "--bind-address", "127.0.0.1",
            "--root-ca-file", str(self.pki / "ca.crt"),
        )  # fmt: skip
        self._start("kube-scheduler", str(self.program), "kube-scheduler", *own, "--leader-elect=false")
        _until(lambda: self._ctr("version", quick=True) is not None, self.log / "containerd.log")
        for archive in sorted((self.home / "images").glob("*.tar")):
            self._import(archive)
        self._start(
            "kubelet", str(self.program), "kubelet", *own, "--config", str(kubelet), "--node-ip", NODE,
            "--root-dir", str(self.run / "kubelet"), "--hostname-override", self.name,
        )  # fmt: skip
        self._start("kube-proxy", str(self.program), "kube-proxy", "--config", str(proxy))
        ready = "{.status.conditions[?(@.type=='Ready')].status}"
        _until(
            lambda: self.answers("get", "node", self.name, "-o", f"jsonpath={ready}") == "True",
            self.log / "kubelet.log",
        )
        _until(lambda: self.answers("get", "serviceaccount", "default"), self.log / "kube-controller-manager.log")

    def down(self) -> None:
        """End it, and leave nothing but what was fetched and built."""
        for name in ("kubelet", "kube-scheduler", "kube-controller-manager", "kube-proxy"):
            self._stop(name)
        if self._ctr("version", quick=True) is not None:
            for task in (self._ctr("tasks", "ls", "-q") or "").split():
                self._ctr("tasks", "kill", "--signal", "SIGKILL", "--all", task)
            time.sleep(0.5)
            for task in (self._ctr("tasks", "ls", "-q") or "").split():
                self._ctr("tasks", "delete", "--force", task)
            for container in (self._ctr("containers", "ls", "-q") or "").split():
                self._ctr("containers", "delete", container)
        self._stop("kube-apiserver", signal.SIGKILL)  # it takes many seconds to end of itself
        for name in ("etcd", "containerd"):
            self._stop(name)
        for place in sorted(self.mounts(), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False)
        if Path(f"/run/netns/{self.name}").exists():
            subprocess.run(["ip", "netns", "delete", self.name], check=False)
        for group in self.groups():
            for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                with suppress(OSError):
                    folder.rmdir()
            with suppress(OSError):
                group.rmdir()
        before = self.home / "sysctls"
        if before.exists():
            _do(["sysctl", "--quiet", "--write", *before.read_text().split()])
            before.unlink()
        if left := self.mounts():
            raise NoCluster(f"still mounted, so that nothing is deleted: {', '.join(left)}")
        for path in (self.run, self.pki):
            shutil.rmtree(path, ignore_errors=True)
        self.kubeconfig.unlink(missing_ok=True)

    def running(self, component: str) -> bool:
        """Whether a component's process is there."""
        with suppress(OSError, ValueError):
            pid = int((self.run / f"{component}.pid").read_text())
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    def mounts(self) -> list[str]:
        """What pods have mounted below the folder."""
        lines = Path("/proc/mounts").read_text().splitlines()
        return [place for place in (line.split()[1] for line in lines) if place.startswith(f"{self.run}/")]

    def groups(self) -> list[Path]:
        """The control groups of pods."""
        tops = (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir())
        return [top / name for top in tops for name in ("kubepods", "k8s.io") if (top / name).is_dir()]

    # ---- asking it

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """What kubectl says; raises `CalledProcessError`, of which `stderr` says why."""
        command = self.inside(str(self.program), "kubectl", "--kubeconfig", str(self.kubeconfig), *arguments)
        return subprocess.run(
            command, check=True, input=stdin, capture_output=True, text=True, timeout=timeout, env=self._env()
        ).stdout

    def answers(self, *arguments: str) -> str | None:
        """What kubectl says, None where it cannot yet."""
        with suppress(subprocess.SubprocessError):
            return self.kubectl(*arguments, timeout=10)
        return None

    def inside(self, *command: str) -> list[str]:
        """A command in the cluster's network; `ip netns exec` would mount /sys anew, and hide the control groups."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    # ---- parts of up

    def _network(self) -> None:
        """A namespace with the node's address; dummy interfaces are not to be had everywhere, pairs are."""
        if Path(f"/run/netns/{self.name}").exists():
            return
        _do(["ip", "netns", "add", self.name])
        for line in (
            "link set lo up",
            f"addr add {SERVICE}/32 dev lo",  # the API's service address
            "link add node0 type veth peer name node1",
            f"addr add {NODE}/24 dev node0",
            "link set node0 up",
            "link set node1 up",
            "route add default via 10.77.0.254 dev node0",  # nobody is there: what is outside is unreachable
        ):
            _do(["ip", "-n", self.name, *line.split()])
        _do(self.inside("sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1"))

    def _certificates(self) -> None:
        if self.kubeconfig.exists():
            return
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"]
        names = f"DNS:kubernetes,DNS:kubernetes.default.svc,DNS:localhost,IP:{NODE},IP:{SERVICE},IP:127.0.0.1"
        ca = ["-CA", "ca.crt", "-CAkey", "ca.key"]
        for command in (
            ["req", "-x509", *key, "-subj", "/CN=inlet-test", "-keyout", "ca.key", "-out", "ca.crt"],
            ["req", "-x509", *key, "-subj", "/CN=api", "-addext", f"subjectAltName={names}", *ca,
             "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "api.key", "-out", "api.crt"],
            ["genrsa", "-out", "accounts.key", "2048"],
        ):  # fmt: skip
            _do(["openssl", *command], cwd=self.pki)
        token = secrets.token_hex(16)
        (self.pki / "tokens").write_text(f"{token},admin,admin,system:masters\n")
        self.kubeconfig.touch(0o600)
        cluster = {"server": f"https://{NODE}:443", "certificate-authority": str(self.pki / "ca.crt")}
        self.kubeconfig.write_text(
            _text(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "inlet", "cluster": cluster}],
                    "users": [{"name": "admin", "user": {"token": token}}],
                    "contexts": [{"name": "inlet", "context": {"cluster": "inlet", "user": "admin"}}],
                    "current-context": "inlet",
                }
            )
        )

    def _configure(self) -> None:
        etc = self.home / "etc"
        (etc / "net").mkdir(parents=True, exist_ok=True)
        before = self.home / "sysctls"
        if not before.exists():  # else this is not the first start, and they are kubelet's
            before.write_text("\n".join(f"{name}={_do(['sysctl', '-n', name]).strip()}" for name in SYSCTLS))
        (etc / "resolv.conf").write_text(f"nameserver {NODE}\n")  # nobody listens: a look-up fails at once
        (etc / "containerd.toml").write_text(self._containerd())
        bridge = {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.run / "addresses"),
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        plugins = {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}
        (etc / "net/pods.conflist").write_text(_text(plugins))
        least = {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"}
        kubelet = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},  # the network is the node's own
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "resolvConf": str(etc / "resolv.conf"),
            "podLogsDir": str(self.run / "pods"),
            "evictionHard": least,
            "imageGCHighThresholdPercent": 100,  # no image that was deleted could be pulled again
            "nodeStatusUpdateFrequency": "5s",
            "makeIPTablesUtilChains": False,
        }
        (etc / "kubelet.yaml").write_text(_text(kubelet))
        proxy = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "hostnameOverride": self.name,
            "clientConnection": {"kubeconfig": str(self.kubeconfig)},
            "clusterCIDR": PODS,
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "healthzBindAddress": "127.0.0.1:10256",
        }
        (etc / "kube-proxy.yaml").write_text(_text(proxy))

    def _containerd(self) -> str:
        return f"""
version = 2
root = "{self.run}/containerd"
state = "{self.run}/containerd-state"
[grpc]
  address = "{self.socket}"
[ttrpc]
  address = "{self.socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true  # in a container itself, it may not lower it, and no pod would start
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{self.sys}/usr/lib/cni"
    conf_dir = "{self.home}/etc/net"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{self.sys}/usr/sbin/runc"
        SystemdCgroup = false
"""

    def _pause(self) -> None:
        """The image of a pod's own process: the same program, which needs nothing beside it."""
        archive = self.home / "images" / "pause.tar"
        if archive.exists() and archive.stat().st_mtime > self.program.stat().st_mtime:
            return
        _do([str(ROOT / "deployments/setup/debian.sh"), "buildah", "debootstrap"], cwd=ROOT)
        archive.parent.mkdir(exist_ok=True)
        archive.unlink(missing_ok=True)
        made = _do(["buildah", "from", "scratch"]).strip()
        _do(["buildah", "copy", made, str(self.program), "/pause"])
        _do(["buildah", "config", "--entrypoint", '["/pause"]', "--user", "65535:65535", made])
        _do(["buildah", "commit", "--rm", made, "localhost/pause:1"])
        _do(["buildah", "push", "localhost/pause:1", f"oci-archive:{archive}:localhost/pause:1"])

    def _import(self, archive: Path) -> None:
        done = self.run / f"imported-{archive.stem}"
        if not done.exists() or done.stat().st_mtime < archive.stat().st_mtime:
            if self._ctr("images", "import", str(archive)) is None:
                raise NoCluster(f"containerd takes no image from {archive}: read {self.log}/containerd.log")
            done.touch()

    def _ctr(self, *arguments: str, quick: bool = False) -> str | None:
        """What containerd's client says; None where it fails. Where nothing listens it would wait ten seconds."""
        command = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *arguments]
        with suppress(subprocess.TimeoutExpired, OSError):
            done = subprocess.run(
                command, capture_output=True, text=True, env=self._env(), timeout=2 if quick else 300, check=False
            )
            return done.stdout if done.returncode == 0 else None
        return None

    def _start(self, name: str, *command: str) -> None:
        if self.running(name):
            return
        with (self.log / f"{name}.log").open("wb") as out:
            process = subprocess.Popen(
                self.inside(*command), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=self._env(), start_new_session=True,
            )  # fmt: skip
        (self.run / f"{name}.pid").write_text(str(process.pid))

    def _stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        file = self.run / f"{name}.pid"
        for one in (how, signal.SIGKILL):
            with suppress(OSError, ValueError):
                os.kill(int(file.read_text()), one)
            for _ in range(100):
                if not self.running(name):
                    break
                time.sleep(0.1)
        file.unlink(missing_ok=True)

    def _env(self) -> dict[str, str]:
        tools = [self.sys / part for part in ("usr/sbin", "usr/bin")]
        libraries = self.sys / "usr/lib/x86_64-linux-gnu"
        return os.environ | {
            "PATH": os.pathsep.join([*map(str, tools), os.environ["PATH"]]),
            "LD_LIBRARY_PATH": str(libraries),
            "XTABLES_LIBDIR": str(libraries / "xtables"),
        }


def _ways() -> list[Path]:
    """Files by which this machine reaches registries."""
    files = ("/etc/pip.conf", "/etc/apt/sources.list", "/etc/apt/sources.list.d")
    found = [*map(Path, files), *(Path.home() / name for name in (".m2/settings.xml", ".config/pip/pip.conf"))]
    return [path for path in found if path.exists()]


def _tells(variable: str) -> bool:
    wanted = {"pip_cert", "pip_index_url", "pip_default_timeout", "http_proxy", "https_proxy", "no_proxy"}
    return variable.lower() in wanted


def _text(value: object) -> str:
    """YAML, of which JSON is a part."""
    return json.dumps(value, indent=1)


def _do(command: Sequence[str], **options: Any) -> str:
    """What a program says; raises `NoCluster` with what it says of its failure."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, **options)
    if done.returncode:
        raise NoCluster(f"{' '.join(command[:4])} … failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def _until(ready: Callable[[], object], log: Path, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise NoCluster(f"not ready after {seconds:.0f} s: read {log}")
        time.sleep(0.2)


def main(verb: str, *arguments: str) -> None:
    """What `make cluster`, `make cluster-down` and a person ask for."""
    here = Local(Path(os.environ.get("INLET_CLUSTER", ROOT / "build" / "cluster")))
    if verb == "up":
        here.up()
    elif verb == "down":
        here.down()
    elif verb == "image":
        here.make()
        here.image(arguments[0], Path(arguments[1]), ROOT)
    else:
        command = here.inside(str(here.program), "kubectl", "--kubeconfig", str(here.kubeconfig), *arguments)
        os.execvpe(command[0], command, here._env())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except NoCluster as error:
        sys.exit(str(error))
