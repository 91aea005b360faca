"""What asks Prefect's server asks again while it is away, and at once gives up what it will never be given."""

import sys
import time
from pathlib import Path

import httpx
import pytest

from tasks.server import patient
from tests.servers import answers, free_port, running

SERVER = [sys.executable, "-m", "http.server"]


@pytest.fixture
def port() -> int:
    return free_port()


def test_a_server_that_comes_back_is_asked_again(port: int, tmp_path: Path) -> None:
    asked: list[float] = []

    @patient
    def ask() -> int:
        asked.append(time.monotonic())
        if len(asked) == 2:
            begin.__enter__()
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=10).raise_for_status().status_code

    begin = running([*SERVER, str(port)], answers(port), tmp_path / "log")
    try:
        assert ask() == 200
    finally:
        begin.__exit__(None, None, None)
    assert len(asked) == 2


def test_what_the_server_refuses_is_asked_once(port: int, tmp_path: Path) -> None:
    asked: list[str] = []

    @patient
    def ask() -> None:
        asked.append("")
        httpx.get(f"http://127.0.0.1:{port}/nothing", timeout=10).raise_for_status()

    with (
        running([*SERVER, str(port)], answers(port), tmp_path / "log"),
        pytest.raises(httpx.HTTPStatusError),
    ):
        ask()
    assert len(asked) == 1
