#!/bin/bash
# node.sh NETWORK is the node's first process; up.sh starts it in namespaces of its own. Everything else is its child, and
# ends with it.
. "$(dirname "$0")/common.sh"
network=$1
here=/run/cluster

# A /run, /var/lib and /var/log of its own: whatever the parts keep in their usual places is below the one folder. Without
# the machine's /run kubelet finds no systemd, either, and so mounts by itself.
mount --bind "$run/lib" /var/lib
mount --bind "$run/log" /var/log
mount --bind "$run/run" /run
mkdir -p $here/network
for file in "$scripts"/conf/*; do
    sed "s/10\.77\./$network./; s/cluster-name/$name/" "$file" >"$here/$(basename "$file")"
done
mv $here/pods.conflist $here/network/
ln -s "$debian/usr/lib/cni" $here/cni
cp "$kubeconfig" $here/kubeconfig

# Control groups above those of the pods: kubelet asks for them, and keeps apart from a kubelet of the machine's own.
for hierarchy in $(hierarchies); do
    if [ -e "$hierarchy/cgroup.subtree_control" ]; then
        tr ' ' '\n' <"$hierarchy/cgroup.controllers" | while read -r controller; do
            echo "+$controller" >"$hierarchy/cgroup.subtree_control" || true # some cannot be had by groups
        done
    fi
    mkdir -p "$hierarchy/$name"
done

# The way to the machine is an interface that up.sh lays from the other side.
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip address add "$network.0.1/24" dev eth0
ip link set eth0 up
ip route add default via "$network.0.254"
sysctl -qw net.ipv4.ip_forward=1
echo "nameserver $network.0.1" >$here/resolv.conf # nobody listens there, so that a look-up fails at once and does not hang

keep() { # keep PART ARGUMENT... : runs it, and again where it ends, as systemd would
    # of these programs only Debian's find libraries in that place; the variable would reach nobody else's
    while :; do
        LD_LIBRARY_PATH=$libraries "$@" || true
        echo "$1 ended; it is started again" >&2
        sleep 1
    done >"/var/log/$1.log" 2>&1 </dev/null &
}
await() { until "$@" >/dev/null 2>&1; do sleep 0.1; done; }

keep containerd --config $here/containerd.toml
keep etcd --data-dir /var/lib/etcd --unsafe-no-fsync
keep kube-apiserver --etcd-servers http://127.0.0.1:2379 --secure-port 6443 --advertise-address "$network.0.1" \
    --service-cluster-ip-range "$network.2.0/24" --authorization-mode Node,RBAC --allow-privileged=true \
    --tls-cert-file $here/pki/server.crt --tls-private-key-file $here/pki/server.key --client-ca-file $here/pki/ca.crt \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file $here/pki/accounts.key --service-account-signing-key-file $here/pki/accounts.key \
    --kubelet-client-certificate $here/pki/admin.crt --kubelet-client-key $here/pki/admin.key \
    --kubelet-preferred-address-types InternalIP
await kubectl --kubeconfig $here/kubeconfig get --raw /readyz
keep kube-controller-manager --kubeconfig $here/kubeconfig --leader-elect=false --root-ca-file $here/pki/ca.crt \
    --service-account-private-key-file $here/pki/accounts.key
keep kube-scheduler --kubeconfig $here/kubeconfig --leader-elect=false
keep kube-proxy --config $here/kube-proxy.yaml
await timeout 2 ctr version # it waits long where containerd is not yet
ctr --namespace k8s.io images import "$home/bin/pause.tar"
keep kubelet --config $here/kubelet.yaml --kubeconfig $here/kubeconfig --node-ip "$network.0.1" --hostname-override node
wait
