#!/bin/sh
# A Spark executor: what its pod starts. Spark's driver gives the pod these variables; options of the JVM come numbered.
set -eu

options=$(mktemp)
env | sed -n 's/^SPARK_JAVA_OPT_[0-9]*=//p' > "$options"
set --
while IFS= read -r option; do
    set -- "$@" "$option"
done < "$options"
rm "$options"

# By what it and its run know each other. Spark itself reads the file only where it knows its master, as no executor does.
secret=/run/secrets/spark/secret
if [ -r "$secret" ]; then
    _SPARK_AUTH_SECRET=$(base64 -w 0 "$secret")
    export _SPARK_AUTH_SECRET
fi

spark=$(dirname "$("$PYSPARK_PYTHON" -c 'import pyspark; print(pyspark.__file__)')")
exec java "$@" -Xms"$SPARK_EXECUTOR_MEMORY" -Xmx"$SPARK_EXECUTOR_MEMORY" -cp "$spark/jars/*:${SPARK_CLASSPATH:-}" \
    org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
    --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
    --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
    --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
