"""A pod's CPU limit counts, not its node's processors."""

import os
from pathlib import Path

import pytest

from tasks.cores import cores

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000\n", ALL), ("100000 100000\n", 1), ("50000 100000\n", 1), ("9900000 100000\n", ALL), ("odd", ALL)],
)
def test_the_limit_of_a_pod_counts(quota: str, expected: int, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert cores((file,)) == expected


@pytest.mark.parametrize(
    ("quota", "expected"), [("-1\n", ALL), ("100000\n", 1), ("150000\n", min(2, ALL or 1)), ("", ALL)]
)
def test_the_limit_of_a_pod_on_an_older_node_counts(quota: str, expected: int, tmp_path: Path) -> None:
    file = tmp_path / "cpu.cfs_quota_us"
    file.write_text(quota)
    file.with_name("cpu.cfs_period_us").write_text("100000\n")
    assert cores((tmp_path / "cpu.max", file)) == expected


def test_without_control_groups_all_processors_count(tmp_path: Path) -> None:
    assert cores((tmp_path / "none",)) == ALL
