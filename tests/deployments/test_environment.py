"""The project's own environment: the lock, the setup scripts, what `make` says, Spark's S3 jars."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pyspark
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "deployments" / "setup"
SPARK_JARS = Path(pyspark.__file__).parent / "jars"
POM = ROOT / "spark" / "jars" / "pom.xml"


# The tests


def test_names_of_tests_hold_no_bytes(request: pytest.FixtureRequest) -> None:
    """They are the same whenever and wherever they are collected: pytest's workers compare them."""
    given = [
        (item.nodeid, item.callspec.params.values()) for item in request.session.items if hasattr(item, "callspec")
    ]
    assert not [
        name
        for name, values in given
        if any(isinstance(value, bytes) and len(value) > 8 and repr(value[:8])[2:-1] in name for value in values)
    ]


# The lock


LOCK = ROOT / "requirements.lock"
IMAGE_LOCK = ROOT / "deployments" / "requirements.lock"


def pins(lock: Path = LOCK) -> Iterator[tuple[Requirement, list[str]]]:
    """Each pin of a lock with its hashes."""
    text = lock.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            yield Requirement(requirement), hashes


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(each) for each in project["dependencies"] + project["optional-dependencies"]["dev"]]


def test_lock_names_no_address() -> None:
    text = LOCK.read_text() + IMAGE_LOCK.read_text()
    assert "://" not in text
    assert not re.search(r"^--?[a-z]", text, re.MULTILINE), "an option, such as an index, in the lock"


def test_the_image_has_what_the_tests_ran_with_and_nothing_of_theirs() -> None:
    tested = {f"{pin.name}{pin.specifier}": hashes for pin, hashes in pins()}
    for pin, hashes in pins(IMAGE_LOCK):
        assert tested.get(f"{pin.name}{pin.specifier}") == hashes, "run make lock"
    names = {canonicalize_name(pin.name) for pin, _ in pins(IMAGE_LOCK)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["metrics"]
    wanted = {canonicalize_name(Requirement(each).name) for each in project["dependencies"] + extra}
    assert wanted <= names, "run make lock"
    assert not names & {"pytest", "hypothesis", "duckdb", "polars", "mypy"}


def test_every_pin_is_exact_and_hashed() -> None:
    for requirement, hashes in pins():
        assert [each.operator for each in requirement.specifier] == ["=="], requirement
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


@pytest.mark.parametrize("wanted", declared(), ids=str)
def test_every_dependency_is_in_the_lock(wanted: Requirement) -> None:
    name = canonicalize_name(wanted.name)
    versions = [next(iter(pin.specifier)).version for pin, _ in pins() if canonicalize_name(pin.name) == name]
    assert versions, f"{wanted} is not in requirements.lock: run make lock"
    assert all(wanted.specifier.contains(version, prereleases=True) for version in versions), versions


# The setup scripts, on a PATH that holds only what the test puts there


@dataclass
class Machine:
    """A folder of commands that is all of PATH; scripts run in its parent."""

    commands: Path

    def has(self, name: str, script: str) -> None:
        path = self.commands / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def has_java(self, first_line: str) -> None:
        self.has("java", f"echo '{first_line}' >&2")

    def is_debian(self, *, root: bool, offers: dict[str, str], installed: tuple[str, ...] = ()) -> None:
        """`offers`: what installing each package runs; `apt-get install` of another fails."""
        self.has("id", f"echo {0 if root else 1000}")
        known = "".join(f'[ "$2" = {name} ] && echo "Status: install ok installed"\n' for name in installed)
        self.has("dpkg", known + "exit 0")
        cases = "".join(f"*' {name}') {effect} ;;\n" for name, effect in offers.items())
        self.has("apt-get", f'echo "$*" >>asked\ncase "$*" in\nupdate) ;;\n{cases}*) exit 100 ;;\nesac')

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SETUP / script, *arguments],
            cwd=self.commands.parent,
            env={"PATH": str(self.commands), **environment},
            capture_output=True,
            text=True,
            timeout=30,
        )

    def installs(self) -> list[str]:
        """Packages that apt-get was asked for, in order."""
        asked = self.commands.parent / "asked"
        lines = asked.read_text().splitlines() if asked.exists() else []
        return [line.split()[-1] for line in lines if line.startswith("install ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("sh", "sed", "head", "grep", "dirname", "mkdir", "mv"):
        found = shutil.which(name)
        assert found
        (commands / name).symlink_to(found)
    return Machine(commands)


@pytest.mark.parametrize(
    "first_line", ['openjdk version "17.0.15" 2025-04-15', 'java version "21.0.1"', 'openjdk version "25-ea"']
)
def test_java_17_and_newer_are_accepted_in_silence(machine: Machine, first_line: str) -> None:
    machine.has_java(first_line)
    done = machine.run("java.sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "first_line",
    [
        'openjdk version "11.0.2" 2019-01-15',
        'java version "1.8.0_402"',
        "The operation could not be completed. Unable to locate a Java Runtime.",  # macOS, its stub
        None,
    ],
)
@pytest.mark.parametrize(
    ("installer", "advice"),
    [
        ("apt-get", "sudo apt-get install openjdk-17-jre-headless"),
        ("dnf", "sudo dnf install java-21-openjdk-headless"),
        ("brew", "brew install --cask temurin@17"),
        (None, "install it and put java on PATH"),
    ],
)
def test_without_java_17_one_sentence_says_how_to_get_it(
    machine: Machine, first_line: str | None, installer: str | None, advice: str
) -> None:
    machine.has("id", "echo 1000")
    if installer:
        machine.has(installer, "echo called >>asked")
    if first_line:
        machine.has_java(first_line)
    done = machine.run("java.sh")
    assert done.returncode == 1
    assert done.stderr == f"inlet needs Java 17 or newer for Spark: {advice}.\n"
    assert not (machine.commands.parent / "asked").exists(), "the installer was called without root"


def test_java_home_goes_before_path_as_in_spark(machine: Machine, tmp_path: Path) -> None:
    machine.has_java('openjdk version "17.0.15"')
    done = machine.run("java.sh", JAVA_HOME=str(tmp_path / "old"))
    assert done.returncode == 1
    assert "JAVA_HOME" in done.stderr
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "bin").symlink_to(machine.commands)
    assert machine.run("java.sh", JAVA_HOME=str(tmp_path / "old")).returncode == 0


@pytest.mark.parametrize("package", ["openjdk-17-jre-headless", "default-jre-headless"])
def test_root_on_debian_gets_java_installed(machine: Machine, package: str) -> None:
    machine.has_java('openjdk version "17.0.15"')
    machine.commands.joinpath("java").rename(machine.commands.parent / "new")
    machine.has_java('openjdk version "11.0.2"')
    machine.is_debian(root=True, offers={package: "mv new bin/java"})
    done = machine.run("java.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.installs()[-1] == package


def test_root_is_told_when_apt_get_brings_no_java(machine: Machine) -> None:
    machine.is_debian(root=True, offers={})
    done = machine.run("java.sh")
    assert done.returncode == 1
    assert "build/apt.log" in done.stderr


def test_only_missing_packages_are_installed_and_a_failure_is_named(machine: Machine) -> None:
    machine.is_debian(root=True, offers={"gnupg": ":"}, installed=("openssh-client",))
    done = machine.run("debian.sh", "openssh-client", "chromium", "gnupg")
    assert machine.installs() == ["chromium", "gnupg"]
    assert done.returncode == 1
    assert done.stderr.startswith("apt-get could not install chromium:")


def test_nothing_is_installed_without_root(machine: Machine) -> None:
    machine.is_debian(root=False, offers={"gnupg": ":"})
    done = machine.run("debian.sh", "gnupg")
    assert (done.returncode, done.stdout + done.stderr) == (2, "")
    assert machine.installs() == []


# make


def make(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-f", str(ROOT / "Makefile"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_help_lists_every_target(tmp_path: Path) -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    listed = {line.split()[0] for line in make(folder=tmp_path).stdout.splitlines()}
    assert listed == {*phony[1].split(), "bench-%"}


def test_an_old_python_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    done = make(".venv/bin/pip", "PYTHON=false", folder=tmp_path)
    assert done.returncode != 0
    assert done.stderr.startswith("inlet needs Python 3.11 or newer: install it")
    assert not (tmp_path / ".venv").exists()


# Spark's S3 jars


def artifact(jar: Path) -> str:
    """`netty-buffer` of netty-buffer-4.2.13.Final.jar."""
    return re.split(r"-\d", jar.name)[0]


def test_hadoop_is_the_one_that_pyspark_ships() -> None:
    wanted = ElementTree.parse(POM).findtext(".//{*}hadoop.version")
    assert [jar.name for jar in SPARK_JARS.glob("hadoop-client-api-*.jar")] == [f"hadoop-client-api-{wanted}.jar"]


def test_no_s3_jar_stands_before_one_of_sparks_own() -> None:
    ours = sorted((ROOT / "build" / "jars").glob("*.jar"))
    if not ours:
        pytest.skip("no build/jars: run make jars")
    assert "hadoop-aws" in {artifact(jar) for jar in ours}
    assert not {artifact(jar) for jar in ours} & {artifact(jar) for jar in SPARK_JARS.glob("*.jar")}
    assert sum(jar.stat().st_size for jar in ours) < 20e6, "the bundle of all of AWS has come back"
