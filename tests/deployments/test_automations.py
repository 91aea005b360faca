"""The automations on a server whose services run: what happens, really, comes out at a webhook and by mail."""

import json
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_string, policy
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending
from pydantic import SecretStr

from blocks.drive import Drive
from blocks.http import HttpServer
from blocks.lake import Lake
from deployments.automations import ALERTS, PATIENCE, Patience, automations
from tasks.manifest import now
from tasks.memory import RAN_OUT
from tests import servers
from tests.servers import HTTP, Receiver

ROOT = Path(__file__).parents[2]
UI = "http://prefect.example.org"
SHORT = timedelta(seconds=10)
HASTE = Patience(silent=timedelta(seconds=75), pending=SHORT, untaken=SHORT, running=timedelta(seconds=15))

SOURCES = """
import flows

flows.__path__.append({folder!r})
from flows.freshness import freshness
from flows.party import party, tarpit
"""

DEPLOYMENTS = [
    {"name": "drop", "entrypoint": "alerting.party", "pool": "inlet"},
    {"name": "drop", "entrypoint": "alerting.tarpit", "pool": "inlet"},
    {"name": "idle", "entrypoint": "alerting.tarpit", "pool": "idle"},  # which no worker serves
    {"name": "alone", "entrypoint": "alerting.tarpit", "pool": "idle"},
    {"name": "taken", "entrypoint": "alerting.tarpit", "pool": "idle"},
    {"name": "freshness", "entrypoint": "alerting.freshness", "pool": "inlet"},
]


@dataclass
class Mailbox:
    """A mail server that takes every message."""

    port: int = 0
    got: list[str] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator["Mailbox"]:
        got = self.got

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 here\r\n")
                while line := self.rfile.readline().decode().strip():
                    if line.upper() == "DATA":
                        self.wfile.write(b"354 go on\r\n")
                        lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                        got.append("".join(lines))
                    self.wfile.write(b"221 bye\r\n" if line.upper() == "QUIT" else b"250 yes\r\n")

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.port = server.server_address[1]
            yield self
            server.shutdown()


@dataclass
class Site:
    """A server with the automations and a worker, the party's folder, and where messages go."""

    webhook: Receiver
    mail: Mailbox
    worker: int
    outside: Path
    runs: dict[str, UUID]

    def deliver(self, ago: int, text: str) -> str:
        """A drop of so many days ago; its key."""
        day = now() - timedelta(days=ago)
        (self.outside / f"things_{day:%Y%m%d}.csv").write_text(text)
        return f"{day:%Y-%m-%d}"

    def state(self, run: UUID) -> str:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(run).state_name or ""

    def ends(self, run: UUID, name: str) -> None:
        """Wait until a run is in the state of this name."""
        until(lambda: self.state(run) == name, lambda: self.state(run))

    def kill(self, run: UUID) -> None:
        """Kill the process of a run that the worker has started, once it runs."""
        until(lambda: self.state(run) == "Running", lambda: self.state(run))
        for process in psutil.Process(self.worker).children(recursive=True):
            with suppress(psutil.Error):  # another one has just ended
                if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run):
                    process.kill()

    def messages(self) -> list[dict[str, str]]:
        """What the webhook got."""
        return [json.loads(body) for _, body in self.webhook.got]

    def of_party(self) -> list[str]:
        """The subjects of what was told of the party, but not of its runs."""
        subjects = [message["subject"] for message in self.messages()]
        return [
            s for s in subjects if s.startswith(("the-party ", "the-party: ")) and not s.endswith("(the-party/drop)")
        ]

    def told(self, subject: str) -> str:
        """The body of the one message with this subject, once it is there."""
        subjects = lambda: [message["subject"] for message in self.messages()]  # noqa: E731
        until(lambda: subject in subjects(), subjects)
        (message,) = [message for message in self.messages() if message["subject"] == subject]
        assert re.search(rf"Run: {UI}/runs/flow-run/[0-9a-f-]{{36}}", message["body"]), message
        return message["body"]


def until(condition: Callable[[], Any], else_: Callable[[], Any] = lambda: "", seconds: float = 600) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, else_()
        time.sleep(0.25)
    return found


def started(deployment: str, state: State[Any] | None = None, **parameters: Any) -> UUID:
    """A run of a deployment, that is to begin now, or is in a state."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        run: FlowRun = client.create_flow_run_from_deployment(found.id, parameters=parameters, state=state)
        return run.id


def prefect(env: dict[str, str], folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def tarpit() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.fixture(scope="module")
def site(tarpit: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    servers.require("java", "there is no Java")
    home = tmp_path_factory.mktemp("alerts")
    outside = home / "outside"
    outside.mkdir()
    (home / "alerting.py").write_text(SOURCES.format(folder=str(ROOT / "tests" / "sources")))
    pulled: dict[str, Any] = {"pull": [], "tags": ["inlet"]}
    entries = [
        {"name": d["name"], "entrypoint": d["entrypoint"], "work_pool": {"name": d["pool"]}, **pulled}
        for d in DEPLOYMENTS
    ]
    (home / "prefect.yaml").write_text(yaml.safe_dump({"name": "inlet", "deployments": entries}))
    hasty = {
        "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "PT3S",
        "PREFECT_UI_URL": UI,
    }
    with servers.prefect(home, **hasty) as server, servers.receiver() as webhook, Mailbox().open() as mail:
        env = server.env | {
            "PYTHONPATH": f"{ROOT}:{home}",
            "SPARK_LOCAL_DIRS": str(home),
            "INLET_SPARK_MASTER": os.environ.get("INLET_SPARK_MASTER", "local[2]"),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
        with temporary_settings({PREFECT_API_URL: server.api_url}):
            Lake(root=f"{home}/lake").save("lake")  # type: ignore[call-arg]
            Drive(path=outside).save("the-party")  # type: ignore[call-arg]
            said = {"subject": "{{subject}}", "body": "{{body}}"}
            hook = CustomWebhookNotificationBlock(name="alerts", url=f"{webhook.url}/alerts", json_data=said)
            letter = SlackWebhook(
                url=SecretStr(
                    f"mailto://127.0.0.1:{mail.port}?from=inlet@example.org&to=oncall@example.org&format=text"
                )
            )
            blocks = [block.save(name) for name, block in (("webhook", hook), ("mail", letter))]  # type: ignore[call-arg]
            for automation in automations(*blocks, patience=HASTE):
                automation.create()
            for pool in ("inlet", "idle"):
                prefect(env, home, "work-pool", "create", pool, "--type", "process")
            prefect(env, home, "deploy", "--all")
            log = home / "worker.log"
            command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "inlet", "--name", "test"]
            with servers.running(command, lambda: "started!" in log.read_text(), log, env, seconds=120) as worker:
                HttpServer(url=tarpit).save("tarpit")  # type: ignore[call-arg]
                runs = {
                    "killed": started("tarpit/drop", since=2021),
                    "endless": started("tarpit/drop", since=2022),
                    "failing": started("the-party/drop", drops="no-such-drop"),
                    "untaken": started("tarpit/idle", since=2025),
                    "pending": started("tarpit/taken", state=Pending(), drops=["2024", "2025"]),  # its worker died
                    "vanished": vanished(env, home),
                }
                site = Site(webhook, mail, worker.pid, outside, runs)
                site.kill(runs["killed"])
                yield site


def vanished(env: dict[str, str], home: Path) -> UUID:
    """A run whose process is killed, without a worker that would see it, when it has begun."""
    run = started("tarpit/alone", since=2020)
    (empty := home / "empty").mkdir()  # `execute` copies the folder that it stands in
    with (home / "vanished.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "flow-run", "execute", str(run)],
            cwd=empty,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    beat = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
    url = f"{env['PREFECT_API_URL']}/events/filter"

    def beats() -> bool:
        return bool(HTTP.post(url, json={"filter": beat}, timeout=30).json()["events"])

    try:
        until(beats, lambda: (home / "vanished.log").read_text())
    finally:
        started_by = psutil.Process(process.pid)
        for one in (started_by, *started_by.children(recursive=True)):  # some are groups of their own
            one.kill()
        process.wait()
    return run


GOOD = "id,paid\n1,2\n2,3\n"


def test_what_stops_a_drop_is_told_once_with_what_to_do(site: Site) -> None:
    refused = site.deliver(10, "id,amount\n1,2\n2,3\n")  # the mapping names a column that no drop has yet
    good = site.deliver(9, GOOD)
    rejected = site.deliver(7, "id,paid\n1,2,3\n2,3\n")
    held = site.deliver(6, "id,paid\n1,much\n2,more\n3,4\n")
    gained = site.deliver(5, "id,paid,colour\n1,2,red\n2,3,blue\n")
    site.ends(started("the-party/drop"), "DropsFailed")
    body = site.told(f"the-party {rejected}: too many records rejected")
    assert f"the-party {rejected} things: 1 of 2 records (1 × " in body
    assert f"inlet accept the-party {rejected} --reason …" in body
    body = site.told(f"the-party {held} failed its checks")
    assert "look at held.thing" in body
    assert "Its rows are in candidate.thing, and current is as it was." in body
    assert "new: colour" in site.told(f"the-party {gained}: columns have drifted")
    assert "new: paid; missing: amount" in site.told(f"the-party {good}: columns have drifted")
    body = site.told(f"the-party {refused}: columns have drifted, it was refused")
    assert "ask the party whether it meant it" in body
    assert "phi is unknown" in site.told("the-party: people's data want a decision")  # of five drops, once

    # the next poll finds the same again, which is no news; but the refused drop's column is there by then, and empty
    before = [*site.of_party(), f"the-party {refused} failed its checks"]
    site.ends(started("the-party/drop"), "DropsFailed")
    site.ends(started("freshness/freshness"), "Completed")
    body = site.told("the-party is late")  # told later than what the poll would have told
    assert f"(full), expected by {now():%Y-%m-%d} 00:00; the newest is {gained}" in body
    assert "inlet hold the-party --reason …" in body
    assert site.of_party() == [*before, "the-party is late"]

    key = site.deliver(1, GOOD)
    site.ends(started("the-party/drop", drops=key), "Completed")
    site.ends(started("freshness/freshness"), "Completed")
    assert f"{key} has landed (full)" in site.told("the-party has recovered")
    drifted = f"the-party {key}: columns have drifted"  # it has no colour
    assert site.of_party() == [*before, "the-party is late", drifted, "the-party has recovered"]


def test_a_run_that_is_killed_is_told_of(site: Site) -> None:
    run = site.runs["killed"]
    body = site.told("tarpit since 2021 crashed (tarpit/drop)")
    assert str(run) in body
    assert "worker's log" in body
    assert site.state(run) == "Crashed"


def test_a_run_that_does_not_end_is_told_of(site: Site) -> None:
    body = site.told("tarpit since 2022 does not end (tarpit/drop)")
    assert "running for 0:00:15" in body
    assert f"prefect flow-run cancel {site.runs['endless']}" in body


def test_a_run_that_fails_is_told_of(site: Site) -> None:
    body = site.told("the-party no-such-drop failed (the-party/drop)")
    assert "the-party cannot do no-such-drop: neither offered nor landed" in body
    failed = [m["subject"] for m in site.messages() if m["subject"].endswith(" failed (the-party/drop)")]
    assert failed == ["the-party no-such-drop failed (the-party/drop)"]  # what events have told is not told again


def test_a_run_that_a_worker_took_and_does_not_begin_is_told_of(site: Site) -> None:
    assert "pending for 0:00:10 (2024, 2025)" in site.told("tarpit/taken does not begin")


def test_runs_that_no_worker_takes_are_told_of(site: Site) -> None:
    assert "No run of it was taken for 0:00:10. Look whether a worker" in site.told("Nobody takes tarpit/idle")


def test_a_run_whose_machine_is_gone_is_called_crashed_and_told_of(site: Site) -> None:
    body = site.told("tarpit since 2020 crashed (tarpit/alone)")
    assert "It has not said for 0:01:15 that it lives" in body
    assert site.state(site.runs["vanished"]) == "Crashed"


def test_a_run_whose_pod_was_killed_for_its_memory_says_so(site: Site) -> None:
    """As the worker's observer tells of it: it emits this event for a pod that is gone as a whole."""
    run = started("tarpit/alone", state=Pending(), since=2019)
    emit_event(
        "prefect.kubernetes.pod.evicted",
        {"prefect.resource.id": f"prefect.kubernetes.pod.{uuid4()}", "kubernetes.diagnosis": "OOMKilled"},
        related=[{"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"}],
    )
    site.ends(run, "Crashed")
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
    assert state is not None
    assert state.message == RAN_OUT


def test_every_message_came_by_mail_as_well(site: Site) -> None:
    def mails() -> set[tuple[str, str]]:
        found = [message_from_string(text, policy=policy.default) for text in site.mail.got]
        return {(str(mail["To"]), str(mail["Subject"])) for mail in found}

    wanted = {("oncall@example.org", message["subject"]) for message in site.messages()}
    until(lambda: wanted <= mails(), lambda: wanted - mails(), seconds=30)


# What they say, without a server


def test_names_are_told_apart_and_stay() -> None:
    names = [automation.name for automation in automations(uuid4())]
    assert len(set(names)) == len(names) == len(ALERTS) + 7
    assert all(name.startswith("inlet: ") for name in names)
    assert names == [automation.name for automation in automations()]


def test_a_run_counts_as_silent_after_three_beats() -> None:
    assert timedelta(seconds=3 * 180) <= PATIENCE.silent


def test_all_ends_of_a_run_are_known() -> None:
    """A run that ended in a state which none expects would be told to be stuck."""
    from tasks.dispatch import HELD, LATE, TOLD_ALREADY

    for automation in automations(uuid4()):
        if automation.name in ("inlet: a run went silent", "inlet: a run does not end"):
            expected = {event.removeprefix("prefect.flow-run.") for event in automation.trigger.expect}  # type: ignore[union-attr]
            assert {HELD, LATE, TOLD_ALREADY} <= expected
            final = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
            assert {kind.value.capitalize() for kind in final} <= expected
