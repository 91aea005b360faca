#!/bin/sh
# Before Kubernetes ends an executor: asks it to hand its blocks on (SIGPWR is Spark's word for it), and waits until it has.
set -eu

executor=$(pgrep -o -f org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend) || exit 0
kill -s PWR "$executor"
while kill -0 "$executor" 2>/dev/null; do
    sleep 1
done
