"""The apply command against a real server: what differs is said and made, once; secrets are never shown."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.servers import HTTP

ROOT = Path(__file__).parents[2]

SETTINGS = """
[pool]
type = "process"
variables = {{ env = {{ INLET_LAKE = "lake" }} }}

[blocks."drive/nppes"]
path = "{home}/outside"

[blocks."lake/lake"]
root = "file://{home}/lake"

[blocks."sftp-server/cclf"]
host = {{ env = "CCLF_HOST" }}
user = "aco"
password = {{ file = "{home}/password" }}
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4oTnPMkQCcbhkIwGNyeYH3Jg7sKAUMFVvhGlDmvGpb"

[blocks."http-server/faers"]
url = "https://fis.example.org/content/Exports/"

[blocks."custom-webhook/alerts"]
name = "alerts"
url = "https://hooks.example.org/inlet"

[limits]
"fis.example.org" = 1

[alerts]
blocks = ["custom-webhook/alerts"]
"""


@dataclass
class Environment:
    server: servers.PrefectServer
    home: Path

    def apply(self, *arguments: str, **variables: str) -> tuple[int, list[str]]:
        """The exit code of the command and what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "deployments.apply", "--settings", str(self.home / "inlet.toml"), *arguments],
            cwd=ROOT,
            env=self.server.env | {"CCLF_HOST": "sftp.example.org", "COLUMNS": "200"} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout.splitlines()

    def change(self, old: str, new: str) -> None:
        path = self.home / "inlet.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def api(self, path: str) -> Any:
        return HTTP.post(f"{self.server.api_url}/{path}/filter", json={}, timeout=30).json()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.PrefectServer]:
    with servers.prefect(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture(scope="module")
def environment(server: servers.PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    home = tmp_path_factory.mktemp("environment")
    (home / "inlet.toml").write_text(SETTINGS.format(home=home))
    (home / "password").write_text("hunter2-first")
    return Environment(server, home)


def test_where_nobody_is_told_runs_are_called_crashed_all_the_same(
    server: servers.PrefectServer, tmp_path: Path
) -> None:
    settings = SETTINGS.format(home=tmp_path)
    (tmp_path / "inlet.toml").write_text(settings.partition("[alerts]")[0])
    (tmp_path / "password").write_text("hunter2")
    _, planned = Environment(server, tmp_path).apply("--dry-run")
    made = [line for line in planned if line.startswith("+ automation ")]
    assert made == ["+ automation inlet: a run's memory ran out", "+ automation inlet: a run went silent"]


def test_it_makes_what_is_not_there_says_what_differs_and_is_done_the_second_time(environment: Environment) -> None:
    code, planned = environment.apply("--dry-run")
    assert code == 3, planned
    assert environment.api("block_documents") == []
    code, made = environment.apply()
    assert (code, made[:-1]) == (0, planned[:-1])
    assert {"+ block drive/nppes", "+ block sftp-server/cclf", "+ work pool inlet (process)"} <= set(made)
    assert {"+ limit of fis.example.org (1)", "+ limit of sftp.example.org (2)"} <= set(made)
    assert any(line.startswith("+ automation ") for line in made)
    assert {b["name"] for b in environment.api("block_documents")} >= {"nppes", "lake", "cclf", "faers", "alerts"}
    assert [pool["type"] for pool in environment.api("work_pools")] == ["process"]
    automations = environment.api("automations")
    assert environment.apply() == (0, ["Nothing differs."])
    assert environment.apply("--dry-run") == (0, ["Nothing differs."])

    environment.change('user = "aco"', 'user = "aco-0001"')
    environment.change('"fis.example.org" = 1', '"fis.example.org" = 3')
    environment.change('INLET_LAKE = "lake"', 'INLET_LAKE = "lake", INLET_CADENCE = "off"')
    (environment.home / "password").write_text("hunter2-second")
    differs = [
        "~ block sftp-server/cclf",
        '    user: "aco" -> "aco-0001"',
        "    password: another",
        "~ work pool inlet",
        '    env: {"INLET_LAKE": "lake"} -> {"INLET_LAKE": "lake", "INLET_CADENCE": "off"}',
        "~ limit of fis.example.org",
        "    1 -> 3",
    ]
    assert environment.apply("--dry-run") == (3, [*differs, "3 differ."])
    assert environment.apply() == (0, [*differs, "3 made."])
    assert environment.apply() == (0, ["Nothing differs."])
    assert environment.api("automations") == automations  # not even their clocks were touched


def test_what_somebody_changed_by_hand_is_changed_back(environment: Environment) -> None:
    environment.apply()
    (limit,) = [each for each in environment.api("v2/concurrency_limits") if each["name"] == "sftp.example.org"]
    HTTP.patch(f"{environment.server.api_url}/v2/concurrency_limits/{limit['id']}", json={"limit": 9})
    (first, *_) = environment.api("automations")
    HTTP.patch(f"{environment.server.api_url}/automations/{first['id']}", json={"enabled": False})
    code, lines = environment.apply()
    assert code == 0
    assert lines[:2] == ["~ limit of sftp.example.org", "    9 -> 2"]
    assert lines[2:4] == [f"~ automation {first['name']}", "    enabled: false -> true"]
    assert environment.apply() == (0, ["Nothing differs."])


def test_what_is_not_set_is_left_alone_and_said(environment: Environment) -> None:
    environment.apply()
    code, lines = environment.apply(CCLF_HOST="")
    assert (code, lines) == (
        0,
        ["? block sftp-server/cclf: left alone, the variable CCLF_HOST is not set", "Nothing differs."],
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[pool]", "[pool", "is no TOML"),
        ('type = "process"', 'type = "docker"', "pool.type: Input should be 'process' or 'kubernetes'"),
        ("env = {", "evn = {", "pool.variables: a process worker has no evn; there are command, env,"),
        ('user = "aco', 'usr = "aco', "blocks.'sftp-server/cclf': user: Field required"),
        ('blocks."drive/nppes"', 'blocks."drives/nppes"', "blocks.'drives/nppes': a block is type/name, and types are"),
        ('["custom-webhook/alerts"]', '["custom-webhook/nobody"]', "alerts.blocks: there is no block"),
    ],
)
def test_a_mistake_in_the_settings_is_said_in_one_line(environment: Environment, old: str, new: str, says: str) -> None:
    text = (environment.home / "inlet.toml").read_text()
    (environment.home / "inlet.toml").write_text(text.replace(old, new, 1))
    try:
        code, lines = environment.apply()
    finally:
        (environment.home / "inlet.toml").write_text(text)
    assert code == 1
    assert any(says in line for line in lines), lines
    assert "hunter2" not in "".join(lines)


def test_the_settings_that_come_with_it_apply_with_nothing_set(environment: Environment) -> None:
    """Where everything that is private is not set, public sources are there, and every deployment finds its pool."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("INLET_")}
    done = subprocess.run(
        [sys.executable, "-m", "deployments.apply", "--settings", "deployments/inlet.toml"],
        cwd=ROOT,
        env=env | environment.server.env,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    there = {block["name"] for block in environment.api("block_documents")}
    assert there >= {"nppes", "open-payments", "pubmed", "clinical-trials", "faers", "nhanes"}
