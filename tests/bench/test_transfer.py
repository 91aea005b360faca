"""The harness of `make bench-transfer`: that its numbers are of what they say, not how good they are."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.measure import Result, measure, median
from bench.transfer import MIB, Bench, Measured, Shape, ratios, table
from bench.transfer_systems import Job
from tests.servers import S3, Nginx, Sshd


@pytest.fixture
def bench(sshd: Sshd, nginx: Nginx, s3: S3, tmp_path: Path) -> Bench:
    return Bench(sshd, nginx, s3, tmp_path, "a test")


def buckets(s3: S3) -> set[str]:
    return {bucket["Name"] for bucket in s3.credentials.get_s3_client().list_buckets()["Buckets"]}


@pytest.mark.parametrize(
    ("protocol", "shape", "runs"),
    [("sftp", Shape(1, 65 * MIB), 1), ("http", Shape(3, 50_000), 2)],
    ids=["one that is sent in parts", "several"],
)
def test_every_system_brings_the_files_and_leaves_nothing(bench: Bench, protocol: str, shape: Shape, runs: int) -> None:
    before = buckets(bench.s3)
    results = {result.system: result for result in bench.compare(protocol, "large", shape, runs)}

    assert bench.failures == {}
    # rclone and curl are no part of `make tools`
    expected = {"inlet", "usual", "upload"}
    expected |= {"download", "limit"} if "curl" not in bench.absent else set()
    expected |= {"rclone"} if "rclone" not in bench.absent else set()
    assert results.keys() == expected
    for result in results.values():
        assert (result.bytes, result.rows, result.runs) == (shape.bytes, shape.files, runs)
        assert 0 < result.fastest <= result.seconds <= result.slowest
    if "limit" in results:
        assert results["limit"].seconds == max(results[half].seconds for half in ("download", "upload"))
    assert table(results.values()).row_count == len(results)

    assert buckets(bench.s3) == before
    assert not [folder for server in (bench.sshd, bench.nginx) for folder in server.folder.glob(f"{protocol}-*")]


SAYS_NOTHING_WAS_WRONG = """
import boto3, json, sys
job = json.loads(open(sys.argv[1]).read())
s3 = boto3.client("s3", endpoint_url=job["endpoint"])
for name in job["names"][:int(sys.argv[2])]:
    s3.put_object(Bucket=job["bucket"], Key=name, Body=b"x" * int(sys.argv[3]))
"""


@pytest.mark.parametrize(
    ("files", "size", "said"),
    [(1, 1000, "1 of 2 files have arrived"), (2, 999, "of 999 bytes was not to be"), (2, 1000, "with other bytes")],
)
def test_a_system_that_copies_wrong_has_no_number(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, files: int, size: int, said: str
) -> None:
    command = Job.python

    def wrong(job: Job, system: str) -> list[str]:
        return [sys.executable, "-c", SAYS_NOTHING_WAS_WRONG, command(job, system)[-1], str(files), str(size)]

    monkeypatch.setattr(Job, "python", wrong)
    results = bench.compare("http", "small", Shape(2, 1000), 1)
    assert not {result.system for result in results} & {"inlet", "usual", "upload", "limit"}
    assert said in bench.failures["http-small", "inlet"]
    assert said in bench.failures["http-small", "usual"]


def test_a_system_that_fails_once_has_no_number(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    command = Job.python
    runs = iter([True, False])

    def second_time_wrong(job: Job, system: str) -> list[str]:
        return command(job, system) if system != "usual" or next(runs) else ["false"]

    monkeypatch.setattr(Job, "python", second_time_wrong)
    results = bench.compare("http", "small", Shape(1, 1000), 2)
    assert "usual" not in {result.system for result in results}
    assert "inlet" in {result.system for result in results}
    assert list(bench.failures) == [("http-small", "usual")]


def test_inlet_is_set_against_the_others_and_its_goals() -> None:
    def took(system: str, seconds: float) -> Measured:
        result = Result(
            case="sftp-large", system=system, seconds=seconds, cpu_seconds=0, peak_rss_mb=0, bytes=1, rows=1
        )
        return Measured(**median([result]).model_dump(), setting="")

    results = [took("inlet", 10), took("limit", 9), took("rclone", 14), took("usual", 30)]
    goals = {"large": {"limit": 1.15, "rclone": 1.5}}
    assert list(ratios(results, goals)) == [
        "sftp-large: inlet takes 1.11 x the limit (goal: at most 1.15, met)",
        "sftp-large: inlet is 1.40 x as fast as rclone (goal: at least 1.50, NOT met)",
        "sftp-large: inlet is 3.00 x as fast as usual",
    ]
    assert list(ratios(results[1:], goals)) == []


BUSY = "import time\nwhile time.process_time() < 0.05: pass"


def test_cpu_time_of_children_that_hardly_live_is_counted() -> None:
    parent = f"import subprocess, sys\nfor _ in range(10): subprocess.run([sys.executable, '-S', '-c', {BUSY!r}])"
    result = measure([sys.executable, "-c", parent], case="c", system="s", size=1, rows=1)
    assert 0.5 <= result.cpu_seconds < 2


def test_a_process_is_measured_to_its_end_and_must_succeed() -> None:
    result = measure(["sleep", "0.12"], case="c", system="s", size=1, rows=1)
    assert result.seconds >= 0.12
    with pytest.raises(subprocess.CalledProcessError):
        measure(["false"], case="c", system="s", size=1, rows=1)


def test_the_median_of_runs() -> None:
    def run(seconds: float, cpu: float, peak: float) -> Result:
        return Result(case="c", system="s", seconds=seconds, cpu_seconds=cpu, peak_rss_mb=peak, bytes=5, rows=1)

    whole = median([run(3, 1, 10), run(1, 2, 30), run(2, 3, 20)])
    assert (whole.seconds, whole.fastest, whole.slowest) == (2, 1, 3)
    assert (whole.cpu_seconds, whole.peak_rss_mb, whole.runs) == (2, 30, 3)
