#!/bin/bash
# down.sh ends the cluster and removes every trace of it; the built binary, packages and images stay.
. "$(dirname "$0")/common.sh"
need_root
[ "${1:-}" = --locked ] || lock # up.sh has it already

if alive; then
    # Its child, the node's first process, goes with it, and with that one the kernel ends all others: they, their mounts
    # and their network are gone when it is.
    read -r first _ <"/proc/$node/task/$node/children" || first=
    kill -9 "$node"
    for process in $node $first; do
        for _ in {1..200}; do
            [ -d "/proc/$process" ] || break
            sleep 0.05
        done
    done
fi

ip link delete "$name" 2>/dev/null || true # the kernel would, too, some time after the network

for hierarchy in $(hierarchies); do
    for _ in {1..100}; do # a group is busy until the last of its processes has been reaped
        [ -d "$hierarchy/$name" ] || break
        find "$hierarchy/$name" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05
    done
    [ ! -d "$hierarchy/$name" ] || fail "processes are left in $hierarchy/$name: end them, then run down.sh again."
done

[ ! -s "$run/sysctl" ] || xargs sysctl -qw <"$run/sysctl"

# Nothing of it is mounted out here; if something is after all, what it shows is not ours to remove.
if grep -qF " $home/" /proc/mounts; then
    fail "something is mounted below $home (see /proc/mounts): unmount it, then run down.sh again."
fi
rm -rf --one-file-system "$run" "$kubeconfig"
