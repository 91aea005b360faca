"""What the session is told of executors; that they start, work and end is proved on a cluster (tests/cluster)."""

from functools import partial
from pathlib import Path

import pytest

from spark import executors
from spark.errors import NoExecutors

POD = {
    "INLET_EXECUTORS": "8x4",
    "INLET_EXECUTOR_MEMORY": "4g",
    "INLET_EXECUTOR_OVERHEAD": "3g",
    "INLET_IMAGE": "inlet:1",
    "INLET_POD_NAME": "brisk-otter-x7",
    "INLET_POD_NAMESPACE": "inlet-cclf",
    "INLET_POD_IP": "10.1.2.3",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}


@pytest.mark.parametrize(("said", "expected"), [({}, False), ({"INLET_EXECUTORS": "0x4"}, False), (POD, True)])
def test_a_run_has_executors_where_it_is_told_so(said: dict[str, str], expected: bool) -> None:
    assert executors.wanted(said) == expected


@pytest.mark.parametrize("text", ["8", "8x0", "x4", "8 x 4", "-1x4"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(NoExecutors, match="write pods and cores of each, such as 8x4"):
        executors.wanted({"INLET_EXECUTORS": text})


@pytest.mark.parametrize(
    ("host", "expected"), [("10.96.0.1", "k8s://https://10.96.0.1:443"), ("fd00::1", "k8s://https://[fd00::1]:443")]
)
def test_the_cluster_is_the_one_that_the_pod_is_in(host: str, expected: str) -> None:
    assert executors.master(POD | {"KUBERNETES_SERVICE_HOST": host}) == expected


def test_work_is_shared_out_for_all_executors_before_any_is_there() -> None:
    said = executors.settings({}, POD)
    assert said["spark.default.parallelism"] == "32"
    assert said["spark.sql.shuffle.partitions"] == "64"
    assert said["spark.dynamicAllocation.minExecutors"] == "0"
    assert said["spark.dynamicAllocation.maxExecutors"] == "8"
    assert said["spark.kubernetes.driver.pod.name"] == "brisk-otter-x7"
    assert said["spark.kubernetes.namespace"] == "inlet-cclf"
    assert said["spark.driver.host"] == said["spark.driver.bindAddress"] == "10.1.2.3"


def test_keys_are_in_no_setting() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAINLET", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_SESSION_TOKEN": "t0ken"}
    lake = keys | {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_S3": "http://s3.example.org"}
    said = executors.settings(lake, POD | keys)
    assert said["spark.executorEnv.AWS_REGION"] == "eu-west-1"
    assert said["spark.executorEnv.AWS_ENDPOINT_URL_S3"] == "http://s3.example.org"
    assert not set(keys.values()) & set(said.values())


def test_by_what_executors_know_their_driver_is_in_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(executors, "AUTHENTICATES", tmp_path / "secret")
    assert "spark.authenticate.secret.file" not in executors.settings({}, POD)
    (tmp_path / "secret").write_text("s3cr3t")
    said = executors.settings({}, POD)
    assert said["spark.authenticate.secret.file"] == str(tmp_path / "secret")
    assert "s3cr3t" not in str(said)


@pytest.mark.parametrize("path", ["executor.yaml", "job.yaml"])
def test_pods_have_that_secret_where_spark_looks_for_it(path: str) -> None:
    text = (executors.HERE / path).read_text()
    assert f"mountPath: {executors.AUTHENTICATES.parent}, readOnly: true" in text
    assert "secret: {secretName: inlet-spark, optional: true, defaultMode: 0440}" in text


@pytest.mark.parametrize("pod", [POD, POD | {"AWS_ACCESS_KEY_ID": "AKIAOTHER"}])
def test_keys_that_executors_would_not_have_are_refused(pod: dict[str, str]) -> None:
    with pytest.raises(NoExecutors, match="give the Secret inlet-lake AWS_ACCESS_KEY_ID"):
        executors.settings({"AWS_ACCESS_KEY_ID": "AKIAINLET"}, pod)


@pytest.mark.parametrize("name", sorted(POD.keys() - {"INLET_EXECUTORS"}))
def test_a_pod_of_another_template_is_told_what_it_lacks(name: str) -> None:
    lacking = {key: value for key, value in POD.items() if key != name}
    with pytest.raises(NoExecutors, match=name):
        (executors.master if name.startswith("KUBERNETES") else partial(executors.settings, {}))(lacking)
