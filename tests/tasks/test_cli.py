"""The `inlet` command as a person runs it: a process, its exit code, and what it prints."""

import csv
import getpass
import gzip
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pyreadstat
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from bench.synthetic.nppes import main_csv
from blocks.lake import Lake
from tasks.cli import main
from tasks.manifest import Manifest, Revision, write
from tests.servers import GpgKey, PrefectServer

INLET = Path(sys.executable).parent / "inlet"


def inlet(*arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [INLET, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **env},
    )


def files() -> set[Path]:
    return {path for path in Path.cwd().rglob("*") if path.is_file()}


def said(*arguments: object, **env: str) -> dict[str, object]:
    done = inlet(*arguments, "--json", **env)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_transfer_copies_and_hashes(tmp_path: Path) -> None:
    source, target = tmp_path / "a b.bin", tmp_path / "copy.bin"
    source.write_bytes(bytes(range(256)) * 5000)
    result = said("transfer", source, target)
    assert target.read_bytes() == source.read_bytes()
    assert (result["bytes"], result["sha256"]) == (1_280_000, hashlib.sha256(source.read_bytes()).hexdigest())


def test_transfer_takes_no_password_in_a_url(tmp_path: Path) -> None:
    done = inlet("transfer", "https://me:secret@127.0.0.1/file", tmp_path / "x")
    assert done.returncode == 1
    assert "secret" not in done.stderr


def test_unwrap_gives_every_member_with_its_hash(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "drop.zip", "w") as archive:
        archive.writestr("in/a.csv.gz", gzip.compress(b"a,b\n1,2\n"))
        archive.writestr("b.txt", b"text")
    result = said("unwrap", tmp_path / "drop.zip", tmp_path / "out")
    members = {m["path"]: m for m in result["members"]}  # type: ignore[attr-defined]
    assert {path: m["bytes"] for path, m in members.items()} == {"in/a.csv": 8, "b.txt": 4}
    for path, member in members.items():
        assert hashlib.sha256((tmp_path / "out" / path).read_bytes()).hexdigest() == member["sha256"]


def test_unwrap_decrypts_with_a_key(tmp_path: Path, gpg_key: GpgKey) -> None:
    (tmp_path / "public.asc").write_text(gpg_key.public_key)
    (tmp_path / "private.asc").write_text(gpg_key.private_key)
    (tmp_path / "claims.csv").write_text("a,b\n1,2\n")
    command = [
        "gpg",
        "--homedir",
        str(tmp_path),
        "--batch",
        "--quiet",
        "--recipient-file",
        str(tmp_path / "public.asc"),
    ]
    subprocess.run(
        [*command, "--output", str(tmp_path / "claims.csv.pgp"), "--encrypt", str(tmp_path / "claims.csv")], check=True
    )
    result = said(
        *("unwrap", tmp_path / "claims.csv.pgp", tmp_path / "out", "--key", tmp_path / "private.asc"),
        INLET_PASSPHRASE=gpg_key.passphrase,
    )
    assert [m["path"] for m in result["members"]] == ["claims.csv"]  # type: ignore[attr-defined]
    assert inlet("unwrap", tmp_path / "claims.csv.pgp", tmp_path / "none").returncode == 1
    assert not list((tmp_path / "none").glob("*"))


def test_convert_keeps_every_record(tmp_path: Path) -> None:
    delivery = main_csv(1000, seed=3, path=tmp_path / "npidata.csv")
    result = said(
        *("convert", tmp_path / "npidata.csv", tmp_path / "o.parquet", "-o", "fallback=latin-1"),
        *("--rejects", tmp_path / "r.parquet"),
    )
    assert (result["rows"], result["rejected"]) == (delivery.well_formed, delivery.malformed)
    rows, rejects = pq.read_table(tmp_path / "o.parquet"), pq.read_table(tmp_path / "r.parquet")
    assert rows.column_names[:3] == ["_file", "_record", "npi"]
    assert rows.column_names[2:] == result["columns"]
    assert rows.num_rows == delivery.well_formed
    assert rejects.num_rows == delivery.malformed
    with (tmp_path / "npidata.csv").open(encoding="latin-1", newline="") as text:
        records = list(csv.reader(text))[1:]
    assert [records[n - 1][0] for n in rows["_record"].to_pylist()] == rows["npi"].to_pylist()
    assert all(len(records[n - 1]) != 330 for n in rejects["_record"].to_pylist())


def test_convert_peels_and_takes_a_dialect(tmp_path: Path) -> None:
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress("nom|ville\nZoé|'a|b'\n".encode("latin-1")))
    options = ["--format", "csv", "-o", "delimiter=|", "-o", "quote='", "-o", "encoding=latin-1"]
    said("convert", tmp_path / "x.txt.gz", tmp_path / "x.parquet", *options)
    assert pq.read_table(tmp_path / "x.parquet").select(["nom", "ville"]).to_pylist() == [
        {"nom": "Zoé", "ville": "a|b"}
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["convert", "missing.csv", "o.parquet"], "FileNotFoundError"),
        (["convert", "two.zip", "o.parquet"], "UnexpectedMember"),
        (["convert", "broken.csv.gz", "o.parquet"], "Damaged"),
        (["convert", "a.csv", "o.parquet", "--format", "cobol"], "UnknownFormat"),
        (["convert", "a.csv", "o.parquet", "-o", "delimeter=;"], "UnknownFormat"),
        (["convert"], "UsageError"),
        (["frobnicate"], "UsageError"),
        (["unwrap", "a.csv", "out", "--expect", "gz"], "ValueError"),
        (["convert", "folder", "o.parquet"], "IsADirectoryError"),
        (["convert", "a.csv", "folder"], "IsADirectoryError"),
        (["convert", "a.csv", "none/o.parquet"], "FileNotFoundError"),
        (["convert", "empty.txt", "o.parquet"], "UnknownFormat"),
        (["convert", "rubbish", "o.parquet"], "UnknownFormat"),
        (["convert", "a.csv", "o.parquet", "--format", "parquet"], "Unreadable"),
        (["convert", "a.csv", "o.parquet", "-o", "columns=[1", "-o", "delimiter=,"], "UnknownFormat"),
        (["convert", "a.csv", "o.parquet", "--member", "b.csv"], "UnexpectedMember"),
        (["convert", "a.csv", "o.parquet", "-o", "layout=none.csv"], "FileNotFoundError"),
        (["profile", "rubbish"], "UnknownFormat"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_an_error_is_one_line_and_leaves_nothing(
    arguments: list[str], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("a,b\n1,2\n")
    Path("empty.txt").touch()
    Path("rubbish").write_bytes(bytes(range(256)) * 9)
    Path("folder").mkdir()
    Path("broken.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 1000)[:-20])
    with zipfile.ZipFile("two.zip", "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("b.csv", "b\n1\n")
    before = files()
    monkeypatch.setattr(sys, "argv", ["inlet", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = str(ended.value.code)  # text goes to stderr, and the exit code is 1
    assert said.startswith(f"{error}: ")
    assert "\n" not in said
    assert files() == before


def test_an_error_ends_the_process_by_one_line(tmp_path: Path) -> None:
    done = inlet("convert", tmp_path / "missing.csv", tmp_path / "o.parquet")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("FileNotFoundError: ")


def test_convert_takes_one_member_and_says_how_it_was_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "drop.zip", "w") as archive:
        archive.writestr("in/a.txt", "a;b\n1;2\n3;4\n5;6\n7;8\n")
        archive.writestr("in/b.txt", "b\n1\n")
    out = tmp_path / "o.parquet"
    result = said("convert", tmp_path / "drop.zip", out, "--member", "A.txt")
    assert result["member"] == "drop.zip/in/a.txt"
    assert result["reader"] == {"format": "csv", "delimiter": ";"}
    assert 0.7 <= float(str(result["confidence"])) <= 1
    shown = inlet("convert", tmp_path / "drop.zip", out, "--member", "A.txt").stdout
    assert "reader: format: csv, delimiter: ;\n" in shown


def test_many_columns_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("\n".join(",".join(f"{row}{n}" for n in range(330)) for row in "c123"))
    shown = inlet("convert", tmp_path / "wide.csv", tmp_path / "o.parquet").stdout
    assert f"columns: 330: {', '.join(f'c{n}' for n in range(12))} \u2026\n" in shown
    assert max(map(len, shown.splitlines())) < 200


def test_convert_decrypts_with_a_key(tmp_path: Path, gpg_key: GpgKey) -> None:
    (tmp_path / "public.asc").write_text(gpg_key.public_key)
    (tmp_path / "private.asc").write_text(gpg_key.private_key)
    (tmp_path / "claims.csv").write_text("a,b\n1,2\n")
    to = ["--recipient-file", str(tmp_path / "public.asc"), "--output", str(tmp_path / "claims.csv.pgp"), "--encrypt"]
    command = ["gpg", "--homedir", str(tmp_path), "--batch", "--quiet", *to, str(tmp_path / "claims.csv")]
    subprocess.run(command, check=True)
    arguments = ("convert", tmp_path / "claims.csv.pgp", tmp_path / "o.parquet")
    for more in ([], ["--key", tmp_path / "private.asc"]):  # no key, then one without its passphrase
        done = inlet(*arguments, *more, INLET_PASSPHRASE="wrong" if more else "")
        assert (done.returncode, done.stderr.split(":")[0]) == (1, "Undecryptable")
        assert not (tmp_path / "o.parquet").exists()
    assert said(*arguments, "--key", tmp_path / "private.asc", INLET_PASSPHRASE=gpg_key.passphrase)["rows"] == 1


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that takes a second or two."""
    line = ",".join(str(n) * 3 for n in range(40)) + "\n"
    (tmp_path / "large.csv").write_text(",".join(f"c{n}" for n in range(40)) + "\n" + line * 500_000)
    return tmp_path / "large.csv"


def test_an_interrupt_ends_it_and_leaves_nothing(large: Path) -> None:
    command = [INLET, "convert", str(large), str(large.parent / "o.parquet")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while not list(large.parent.glob("*.part")):
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=60)
    assert (running.returncode, stderr) == (130, "")
    assert list(large.parent.iterdir()) == [large]


def test_a_full_disk_is_one_line_and_leaves_nothing(large: Path) -> None:
    """As a limit on the size of files, which the kernel enforces as it does a disk's end."""
    script = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
    script += "from tasks.cli import main; main()"
    command = [sys.executable, "-c", script, "convert", str(large), str(large.parent / "o.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("OSError: [Errno 27] ")
    assert list(large.parent.iterdir()) == [large]


def test_a_reader_of_its_output_may_stop(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("\n".join(",".join(f"{row}{n}" for n in range(2_000)) for row in "c123"))
    command = [INLET, "profile", str(tmp_path / "wide.csv"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(1) == b"{"
        running.stdout.close()
        assert running.stderr.read() == b""


def test_profile_counts_and_shows_no_value(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text('id,Full Name\n1,SECRETNAME\n2,""\n3,\n')
    result = said("profile", tmp_path / "p.csv")
    name = result["columns"][1]  # type: ignore[index]
    assert name == {
        "name": "full_name",
        "original": "Full Name",
        "type": "string",
        "nulls": 1,
        "empties": 1,
        "distinct": 2,
        "shortest": 0,
        "longest": 10,
    }
    assert "SECRETNAME" not in inlet("profile", tmp_path / "p.csv").stdout


def test_status_of_an_empty_lake(tmp_path: Path) -> None:
    result = said("status", "--lake", tmp_path / "lake")
    nppes = next(s for s in result["sources"] if s["source"] == "nppes")  # type: ignore[attr-defined]
    assert (nppes["landed"], nppes["last_drop"], nppes["pending"], nppes["failed"]) == (0, None, [], {})


@pytest.fixture
def nppes_lake(local_lake: Lake) -> Lake:
    """A lake in which two drops of NPPES have landed, of which one failed."""
    for day, failed in ((8, None), (15, "TooManyRejected: nppes 2026-11-15 npidata: 9 of 99 records")):
        as_of = datetime(2026, 11, day, tzinfo=UTC)
        revision = Revision(number=1, as_of=as_of, kind="incremental", files=(), run="r", landed_at=as_of)
        drop = Manifest(
            source="nppes", drop=f"2026-11-{day:02}", revisions=(revision,), finished=not failed, failed=failed
        )
        write(local_lake, drop, None)
    return local_lake


class Operator:
    """Gives commands on a lake, in this process, as each start of another would take seconds."""

    def __init__(self, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> None:
        self._patch, self._captured = patch, captured

    def __call__(self, *arguments: object) -> str:
        """What a command prints, or the line by which it fails."""
        self._patch.setattr(sys, "argv", ["inlet", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return str(ended.value.code) if ended.value.code else self._captured.readouterr().out

    def said(self, *arguments: object) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Operator:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("INLET_CADENCE", "off")
    return Operator(monkeypatch, capsys)


def test_an_operator_decides_and_sees_what_was_decided(nppes_lake: Lake, operator: Operator) -> None:
    lake = ("--lake", nppes_lake.path())
    held = operator.said("hold", "nppes", "2026-11-08", "--reason", "columns have moved", "--actor", "ana", *lake)
    assert (held["verb"], held["done"]) == ("hold", "nppes 2026-11-08 is held: current stays as it is")
    done = operator("hold", "nppes", "--reason", "the party sends it again", *lake)
    assert done == "nppes is held: current stays as it is\nUntil: inlet release nppes --reason …\n"
    again = operator("hold", "nppes", "--reason", "once more", *lake)
    assert again.startswith("Refused: nppes is held already: the party sends it again (")
    accepted = operator("accept", "nppes", "2026-11-15", "--reason", "looked at it", *lake)
    assert "prefect deployment run nppes/ingest -p drops=2026-11-15 -p start_from=landed" in accepted
    made = operator.said("decisions", "nppes", *lake)["decisions"]
    actor = f"{getpass.getuser()}@{socket.gethostname()}"
    assert [(d["verb"], d["drop"], d["actor"]) for d in made] == [
        ("hold", "2026-11-08", "ana"),
        ("hold", None, actor),
        ("accept", "2026-11-15", actor),
    ]
    shown = operator("decisions", "nppes", *lake)
    assert re.search(r"ana +hold +2026-11-08 +columns have moved +current stays as it is", shown)
    standing = operator("status", *lake)
    assert re.search(r"nppes +2 +2026-11-15 +2026-11-15", standing)
    notes = [line.partition(" (")[0] for line in standing.splitlines() if line.startswith("•")]
    assert notes == [
        "• nppes is held: the party sends it again",
        "• nppes 2026-11-08 is held: columns have moved",
        "• nppes 2026-11-15 failed: TooManyRejected: nppes 2026-11-15 npidata: 9 of 99 records",
        "• nppes 2026-11-15 is accepted, for the next run: looked at it",
    ]
    released = operator("release", "nppes", "--reason", "it came", *lake)
    assert "prefect deployment run nppes/ingest\n" in released


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["hold", "nppes"], "UsageError: Missing parameter: reason"),
        (["hold", "npes", "--reason", "a reason"], "Refused: there is no source 'npes', only nppes"),
        (
            ["hold", "nppes", "2026-11-01", "--reason", "a reason"],
            "Refused: nppes has no drop '2026-11-01', only 2026-11-",
        ),
        (["hold", "nppes", "--reason", "x"], "Refused: hold wants a reason"),
        (["accept", "nppes", "--reason", "a reason"], "UsageError: Missing parameter: drops"),
        (["accept", "nppes", "2026-11-08", "--reason", "a reason"], "Refused: nppes 2026-11-08 went all the way"),
        (["rollback", "nppes", "provider", "--reason", "a reason"], "Refused: nppes has published to no schema"),
        (["purge", "nppes", "--reason", "a reason"], "Refused: purge removes all of nppes from file://"),
        (["optimise"], "Refused: name a source, or say --all"),
        (["expire", "nppes", "--all"], "Refused: name a source, or say --all"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_an_operator_gets_wrong_is_one_line(
    arguments: list[str], error: str, nppes_lake: Lake, operator: Operator
) -> None:
    said = operator(*arguments, "--lake", nppes_lake.path())
    assert said.startswith(error)
    assert "\n" not in said
    assert not Path(nppes_lake.path("decisions")).exists()


def test_a_purge_that_is_confirmed_leaves_what_was_decided(nppes_lake: Lake, operator: Operator) -> None:
    lake = ("--lake", nppes_lake.path())
    done = operator("purge", "nppes", "--reason", "the contract ended", "--yes", *lake)
    assert done.startswith("nppes is purged and held: landed: 2 objects, ")
    assert [d["verb"] for d in operator.said("decisions", "nppes", *lake)["decisions"]] == ["hold", "purge"]


def test_a_lake_that_is_not_there_is_not_made(tmp_path: Path, operator: Operator) -> None:
    said = operator("hold", "nppes", "--reason", "a reason", "--lake", tmp_path / "leak")
    assert said == f"Refused: there is no lake at file://{tmp_path}/leak"
    assert list(tmp_path.iterdir()) == []


def test_the_lake_is_the_block_that_the_environment_names(
    nppes_lake: Lake, prefect_server: PrefectServer, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the one that is called lake; a root that is given goes before both."""

    def landed(found: Any) -> int:
        return next(int(s["landed"]) for s in found["sources"] if s["source"] == "nppes")

    monkeypatch.setenv("INLET_LAKE", "lake-of-the-cli")
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        nppes_lake.save("lake-of-the-cli", overwrite=True)
        assert landed(operator.said("status")) == 2
        assert landed(operator.said("status", "--lake", nppes_lake.path("none"))) == 0
        monkeypatch.setenv("INLET_LAKE", "no-such-lake")
        missing = operator("status")
    assert missing.startswith("Misconfigured: there is no lake block named 'no-such-lake', and no --lake ROOT is given")
    found = said("status", **prefect_server.env, INLET_LAKE="lake-of-the-cli")  # as a process of its own
    assert landed(found) == 2


def test_new_drafts_a_source_that_reads_its_sample(tmp_path: Path) -> None:
    sample = tmp_path / "rates_20261128.csv.gz"
    sample.write_bytes(gzip.compress(b"code,rate\nA1,1.25\nA2,1.5\nA3,1.75\n"))
    drafted = tmp_path / "flows" / "weekly_rates.py"
    dry = said("new", sample, "--name", "weekly-rates", "--root", tmp_path, "--dry-run")
    assert not drafted.exists()
    result = said("new", sample, "--name", "weekly-rates", "--root", tmp_path)
    assert result["expect"] == dry["expect"] == ["gzip"]
    assert set(result["datasets"]) == {"rates"}  # type: ignore[call-overload]
    exec(compile(drafted.read_text(), drafted, "exec"), {"__name__": "flows.weekly_rates"})
    again = inlet("new", sample, "--name", "weekly-rates", "--root", tmp_path)
    assert (again.returncode, again.stderr.split(":")[0]) == (1, "FileExistsError")


def test_convert_keeps_the_types_of_a_sas_file(tmp_path: Path) -> None:
    """Also from within a gzip, which cannot be sought in."""
    frame = pd.DataFrame({"SEQN": [1.0, 2.0], "NAME": ["a", ""], "DAY": [date(2020, 2, 29), None]})
    plain = tmp_path / "demo.xpt"
    pyreadstat.write_xport(frame, plain, file_format_version=5, variable_format={"DAY": "DATE9."})
    (tmp_path / "demo.xpt.gz").write_bytes(gzip.compress(plain.read_bytes()))
    for file in ("demo.xpt", "demo.xpt.gz"):
        out = tmp_path / f"{file}.parquet"
        assert said("convert", tmp_path / file, out)["rows"] == 2
        rows = pq.read_table(out)
        assert rows["day"].to_pylist() == [date(2020, 2, 29), None]
        assert rows["name"].to_pylist() == ["a", ""]
        columns: Any = said("profile", tmp_path / file)["columns"]
        assert [(c["original"], c["nulls"], c["empties"]) for c in columns] == [
            ("SEQN", 0, 0),
            ("NAME", 0, 1),
            ("DAY", 1, 0),
        ]
