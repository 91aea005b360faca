"""What one run asks of Prefect's server, and what that takes of it and of its PostgreSQL."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.scale.measuring import Bench, Clock
from bench.scale.points import Point

RUNS = (5, 25)


def prefect(bench: Bench) -> Iterator[Point]:
    """CPU time of Prefect's server and of its PostgreSQL beside the run's own."""
    from tests import servers

    for runs in RUNS:
        home = Path(tempfile.mkdtemp(dir=bench.scratch))
        with servers.prefect(home) as server:
            before = _cpu_of_servers()
            (client,) = bench.run(run_flows, env=server.env, runs=runs)
            after = _cpu_of_servers()
        yield client
        for name, cpu in after.items():
            update = {"case": name, "cpu": round(cpu - before[name], 3), "peak_mb": 0, "more": {}}
            yield client.model_copy(update=update)


def _cpu_of_servers() -> dict[str, float]:
    """CPU seconds so far of the servers among this process's children."""
    found = {"server": 0.0, "postgres": 0.0}
    for child in psutil.Process().children(recursive=True):
        name = "postgres" if "postgres" in child.name() else "server"
        times = child.cpu_times()
        found[name] += times.user + times.system + times.children_user + times.children_system
    return found


def run_flows(runs: int) -> list[Point]:
    """Run a flow of seven tasks and three artifacts, as a drop's, so many times; how many requests that made."""
    import logging

    import httpx
    from prefect import flow, task
    from prefect.artifacts import create_table_artifact

    requests = 0
    send = httpx.AsyncClient.send, httpx.Client.send

    async def counted(self: httpx.AsyncClient, *args: Any, **kwargs: Any) -> httpx.Response:  # noqa: ANN401
        nonlocal requests
        requests += 1
        return await send[0](self, *args, **kwargs)

    def counted_too(self: httpx.Client, *args: Any, **kwargs: Any) -> httpx.Response:  # noqa: ANN401
        nonlocal requests
        requests += 1
        return send[1](self, *args, **kwargs)

    httpx.AsyncClient.send, httpx.Client.send = counted, counted_too  # type: ignore[method-assign]
    logging.disable(logging.CRITICAL)

    @task
    def stage(number: int) -> None:
        if number < 3:
            create_table_artifact([{"what": "rows", "count": number}], key=f"bench-{number}")

    @flow
    def life() -> None:
        for number in range(7):
            stage(number)

    life()  # what is asked once a process is no part of it
    requests = 0
    with Clock() as clock:
        for _ in range(runs):
            life()
    return [clock.point("prefect", "client", "runs", runs, requests=requests)]
