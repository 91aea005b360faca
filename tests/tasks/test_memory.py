"""That a pod's memory ran out is read where the kernel counts it, in either version of control groups."""

from pathlib import Path

import pytest

from tasks.memory import killed_at

V2 = "low 0\nhigh 0\nmax 7\noom 1\noom_kill {}\noom_group_kill 0\n"
V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"


@pytest.mark.parametrize(
    ("events", "limit", "expected"),
    [
        (V2.format(1), "104857600\n", 104857600),
        (V2.format(0), "104857600\n", None),
        (V2.format(1), "max\n", None),
        (V1.format(2), "104857600\n", 104857600),
        (V1.format(0), "104857600\n", None),
        (V1.format(2), "9223372036854771712\n", None),
        ("odd", "104857600\n", None),
    ],
)
def test_what_the_kernel_counts(events: str, limit: str, expected: int | None, tmp_path: Path) -> None:
    (tmp_path / "events").write_text(events)
    (tmp_path / "limit").write_text(limit)
    assert killed_at(((tmp_path / "none", "limit"), (tmp_path / "events", "limit"))) == expected


def test_where_nothing_counts_nothing_is_said(tmp_path: Path) -> None:
    assert killed_at(((tmp_path / "none", "limit"),)) is None
