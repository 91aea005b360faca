"""What the lake's S3 server is asked for by transfer, unwrap and convert, counted by an nginx in front of it."""

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench.scale.measuring import FILES, SMALL, Bench
from bench.scale.points import GIB, Billing, Point, Unit
from bench.scale.stages.transfer import Access, land_all
from bench.scale.stages.unwrap_convert import NO_SPARK, parts_of, run_of, stage_of

CORES = 2


def requests(bench: Bench) -> Iterator[Point]:
    """Files of two sizes, and small ones."""
    from tests import servers

    for files, size in ((1, bench.sizes[0]), (1, bench.sizes[1]), (FILES[0], SMALL), (FILES[1], SMALL)):
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=bench.scratch)))
            for name in ("s3", "files"):
                (home / name).mkdir()
            s3 = stack.enter_context(servers.weed(home / "s3"))
            endpoint = stack.enter_context(_counting(home, s3.endpoint))
            source = bench.file("csv", size)
            for number in range(files):
                shutil.copy(source, home / "files" / f"{number:05}.csv")
            yield from bench.run(
                count_requests,
                s3=Access.to(s3, endpoint),
                root=f"s3://{s3.bucket()}/lake",
                catalog=f"sqlite:///{home}/catalog.db",
                folder=home / "files",
                log=home / "requests.log",
                small=size == SMALL,
            )


@contextmanager
def _counting(home: Path, upstream: str) -> Iterator[str]:
    """An nginx that passes all on to an S3 server and writes down what was asked for; its address."""
    from tests import servers

    port = servers.free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    paths = "\n".join(f"{n}_temp_path {home}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (home / "nginx.conf").write_text(
        f"""
        daemon off; {user} worker_processes 1; pid {home}/nginx.pid;
        events {{ worker_connections 256; }}
        http {{
            log_format asked '$request_method $request_uri';
            access_log {home}/requests.log asked;
            {paths}
            client_max_body_size 0;
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    proxy_pass http://{urlsplit(upstream).netloc};
                    proxy_http_version 1.1;
                    proxy_set_header Host $http_host;
                    proxy_request_buffering off;
                    proxy_buffering off;
                }}
            }}
        }}
        """
    )
    program = servers.require("nginx", "nginx is not installed")
    with servers.running(
        [program, "-e", "stderr", "-c", f"{home}/nginx.conf"], servers.answers(port), home / "nginx.log"
    ):
        yield f"http://127.0.0.1:{port}"


def count_requests(s3: Access, root: str, catalog: str, folder: Path, log: Path, small: bool) -> list[Point]:
    """Land, unwrap and convert what is in a folder; after each stage the log of requests is read."""
    from blocks.drive import Drive
    from tasks.convert import to_raw
    from tasks.staging import Wrapped

    lake = s3.lake(root, catalog)
    os.environ.update(lake.environment())
    run, drop = run_of("csv", lake)
    sizes = [path.stat().st_size for path in folder.iterdir()]
    unit: Unit = "files" if small else "GiB"
    amount = len(sizes) if small else sum(sizes) / GIB
    points: list[Point] = []
    read = 0

    def count(stage: str) -> None:
        nonlocal read
        time.sleep(0.5)
        lines = log.read_text().splitlines()
        kinds: Counter[str] = Counter(billed_as(line) for line in lines[read:])
        read = len(lines)
        points.append(
            Point(stage="requests", case=stage, unit=unit, amount=amount, cores=0, seconds=0, cpu=0, more=dict(kinds))
        )

    paths = land_all(Drive(path=folder), lake)
    count("transfer")
    staged = lake.path("staged", "bench", "one", "run")
    stage = stage_of(run, staged, CORES)
    found = stage.files([Wrapped(lake.path(*path.split("/")), (path,)) for path in paths])
    count("unwrap")
    to_raw(parts_of(drop, found), run, spark_from=NO_SPARK)
    stage.fs.rm(staged, recursive=True)
    count("convert")
    return points


def billed_as(line: str) -> Billing:
    """What S3 bills a request as, of its line in the log; DELETE is free."""
    method, _, url = line.partition(" ")
    if method in {"PUT", "POST", "COPY"} or (method == "GET" and "list-type" in url):
        return "free" if "delete" in url.partition("?")[2] else "put"
    return "get" if method in {"GET", "HEAD"} else "free"
