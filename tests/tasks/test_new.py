"""`inlet new`: what is found in samples of every kind, what is written, and what is not."""

import bz2
import gzip
import importlib
import io
import json
import re
import sqlite3
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import fastavro
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
import pyzipper
import yaml
from openpyxl import Workbook
from prefect.settings import PREFECT_API_URL, temporary_settings
from pyarrow import orc
from pydantic import SecretStr

import flows
from blocks.drive import Drive
from blocks.errors import NotThere
from blocks.lake import Lake
from spark.errors import DataError, Undecryptable, UnknownFormat, Unreadable
from spark.parts import Rejected
from spark.privacy import Drop, Hash
from spark.readers import Csv, Excel, Fixed
from spark.tables import Tables
from tasks.local import keyring
from tasks.new import Drafted, Options, draft
from tasks.new.names import cadence, deliveries
from tasks.source import Source
from tests.servers import GpgKey, PrefectServer
from tests.tasks.conftest import Fill

ROOT = Path(__file__).parents[2]
CLAIMS = b"claim,who,amount\n90017,Zebediah,17.25\n90018,Philippa,18.75\n90019,Ottoline,19.10\n"
PIPES = b"claim|who|amount\n90017|Zebediah|17.25\n90018|Philippa|18.75\n90019|Ottoline|19.10\n"
FIXED = b"".join(
    b"%05d %-12s%06d\n" % (90017 + n, name, 1725 + n) for n, name in enumerate([b"Zebediah", b"Ottoline"] * 3)
)
FRAMED = b"HDR20260131ACME\n%s\nTRL%09d  \n" % (
    b"\n".join(
        b"D%05d %-12s%06d" % (90017 + n, name, 1725 + n) for n, name in enumerate([b"Zebediah", b"Ottoline"] * 15)
    ),
    30,
)
GLUED = b"".join(b"%011d20260131%012d%s\n" % (90017 + n, 77005 * n, b"FNY" if n % 3 else b"MCA") for n in range(30))
TERMS = b"".join(b"%d|ENG||||||%d|||SCD|Zebedin %d MG|N||\n" % (90017 + n, 7 * n, n) for n in range(30))
ENROLLMENT = (
    b"ISA*00*          *00*          *ZZ*SPONSORXX      *ZZ*RECEIVERX      *261128*1200*^*00501*000000905*0*P*:~"
    b"GS*BE*SPONSORXX*RECEIVERX*20261128*1200*1*X*005010X220A1~ST*834*112233~BGN*00*77665*20261128~INS*Y*18*021~"
    b"NM1*IL*1*LEE*OTTOLINE****34*123456789~SE*5*112233~GE*1*1~IEA*1*000000905~"
)
RULED = b"".join(
    [
        b"ID     Member Name         DOB        PAID    \r\n------ ------------------- ---------- --------\r\n",
        *(b"%-6d Doe, Zebediah       19%02d-01-02 %8.2f\r\n" % (90017 + n, 40 + n, n / 3) for n in range(12)),
        b"\r\n(12 rows affected)\r\n",
    ]
)
KINDS = b"".join(b"H|%d|ACME\nL|%d|1|99213\nL|%d|2|99214\n" % (n, n, n) for n in range(90017, 90027))
XML = b"<feed><made>x</made><items>" + b"<item id='7'><name>Zebediah</name></item>" * 3 + b"</items></feed>"
X12 = (
    b"ISA*00*          *00*          *ZZ*PAYERXXXX      *ZZ*RECEIVERX      *261128*1200*^*00501*000000905*0*P*:~"
    b"GS*HP*PAYERXXXX*RECEIVERX*20261128*1200*1*X*005010X221A1~ST*835*112233~BPR*I*150*C*CHK************20261128~"
    b"TRN*1*7654321*1999999999~N1*PR*ACME PAYER~N1*PE*HEALTHY CLINIC*XX*1234567893~LX*1~"
    b"CLP*PATACCT9*1*200*150*50*12*CLAIMNO77*11~NM1*QC*1*ZEBEDIAH*OTTOLINE****MI*MEMBER778~SE*9*112233~GE*1*1~"
    b"IEA*1*000000905~"
)


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return out.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"claim": [90017, 90018], "who": ["Zebediah", "Philippa"]}), out)
    return out.getvalue()


def orc_file() -> bytes:
    out = io.BytesIO()
    orc.write_table(pa.table({"claim": [90017, 90018], "who": ["Zebediah", "Philippa"]}), out)
    return out.getvalue()


def avro() -> bytes:
    out = io.BytesIO()
    fields = [{"name": "claim", "type": "long"}, {"name": "who", "type": ["null", "string"]}]
    rows = [{"claim": 90017, "who": "Zebediah"}, {"claim": 90018, "who": None}]
    fastavro.writer(out, fastavro.parse_schema({"type": "record", "name": "claims", "fields": fields}), rows)
    return out.getvalue()


def stata() -> bytes:
    out = io.BytesIO()
    pd.DataFrame({"claim": [90017], "who": ["Zebediah"]}).to_stata(out, write_index=False)
    return out.getvalue()


def sqlite() -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE claims (claim)")
        return database.serialize()


CLAIMED = (["claim", "who", "paid"], [90017, "Zebediah", 17.25], [90018, "Philippa", 18.5])


def workbook(**sheets: Sequence[Sequence[object]]) -> bytes:
    book, out = Workbook(), io.BytesIO()
    book.remove(book.worksheets[0])
    for name, rows in (sheets or {"Sheet": CLAIMED}).items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(out)
    return out.getvalue()


def xport(folder: Path) -> bytes:
    pyreadstat.write_xport(
        pd.DataFrame({"SEQN": [90017.0, 90018.0], "NAME": ["Zebediah", "Philippa"]}), folder / "x.xpt"
    )
    return (folder / "x.xpt").read_bytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project to draft into."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "prefect.yaml").write_text((ROOT / "prefect.yaml").read_text())
    return tmp_path / "project"


@pytest.fixture
def drafted(root: Path, tmp_path: Path) -> Callable[..., Drafted]:
    """Drafts a source from files that are alone in a folder."""

    def of(files: dict[str, bytes], name: str = "acme-feed", **options: object) -> Drafted:
        outside = tmp_path / "outside"
        for path, data in files.items():
            (outside / path).parent.mkdir(parents=True, exist_ok=True)
            (outside / path).write_bytes(data)
        one = next(iter(files)) if len(files) == 1 else ""
        return draft(str(outside / one), name, root, Options(**options))  # type: ignore[arg-type]

    return of


def source(done: Drafted) -> Source:
    """The source that a drafted flow declares."""
    scope: dict[str, object] = {"__name__": f"flows.{Path(done.flow).stem}"}
    exec(compile(Path(done.flow).read_text(), done.flow, "exec"), scope)
    return next(value for value in scope.values() if isinstance(value, Source))


@pytest.mark.parametrize(
    ("name", "data", "reader", "expect"),
    [
        ("claims_20260131.csv", CLAIMS, "Csv()", []),
        ("claims.txt", PIPES, 'Csv(delimiter="|")', []),
        ("claims.csv.gz", gzip.compress(CLAIMS), "Csv()", ["gzip"]),
        ("claims.csv.bz2", bz2.compress(CLAIMS), "Csv()", ["bzip2"]),
        ("claims.zip", zipped(a__claims_dot_csv=CLAIMS, readme_dot_pdf=b"%PDF-1.4"), "Csv()", ["zip"]),
        ("claims.tgz", tarred("claims.csv", CLAIMS), "Csv()", ["gzip", "tar"]),
        ("claims.zip.gz", gzip.compress(zipped(claims_dot_csv=CLAIMS)), "Csv()", ["gzip", "zip"]),
        ("members.dat", b"MBIS\n" + b"".join(b"MBI00%d\n" % n for n in range(700, 720)), "Csv(quote=None)", []),
        ("claims.dat", FIXED, 'Field(name="column_7", start=7, length=12)', []),
        ("glued.dat", GLUED, 'Field(name="column_32", start=32, length=3)', []),
        ("claims.dat", FRAMED, 'Field(name="column_8", start=8, length=12)', []),
        ("ruled.txt", RULED, 'Field(name="Member_Name", start=8, length=19)', []),
        ("kinds.txt", KINDS, 'columns=("column_1", "column_2", "column_3", "column_4")', []),
        ("terms.rrf", TERMS, 'Csv(delimiter="|", header=False)', []),
        ("feed.xml", XML, 'Xml(row="item")', []),
        ("rows.ndjson", b'{"who": "Zebediah"}\n{"who": "Philippa"}\n', "Json()", []),
        ("bundle.json", json.dumps({"v": 1, "entry": [{"who": "Zebediah"}] * 9}).encode(), 'Json(at="$.entry")', []),
        ("claims.parquet", parquet(), "Parquet()", []),
        ("claims.orc", orc_file(), "Orc()", []),
        ("claims.xlsx", workbook(), "Excel()", []),
        ("claims.xls", CLAIMS.replace(b",", b"\t"), 'Csv(delimiter="\\t")', []),
        ("remits.835", X12, "X12()", []),
        ("members.edi", ENROLLMENT, 'X12(kind="segments")', []),
    ],
)
def test_a_sample_of_any_format_and_wrapping(
    name: str, data: bytes, reader: str, expect: list[str], drafted: Callable[..., Drafted]
) -> None:
    done = drafted({name: data})
    made = source(done)
    assert reader in Path(done.flow).read_text()
    assert (done.expect, list(made.datasets), made.phi) == (expect, list(done.datasets), "unknown")
    assert made.deliveries[0].groups(name) is not None
    assert done.untested is None


def test_a_sas_file_and_the_fixture_that_is_read_in_its_place(drafted: Callable[..., Drafted], tmp_path: Path) -> None:
    done = drafted({"demo.xpt": xport(tmp_path)})
    assert "Sas()" in Path(done.flow).read_text()
    assert done.untested is None


@pytest.mark.parametrize(
    ("names", "pattern", "dated", "key"),
    [
        (["claims_20260131.csv"], r"claims_(?P<date>\d{8})\.csv", "%Y%m%d", "%Y-%m-%d"),
        (["x_01312026.txt"], r"x_(?P<date>\d{8})\.txt", "%m%d%Y", "%Y-%m-%d"),
        (["x_20260131T235959.csv"], r"x_(?P<date>\d{8}T\d{6})\.csv", "%Y%m%dT%H%M%S", "%Y-%m-%dT%H%M%S"),
        (["x_20260131T2359.csv"], r"x_(?P<date>\d{8}T\d{4})\.csv", "%Y%m%dT%H%M", "%Y-%m-%dT%H%M"),
        (
            ["x_20260131T235959.csv", "x_20260131T225959.csv"],  # two drops of a day
            r"x_(?P<date>\d{8}T\d{6})\.csv", "%Y%m%dT%H%M%S", "%Y-%m-%dT%H%M%S",
        ),
        (
            ["h_20260131T235959.csv", "l_20260131T225959.csv"],  # one drop, written one after the other
            r"(h|l)_(?P<date>\d{8}T\d{6})\.csv", "%Y%m%dT%H%M%S", "%Y-%m-%d",
        ),
        (["elig_202601.txt"], r"elig_(?P<date>\d{6})\.txt", "%Y%m", "%Y-%m"),
        (["NPPES_November_2026_V2.zip"], r"NPPES_(?P<date>[A-Za-z]+_\d{4})_V\d+\.zip", "%B_%Y", "%Y-%m"),
        (["x_JAN2026.csv"], r"x_(?P<date>[A-Za-z]{3}\d{4})\.csv", "%b%Y", "%Y-%m"),
        (["OP_PGYR2019_P06302020.csv"], r"OP_PGYR\d+_P(?P<date>\d{8})\.csv", "%m%d%Y", "%Y-%m-%d"),
        (["a_20050523-20250608.csv"], r"a_\d+-(?P<date>\d{8})\.csv", "%Y%m%d", "%Y-%m-%d"),
        (["sas_2019.xpt", "sas_2020.xpt"], r"sas_(?P<date>\d{4})\.xpt", "%Y", "%Y"),
        (["2017/d.xpt", "2019/d.xpt"], r"(?P<date>\d{4})/d\.xpt", "%Y", "%Y"),
        (["a_20260101.csv", "b_20260101.csv"], r"(a|b)_(?P<date>\d{8})\.csv", "%Y%m%d", "%Y-%m-%d"),
        (["patients.csv", "claims.csv"], r"(claims|patients)\.csv", None, "%Y-%m-%d"),
    ],
)  # fmt: skip
def test_what_names_of_files_say(names: list[str], pattern: str, dated: str | None, key: str) -> None:
    (found,) = deliveries(names)
    assert (found.names, found.dated, found.key) == (pattern, dated, key)
    assert all(re.fullmatch(found.names, name) for name in names)


def test_a_quarter_is_a_year_and_a_number() -> None:
    (found,) = deliveries(["faers_ascii_2017q2.zip", "faers_ascii_2017q3.zip"])
    assert found.key == "{year}q{quarter}"
    assert [day.month for day in found.days] == [4, 7]


def test_words_in_names_say_which_kind_of_drop_it_is() -> None:
    found = deliveries(["m_full_20260101.csv", "m_delta_20260102.csv", "m_deleted_20260102.csv"])
    assert [one.kind for one in found] == ["full", "incremental", "deletions"]
    assert len({one.key for one in found}) == 3


def test_a_drop_of_several_files_is_whole_with_all_of_them() -> None:
    (found,) = deliveries([f"{what}_2026-0{month}-01.csv" for what in ("claims", "members") for month in (1, 2, 3)])
    assert [bool(re.fullmatch(one, "members_2026-04-01.csv")) for one in found.expected] == [False, True]
    assert cadence(found.days) == ("FREQ=MONTHLY;BYMONTHDAY=1", timedelta(days=15))


@pytest.mark.parametrize(
    ("days", "rule"),
    [
        ([date(2026, 1, 1) + timedelta(days=n) for n in range(9)], "FREQ=DAILY"),
        ([date(2026, 1, 5) + timedelta(days=n) for n in (0, 1, 2, 3, 4, 7, 8)], "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ([date(2026, 1, 4) + timedelta(days=7 * n) for n in range(4)], "FREQ=WEEKLY;BYDAY=SU"),
        ([date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)], "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ([date(2025, 10, 1), date(2026, 1, 1), date(2026, 4, 1)], "FREQ=YEARLY;BYMONTH=1,4,7,10;BYMONTHDAY=1"),
        ([date(2023, 6, 30), date(2024, 6, 30), date(2025, 6, 30)], "FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=-1"),
    ],
)
def test_the_cadence_that_dates_follow(days: list[date], rule: str) -> None:
    found = cadence(days)
    assert found is not None
    assert found[0] == rule
    assert cadence(days[:2]) is None


def test_an_old_sample_is_not_overdue_when_its_flow_runs(drafted: Callable[..., Drafted]) -> None:
    done = drafted({f"claims_2020-0{month}-01.csv": CLAIMS for month in (1, 2, 3)})
    assert source(done).cadence == {}
    assert '#     "full": Cadence(days="FREQ=MONTHLY;BYMONTHDAY=1"' in Path(done.flow).read_text()


def test_an_archive_of_several_datasets_and_what_is_none(drafted: Callable[..., Drafted]) -> None:
    archive = zipped(DEMO17Q2_dot_txt=PIPES, DRUG17Q2_dot_txt=CLAIMS, README_dot_md=b"# read", x_dot_pdf=b"%PDF-1.4")
    made = source(drafted({"faers_2017q2.zip": archive}))
    assert {name: dataset.members for name, dataset in made.datasets.items()} == {
        "demo": r"DEMO\d+Q\d+\.txt",
        "drug": r"DRUG\d+Q\d+\.txt",
    }
    assert all(made.ignored(name) for name in ("README.md", "x.pdf", "other.pdf"))


def test_tables_that_only_a_number_tells_apart(drafted: Callable[..., Drafted]) -> None:
    """As CCLF's, `…ZC0Y26.D260110.T1200000` and `…ZC8Y26.D260110.T1200000`."""
    stamp = "Y26.D260110.T1200000"
    month = zipped(**{f"P.A0001.ZC0{stamp}": CLAIMS, f"P.A0001.ZC8{stamp}": b"x,y\n1,2\n3,4\n"})
    made = source(drafted({f"P.A0001.ZC{stamp}": month}))
    later = [made.datasets_of(f"P.A0001.ZC{number}Y26.D260210.T1200000") for number in (0, 8)]
    assert [len(of) for of in later] == [1, 1]
    assert later[0] != later[1]


def test_a_sample_that_a_key_opens(
    drafted: Callable[..., Drafted], gpg_key: GpgKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "public.asc").write_text(gpg_key.public_key)
    (tmp_path / "private.asc").write_text(gpg_key.private_key)
    (tmp_path / "ring").mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(tmp_path / "ring"), "--batch", "--quiet", "--trust-model", "always", "--encrypt"]
    to = ["--recipient-file", str(tmp_path / "public.asc")]
    sealed = subprocess.run([*gpg, *to], input=zipped(claims_dot_csv=CLAIMS), capture_output=True, check=True).stdout
    monkeypatch.setenv("INLET_PASSPHRASE", gpg_key.passphrase)
    with keyring(tmp_path / "private.asc") as decrypt:
        done = drafted({"claims_20260131.zip.pgp": sealed}, decrypt=decrypt)
    assert (done.expect, source(done).pgp_key) == (["pgp", "zip"], "acme-feed")
    assert done.untested == "what a key or a password opens is not made up"


def test_a_sample_that_a_password_opens(drafted: Callable[..., Drafted]) -> None:
    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(b"sesame")
        archive.writestr("claims.csv", CLAIMS)
    sample = {"claims.zip": out.getvalue()}
    with pytest.raises(Undecryptable, match="encrypted with a password and none was given"):
        drafted(sample)
    done = drafted(sample, passwords=(SecretStr("wrong"), SecretStr("sesame")))
    assert (done.expect, source(done).archive_password) == (["zip"], "acme-feed")
    assert done.untested == "what a key or a password opens is not made up"


def test_avro_is_read_and_none_is_made_up(drafted: Callable[..., Drafted]) -> None:
    done = drafted({"claims.avro": avro()})
    assert (done.datasets, done.untested) == ({"claims": "Avro()"}, "nothing here writes Avro")


def test_states_of_one_table_are_one_dataset(drafted: Callable[..., Drafted]) -> None:
    made = source(drafted({f"claims_{state}_202601.csv": CLAIMS for state in ("CA", "NY", "TX")}))
    assert len(made.datasets) == 1
    assert all(made.datasets_of(f"claims_{state}_202602.csv") for state in ("CA", "NY", "TX"))


def test_records_that_do_not_parse_are_a_limit_and_something_to_ask(drafted: Callable[..., Drafted]) -> None:
    done = drafted({"claims.csv": CLAIMS + b"90020,Ed,1,2\n" * 1})
    assert source(done).reject_limit == pytest.approx(0.28)
    assert "ask the party why records do not parse" in Path(done.flow).read_text()


def test_a_layout_that_is_known_is_taken(drafted: Callable[..., Drafted], tmp_path: Path) -> None:
    (tmp_path / "layout.csv").write_text("name,start,length\nclaim,1,5\nwho,7,12\namount,19,6\n")
    done = drafted({"claims.dat": FIXED}, options=(f"layout={tmp_path / 'layout.csv'}",))
    assert 'Field(name="who", start=7, length=12)' in Path(done.flow).read_text()


def test_a_header_and_a_trailer_of_fixed_width_are_no_records(drafted: Callable[..., Drafted]) -> None:
    [dataset] = source(drafted({"claims.dat": FRAMED})).datasets.values()
    assert isinstance(dataset.reader, Fixed)
    assert (dataset.reader.skip, dataset.reader.footer) == (1, 1)
    piece = next(iter(dataset.reader.cut(io.BytesIO(FRAMED))))
    table, rejected = dataset.reader.read(piece)
    assert (table.num_rows, rejected) == (30, [])
    assert table.slice(0, 1).to_pylist() == [
        {"_record": 1, "column_1": "D", "column_2": "90017", "column_8": "Zebediah", "column_20": "001725"}
    ]


def test_the_lines_of_a_ruled_table_are_read_and_not_those_around_it(drafted: Callable[..., Drafted]) -> None:
    [dataset] = source(drafted({"claims.txt": RULED})).datasets.values()
    assert isinstance(dataset.reader, Fixed)
    assert (dataset.reader.skip, dataset.reader.footer) == (2, 1)
    [batch] = dataset.reader.batches(io.BytesIO(RULED))
    assert batch.num_rows == 12
    assert batch.slice(1, 1).to_pylist() == [
        {"_record": 2, "ID": "90018", "Member_Name": "Doe, Zebediah", "DOB": "1941-01-02", "PAID": "0.33"}
    ]


def test_records_of_several_kinds_stand_in_one_table(drafted: Callable[..., Drafted]) -> None:
    done = drafted({"claims.txt": KINDS})
    [dataset] = source(done).datasets.values()
    assert isinstance(dataset.reader, Csv)
    [batch] = dataset.reader.batches(io.BytesIO(KINDS))
    assert batch["column_4"].to_pylist() == [None, "99213", "99214"] * 10
    assert "a mapping takes one by `where`" in " ".join(Path(done.flow).read_text().split())


@pytest.mark.parametrize(
    ("record", "skip", "footer"),
    [(b"DTL|%08d|Zebediah|M|20260131|%d.50\n", 1, 1), (b"D%08d17000%04dM20260131\n", 1, 1)],
)
def test_a_trailer_shows_at_the_end_of_a_long_file(
    record: bytes, skip: int, footer: int, drafted: Callable[..., Drafted]
) -> None:
    head, tail = (b"HDR|ACME|20260131|X\n", b"TRL|20000\n") if b"|" in record else (b"H20260131\n", b"T00020000\n")
    data = head + b"".join(record % (n, n % 1000) for n in range(20_000)) + tail
    [dataset] = source(drafted({"claims.txt": data})).datasets.values()
    assert isinstance(dataset.reader, Csv | Fixed)
    assert (dataset.reader.skip, dataset.reader.footer) == (skip, footer)
    rejected: list[Rejected] = []
    assert sum(batch.num_rows for batch in dataset.reader.batches(io.BytesIO(data), rejected)) == 20_000
    assert rejected == []


@pytest.mark.parametrize("note", [b"note %d\n", b"note\t%d\n"])
def test_an_end_that_reads_otherwise_changes_nothing(note: bytes, drafted: Callable[..., Drafted]) -> None:
    lines = b"".join(b"D%08d17000%04dM20260131 NY\n" % (n, n % 1000) for n in range(20_000))
    ended = lines + b"".join(note % n for n in range(1_500))
    [dataset] = source(drafted({"claims.dat": ended})).datasets.values()
    [alone] = source(drafted({"claims.dat": lines}, "alone")).datasets.values()
    assert dataset.reader == alone.reader


def test_amounts_and_days_are_no_several_columns(drafted: Callable[..., Drafted]) -> None:
    lines = b"".join(b"%5d  %8.2f 20%02d-01-31%3d\n" % (n, n / 7, n % 30, n % 50) for n in range(1, 120))
    [dataset] = source(drafted({"claims.dat": lines})).datasets.values()
    assert isinstance(dataset.reader, Fixed)
    [batch] = dataset.reader.batches(io.BytesIO(lines))
    assert [value.strip() for value in batch.slice(110, 1).to_pylist()[0].values() if isinstance(value, str)] == [
        *("111", "15.86", "2021-01-31", "11")
    ]


def test_a_list_is_mapped_to_no_column_of_a_common_schema(drafted: Callable[..., Drafted]) -> None:
    people = [{"id": f"p{n}", "gender": "female", "birthDate": f"19{40 + n}-02-03", "city": "X"} for n in range(9)]
    rows = b"".join(json.dumps(one | {"address": [{"state": "NY"}]}).encode() + b"\n" for one in people)
    flow = Path(drafted({"patients.ndjson": rows}).flow).read_text()
    assert '"birth_date": date("birthdate", "yyyy-MM-dd")' in flow
    assert 'text("address")' not in flow


def test_days_are_cut_out_of_digits(drafted: Callable[..., Drafted]) -> None:
    lines = [b"%05d19%02d1%d2%d%012d20260131\n" % (90017 + n, 40 + n, n % 3, n % 9, 100 + n) for n in range(30)]
    [dataset] = source(drafted({"claims.dat": b"A".join([b"", *lines])})).datasets.values()
    assert isinstance(dataset.reader, Fixed)
    assert [field.length for field in dataset.reader.layouts[0].fields] == [1, 5, 8, 12, 8]


def test_fields_within_that_say_who_somebody_is_are_decided_on(drafted: Callable[..., Drafted]) -> None:
    [dataset] = source(drafted({"remits.835": X12})).datasets.values()
    within = {path: of for path, of in dataset.privacy.items() if path.startswith(("patient.", "payer."))}
    names, numbers = ("patient.last_name", "patient.first_name"), ("patient.id_qualifier", "patient.id")
    assert within == {**dict.fromkeys(names, Drop()), **dict.fromkeys(numbers, Hash(key="acme-feed"))}


TITLES = (["Roster"], ["As of", "2026-01-31"], [])
COVER = (["What is in this workbook"], ["Made by ACME"])


@pytest.mark.parametrize(
    ("sheets", "readers", "is_left_out"),
    [
        ({"Data": CLAIMED}, {"claims": Excel()}, False),
        ({"Data": [*TITLES, *CLAIMED]}, {"claims": Excel(header_row=4)}, False),
        ({"Cover": COVER, "Empty": [], "Data": CLAIMED}, {"claims": Excel(sheet=2)}, True),
        ({"List": [["who"], ["Zebediah"], ["Philippa"]]}, {"claims": Excel()}, False),
        ({"Wide": [[2019, 2020], [1, 2], [3, None]]}, {"claims": Excel()}, False),
        ({"Bare": [[], *CLAIMED[1:]]}, {"claims": Excel(header_row=2, header=0)}, False),
        (
            {"Jan 2026": CLAIMED, "Members": [["Members"], [], ["who", "since"], ["Zebediah", 2019]]},
            {"claims_jan_2026": Excel(sheet="Jan 2026"), "claims_members": Excel(sheet="Members", header_row=3)},
            False,
        ),
    ],
)
def test_where_a_workbook_has_its_tables(
    sheets: dict[str, Any], readers: dict[str, Excel], is_left_out: bool, drafted: Callable[..., Drafted]
) -> None:
    done = drafted({"claims.xlsx": workbook(**sheets)})
    assert {name: dataset.reader for name, dataset in source(done).datasets.items()} == readers
    assert ("other sheets, which hold no table" in Path(done.flow).read_text()) == is_left_out
    assert done.untested is None


def test_prefect_yaml_gains_two_entries_and_keeps_the_rest(drafted: Callable[..., Drafted], root: Path) -> None:
    before = (root / "prefect.yaml").read_text()
    drafted({"claims.csv": CLAIMS})
    after = (root / "prefect.yaml").read_text()
    assert after.startswith(before.rstrip("\n"))
    added = yaml.safe_load(after)["deployments"][len(yaml.safe_load(before)["deployments"]) :]
    assert [(one["name"], one["entrypoint"]) for one in added] == [
        ("ingest", "flows.acme_feed.acme_feed"),
        ("drop", "flows.acme_feed.acme_feed"),
    ]
    assert all(one["work_pool"]["name"] == "inlet" and one["tags"][:2] == ["inlet", "acme-feed"] for one in added)


@pytest.mark.parametrize("there", ["flows/acme_feed.py", "tests/flows/test_feed_acme_feed.py", "prefect.yaml"])
def test_nothing_is_written_over(there: str, drafted: Callable[..., Drafted], root: Path) -> None:
    done = drafted({"claims.csv": CLAIMS})
    kept = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for path in (*done.files, str(root / "prefect.yaml")):
        if not path.endswith(there):
            Path(path).unlink()
    with pytest.raises(FileExistsError, match="choose another --name"):
        drafted({"claims.csv": CLAIMS})
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == {
        path: data for path, data in kept.items() if str(path).endswith(there)
    }


def test_a_dry_run_writes_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "claims.csv").write_bytes(CLAIMS)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    done = draft(str(tmp_path / "claims.csv"), root=root, dry=True)
    assert done.files[done.flow].startswith('"""claims: claims.')
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("claims.csv", CLAIMS),
        ("claims.dat", FIXED),
        ("feed.xml", XML),
        ("rows.ndjson", b'{"who": {"name": "Zebediah", "ids": ["A1234", "A1235"]}}\n{"who": {"name": "Philippa"}}\n'),
        ("remits.835", X12),
        ("members.edi", ENROLLMENT),
    ],
)
def test_no_value_of_the_sample_is_in_what_is_written(
    name: str, data: bytes, drafted: Callable[..., Drafted], root: Path
) -> None:
    done = drafted({name: data})
    assert done.untested is None
    known = "who claim amount item name made feed items entry ids"
    codes = "835 837 005010X221A1 005010X220A1 00501 ISA GS ST BPR TRN N1 LX CLP NM1 SE GE IEA CHK"
    own = {*known.split(), *codes.split()}
    values = {word for word in re.findall(r"LEE|\w{4,}", data.decode()) if word not in own}
    assert values
    written = "\n".join(Path(path).read_text() for path in done.files)
    assert [value for value in values if re.search(rf"\b{value}\b", written)] == []


@pytest.mark.parametrize(
    ("name", "data", "error", "says"),
    [
        ("page.csv", b"<!DOCTYPE html><html><body>Not found</body></html>", UnknownFormat, "web page"),
        ("x.bin", bytes(range(256)) * 40, UnknownFormat, "begins as no format that is known"),
        ("empty.txt", b"", UnknownFormat, "is empty"),
        ("claims.ebc", b"".join(f"{n:06}ZEBEDIAH ".encode("cp037") for n in range(99)), UnknownFormat, "is EBCDIC"),
        (
            "claims.xls",
            b"<html><body><table><tr><td>1</td></tr></table></body></html>",
            UnknownFormat,
            "a table in HTML",
        ),
        ("adt.txt", b"MSH|^~\\&|LAB|H|EHR|H|20240101||ORU^R01|1|P|2.3\rPID|1||7^^^H\r", UnknownFormat, "HL7 version 2"),
        ("claims.dta", stata(), UnknownFormat, "a Stata file, which no reader reads: ask the party"),
        ("claims.db", sqlite(), UnknownFormat, "an SQLite database"),
        ("claims.dbf", b"\x03\x7c\x01\x01\x02\0\0\0\x41\0\x0a\0" + bytes(52), UnknownFormat, "a dBase table"),
        ("note.txt", b"Dear all,\nplease find the file\nattached. Regards, Ed\n", UnknownFormat, "--format csv"),
        ("none.zip", zipped(), UnknownFormat, "there is none inside"),
        ("broken.csv.gz", gzip.compress(CLAIMS)[:-9], DataError, "broken.csv.gz"),
        ("ragged.csv", b"a,b,c\n1,2\n1,2,3,4\n", Unreadable, "no record of it parses"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(
    name: str, data: bytes, error: type[Exception], says: str, drafted: Callable[..., Drafted], root: Path
) -> None:
    with pytest.raises(error, match=re.escape(says)):
        drafted({name: data})
    assert not (root / "flows").exists()


def test_a_sample_that_is_not_there(root: Path) -> None:
    with pytest.raises(NotThere, match="no file or folder here, and no block"):
        draft("nowhere/at-all", root=root)


def test_a_sample_where_a_block_leads(fill: Fill, root: Path, prefect_server: PrefectServer) -> None:
    """Of whatever kind the place is: it is listed, and its newest files are opened."""
    place = fill({"claims_20260131.csv": CLAIMS, "claims_20260228.csv": CLAIMS, "read me.pdf": b"%PDF-1.4"})
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        place.save("acme-care", overwrite=True)  # type: ignore[call-arg]
        done = draft(f"{place._block_type_slug}/acme-care", root=root)
    made = source(done)
    assert (done.slug, list(made.datasets)) == ("acme-care", ["claims"])
    assert made.deliveries[0].groups("claims_20260331.csv") is not None
    assert list(done.unread) == ["read me.pdf"]


PROVIDERS = (
    "NPI,Entity Type Code,Provider Last Name,Provider First Name,Provider Organization Name,Taxonomy Code,State,"
    "Last Update Date\n"
    + "".join(
        f"{npi},{1 if n % 2 else 2},{'Doe' if n % 2 else ''},{'Jo' if n % 2 else ''},{'' if n % 2 else 'Clinic'},"
        f"207Q00000X,CA,2026-01-0{n + 1}\n"
        for n, npi in enumerate(["1234567893", "1679576722", "1417955519", "1003000126"])
    )
)


def test_a_drafted_flow_runs_as_written_on_its_sample(
    drafted: Callable[..., Drafted],
    root: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    local_lake: Lake,
    prefect_server: PrefectServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From a block's location to Raw, and, as all that is in it is a public registry's, on to `current`."""
    monkeypatch.setenv("INLET_SPARK_MASTER", "local[2]")
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path_factory.mktemp("spark")))  # other tests have the same session
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "providers_20260131.csv").write_text(PROVIDERS)
    monkeypatch.setattr(flows, "__path__", [*flows.__path__, str(root / "flows")])
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        Drive(path=tmp_path / "outside").save("acme-providers", overwrite=True)  # type: ignore[call-arg]
        local_lake.save("lake", overwrite=True)  # type: ignore[call-arg]
        done = draft("drive/acme-providers", root=root)
        module = importlib.import_module("flows.acme_providers")
        state = module.acme_providers(return_state=True)
    assert state.is_completed(), state.message
    tables = Tables(local_lake.catalog_properties(), local_lake.url())
    assert tables.rows("raw.acme_providers_providers") == 4
    assert done.mapped == {"providers": ["provider"]}
    assert tables.rows("current.provider") == 4
