#!/bin/bash
# up.sh starts the cluster and returns when a pod may be made and a Service answers; what is missing is built first. Where
# the cluster runs already nothing is done.
#
# The node is a tree of processes in namespaces of its own (network, mounts, processes), as a container is. So nothing of
# it shows on the machine but one network interface, and to end the first process is to end all of it. The machine reaches
# the node, its pods and Services over that interface, and is itself 10.77.0.254 to them. They come no further, unless the
# machine forwards.
. "$(dirname "$0")/common.sh"
need_root
need ip openssl unshare nsenter flock sysctl setsid
"$scripts/debian.sh"
"$scripts/build.sh"

lock
if ! alive; then
    "$scripts/down.sh" 9>&- --locked # what a node left that was killed, or went with the machine
    began=$SECONDS
fi

# 10.77 or, where the machine has that network already, the next that is free: the node's in .0, pods' in .1, Services' in .2
free_network() {
    local taken second
    taken=$(ip -4 route show table all)
    for second in {77..127}; do
        grep -q "\b10\.$second\." <<<"$taken" || { echo "10.$second" && return; }
    done
    fail "no network from 10.77 to 10.127 is free on this machine."
}

# An authority, and what it vouches for: the API server, and an administrator who is also the node's own programs.
certificates() {
    local bare=$run/openssl.cnf
    printf '[req]\ndistinguished_name = name\n[name]\n' >"$bare" # the machine's may add extensions
    key() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -config "$bare" "$@" 2>>"$run/openssl.log"; }
    key -keyout ca.key -out ca.crt -subj "/CN=cluster" -addext basicConstraints=critical,CA:TRUE
    key -keyout server.key -out server.crt -CA ca.crt -CAkey ca.key -subj "/CN=kube-apiserver" \
        -addext "subjectAltName=DNS:kubernetes.default.svc,DNS:kubernetes.default,DNS:kubernetes,IP:127.0.0.1,IP:$network.0.1,IP:$network.2.1"
    key -keyout admin.key -out admin.crt -CA ca.crt -CAkey ca.key -subj "/O=system:masters/CN=admin"
    openssl ecparam -genkey -name prime256v1 -noout -out accounts.key # signs service accounts' tokens
    cat >"$kubeconfig" <<END
apiVersion: v1
kind: Config
current-context: cluster
contexts: [{name: cluster, context: {cluster: cluster, user: admin}}]
clusters:
  - name: cluster
    cluster: {server: "https://$network.0.1:6443", certificate-authority-data: $(base64 -w 0 ca.crt)}
users:
  - name: admin
    user: {client-certificate-data: $(base64 -w 0 admin.crt), client-key-data: $(base64 -w 0 admin.key)}
END
}

start() {
    network=$(free_network)
    mkdir -p "$run"/{lib,log,run/cluster/pki} && chmod 700 "$run"
    # kubelet sets these for the whole machine; down.sh puts them back
    sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys \
        kernel.keys.root_maxbytes 2>/dev/null | tr -d ' ' >"$run/sysctl"
    (umask 077 && cd "$run/run/cluster/pki" && certificates)

    setsid unshare --net --mount --pid --fork --kill-child --mount-proc "$scripts/node.sh" "$network" \
        </dev/null >"$run/node.log" 2>&1 9>&- &
    node=$!
    echo "$node $(born "$node")" >"$run/node.pid"
    disown
    until [ "$(readlink "/proc/$node/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
        alive || fail "the node ended at once: read $run/node.log."
        sleep 0.02
    done
    ip link add "$name" type veth peer name eth0 netns "$node"
    ip address add "$network.0.254/24" dev "$name"
    ip link set "$name" up
    ip route add "$network.1.0/24" via "$network.0.1"
    ip route add "$network.2.0/24" via "$network.0.1"
    echo "$network" >"$run/network" # last: now all is there that the machine has to do
}

patiently() { # until a command succeeds, for two minutes
    local last=$((SECONDS + 120))
    until said=$("$@" 2>&1); do
        alive || fail "the node ended: read $run/node.log."
        [ $SECONDS -lt $last ] || fail "it is not ready after two minutes ($said): read $run/log/*.log, then run down.sh."
        sleep 0.2
    done
}

alive || start
[ -s "$run/network" ] || fail "a start was cut off: run down.sh, then up.sh."
network=$(cat "$run/network")
export KUBECONFIG=$kubeconfig
patiently kubectl wait --for=condition=Ready node/node --timeout=1s
patiently kubectl --namespace default get serviceaccount default
patiently kubectl --server "https://$network.2.1" get --raw /readyz # by the Service: kube-proxy has set its rules
[ -z "${began:-}" ] || say "ready after $((SECONDS - began)) s: export KUBECONFIG=$kubeconfig"
