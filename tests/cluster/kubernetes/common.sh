# Sourced by the scripts beside it: where things are, and the checks that more than one of them makes.
# A script that cannot work on this machine says why in one sentence and exits 2; one that failed exits 1.
# shellcheck shell=bash disable=SC2034  # the variables are for those scripts
set -euo pipefail

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$scripts/../../.." && pwd)

# All that the cluster has is below this folder. `run` is what lives as long as the cluster; the rest is worth keeping.
home=$(realpath -m "${INLET_CLUSTER:-$project/build/cluster}")
run=$home/run
kubeconfig=$home/kubeconfig

# What it must have outside of the folder, its control groups and a network interface, is named after the folder, so that
# clusters in two folders do not meet.
name=$(printf 'inlet%08x' "$(printf %s "$home" | cksum | cut -d ' ' -f 1)")

# Debian's programs are not installed but unpacked, so they look for their libraries where these were unpacked to.
debian=$home/debian
libraries=$(echo "$debian"/usr/lib/*-linux-gnu)
export PATH=$home/bin:$debian/usr/sbin:$debian/usr/bin:$PATH:/usr/sbin:/sbin
export XTABLES_LIBDIR=$libraries/xtables

say() { echo "cluster: $*" >&2; }
cannot() { say "$*"; exit 2; }
fail() { say "$*"; exit 1; }

need() { # need PROGRAM... : those that a plain Debian has, but a container may not
    local program missing=
    for program; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    [ -z "$missing" ] || cannot "missing:$missing. Install them (apt-get install iproute2 openssl util-linux procps)."
}

need_root() {
    [ "$(uname -s)" = Linux ] ||
        cannot "it runs on Linux alone. Elsewhere name a cluster of your own in KUBECONFIG (kind, k3d, minikube)."
    [ "$(id -u)" -eq 0 ] ||
        cannot "only root may make namespaces and control groups. Use root, or name a cluster of your own in KUBECONFIG."
    case $home/ in
        /run/* | /var/run/* | /var/lib/* | /var/log/*)
            fail "INLET_CLUSTER is $home; the node has a /run, /var/lib and /var/log of its own, so choose another place." ;;
    esac
}

# One script at a time. The lock goes with the process, and nothing that outlives it may inherit the descriptor.
lock() {
    mkdir -p "$home"
    exec 9>"$home/lock"
    flock 9
}

# The node is the process that up.sh wrote down, if it is still that process: numbers are given again.
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
alive() {
    local since
    [ -s "$run/node.pid" ] && read -r node since <"$run/node.pid" && [ "$(born "$node")" = "$since" ]
}

# containerd's client, as the node sees the file system. It waits long where containerd is not, hence no endless try.
in_containerd() { nsenter --target "$node" --mount ctr --namespace k8s.io "$@"; }

# The folders of control groups, one for each hierarchy: several with version 1, one with version 2.
hierarchies() { awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/mounts; }

# Images are kept apart from those of the machine. In mounts of its own, as buildah leaves its store mounted.
images=$home/images
buildah() {
    unshare --mount buildah --root "$images/store" --runroot "$images/runtime" --storage-driver overlay "$@" 9>&-
}
