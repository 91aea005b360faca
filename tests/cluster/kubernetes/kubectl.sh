#!/bin/bash
# kubectl.sh is kubectl of the cluster's own version, for the cluster.
. "$(dirname "$0")/common.sh"
[ -s "$kubeconfig" ] || fail "no cluster runs below $home: run up.sh."
exec kubectl --kubeconfig "$kubeconfig" "$@"
