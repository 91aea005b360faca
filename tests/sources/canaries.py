"""Sources whose every value is a canary, and that go wrong in every way: run as a program, it leaves what came of it.

`python -m tests.sources.canaries HOME` wants Prefect's server in the environment. It writes `HOME/said.json`: what each
flow run says, its errors with all that they were caused by, and the marks of all tables.
"""

import io
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
from openpyxl import Workbook
from prefect import Flow

from blocks.drive import Drive
from blocks.hash_key import HashKey
from blocks.lake import Lake
from spark.checks import Checks
from spark.mapping import Mapping, date, money
from spark.privacy import Age, Hash, Keep, Year, Zip3
from spark.readers import X12, AnyReader, Avro, Csv, Excel, Field, Fixed, Json, Layout, Orc, Parquet, Sas, Xml
from spark.schemas import Column, Schema
from spark.tables import Tables
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

KEY = "canarykey-of-more-than-32-characters"
DIGITS = "91827364"
"""Of every number and code: what is masked has none of them, and no count comes near."""
CANARIES = ("canary", "kanari", DIGITS, "1917-11-23", "11/23/1917", "19171123")
"""What must not get out, in lower case."""

PERSON = Schema(
    name="person",
    doc="",
    key=("id",),
    columns=(
        Column(name="id", doc="", required=True),
        Column(name="name", doc=""),
        Column(name="born", type="date", doc=""),
        Column(name="age", type="int", doc=""),
        Column(name="zip", doc=""),
        Column(name="paid", type="decimal(18,2)", doc=""),
        Column(name="kind", doc="", values=("a", "b")),
        Column(name="odd", doc=""),
    ),
)
HEADER = "ssn,name,dob,age,zip,paid,kind,odd"


def row(n: int, name: str = "Canary Kanari", **changed: str) -> str:
    """A record of which all is right, but for what is changed."""
    values = {
        "ssn": f"{DIGITS}{n}",
        "name": name,
        "dob": "11/23/1917",
        "age": "99",
        "zip": "91827-3645",
        "paid": f"{DIGITS}.5",
        "kind": "a",
        "odd": "",
    }
    return ",".join((values | changed).values())


GOOD = [row(n) for n in range(1, 6)]
ODD = {  # how an expression of the mapping fails on a value of `odd`: by errors of Spark's, of Java's, of its parsers'
    "cast": "CAST(odd AS int)",
    "divide": "1 / length(replace(odd, 'canary', ''))",
    "charset": "encode(odd, odd)",
    "xml": "xpath_string(odd, 'a')",
    "csv": "from_csv(odd, 'a int', map('mode', 'FAILFAST')).a",
}


def csv(*records: str) -> bytes:
    """A file of records behind their header."""
    return "\n".join([HEADER, *records]).encode()


CSVS: dict[str, bytes] = {
    "good": csv(*GOOD),
    "rejected": csv(*GOOD, "canary,kanari", row(7) + ",canary", '"canary,' + row(8)).replace(
        b"Kanari", b"Kanari\xff", 1
    ),
    "unfit": csv(
        *(row(n, dob="canary 1917", paid=f"{DIGITS}canary", kind="canary") for n in range(5)),
        *(row(1, name=f"Kanari {n}") for n in range(3)),
        *(row(n, ssn="") for n in range(5)),
    ),
    "empty": b"",
    **{name: csv(row(1, odd="canary")) for name in ODD},
}


def claims() -> bytes:
    """An interchange whose trailer counts otherwise, and otherwise than a number at that."""
    segments = (
        "ISA*00*          *00*          *ZZ*CANARY         *ZZ*KANARI         *260101*1200*^*00501*918273641*0*P*:",
        "GS*HC*CANARY*KANARI*20260101*1200*1*X*005010X222A1",
        f"ST*837*{DIGITS}",
        "CLM*CANARY*918273.64",
        f"SE*CANARY*{DIGITS}",
        "GE*1*1",
        "IEA*1*918273641",
    )
    return ("~".join(segments) + "~").encode()


def table() -> pa.Table:
    return pa.table({"name": ["Canary"] * 2000, "code": [91827364] * 2000})


def written(how: Callable[[pa.Table, Any], None]) -> bytes:
    out = io.BytesIO()
    how(table(), out)
    return out.getvalue()


def workbook(*rows: list[Any]) -> bytes:
    book, out = Workbook(), io.BytesIO()
    for values in rows:
        book.worksheets[0].append(values)
    book.save(out)
    return out.getvalue()


FORMATS: dict[str, tuple[AnyReader, bytes]] = {
    "json": (Json(), b'{"name": "canary"}\n{"name": canary}\n{"name": "canary\n[91827364'),
    "array": (Json(at="$.people"), b'{"canary": [1], "people": [{"name": "canary"}, canary kanari'),
    "xml": (Xml(row="p"), b"<a><p><name>canary</name></p><p>canary <kanari</p><p>&canary;</p></canary>"),
    "fixed": (
        Fixed(layouts=(Layout(fields=(Field(name="name", start=1, length=6),)),)),
        b"canary\ncanary kanari\ncan\n",
    ),
    "x12": (X12(), claims()),
    "parquet": (Parquet(), written(pq.write_table)[:-300] + b"canary" + written(pq.write_table)[-294:]),
    "rotten": (Parquet(), written(pq.write_table)[:30] + b"canary" * 9 + written(pq.write_table)[84:]),
    "orc": (Orc(), written(orc.write_table)[:40] + b"canary" + written(orc.write_table)[46:]),
    "avro": (Avro(), b"Obj\x01canary kanari 91827364"),
    "excel": (Excel(), workbook(["name"], ["canary"])[:-40] + b"canary" * 6),
    "sheet": (Excel(sheet="people"), workbook(["canary"], ["kanari"])),
    "sas": (Sas(), b"\0" * 12 + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011") + b"canary" * 4000),
}


def source(slug: str, datasets: dict[str, Dataset], names: str) -> Source:
    return Source(
        slug=slug,
        at="canaries",
        deliveries=(Delivery(kind="full", names=names, dated="%Y%m%d", key="{what}"),),
        datasets=datasets,
        phi="yes",
        quiet=None,
        reject_limit=0,
    )


PRIVACY = {
    "ssn": Hash(key="canaries"),
    "name": Keep(why="so that it might leak"),
    "dob": Keep(why="so that it might leak"),
    "age": Age(),
    "zip": Zip3(),
    "paid": Keep(why="so that it might leak"),
    "odd": Keep(why="so that it might leak"),
}
PEOPLE = source(
    "people",
    {"people": Dataset(members=r".*\.csv", reader=Csv(), privacy=PRIVACY)},
    rf"(?P<what>{'|'.join(CSVS)})_(?P<date>\d{{8}})\.csv",
)
OTHERS = source(
    "others",
    {name: Dataset(members=rf"{name}_.*", reader=reader) for name, (reader, _) in FORMATS.items()},
    rf"(?P<what>{'|'.join(FORMATS)})_(?P<date>\d{{8}})\.bin",
)
STRANGERS = source(
    "strangers", {"people": Dataset(members=r".*\.csv", reader=Csv())}, r"(?P<what>good)_(?P<date>\d{8})\.csv"
)
CUT = source(
    "cut",
    {"people": Dataset(members=r".*\.csv", reader=Csv(), privacy=PRIVACY | {"name": Year()})},
    r"(?P<what>good|cast)_(?P<date>\d{8})\.csv",
)


def by(odd: str) -> dict[str, Mapping]:
    columns = {"id": "ssn", "name": "name", "born": date("dob", "MM/dd/yyyy"), "age": "age", "zip": "zip"}
    paid = {"paid": money("paid"), "kind": "kind", "odd": f"CASE WHEN odd != '' THEN {odd} END"}
    return {"people": Mapping(columns=columns | paid)}


@ingest(PEOPLE)
def people(drop: Drop) -> None:
    """Bring people to current, by a mapping that fails on a value where the drop's name says how."""
    raw = convert(unwrap(transfer(drop)))
    profile(raw)
    publish(transform(raw, to=PERSON, by=by(ODD.get(drop.key, "odd")), checks=Checks(fewer=1, more=None)))


@ingest(OTHERS)
def others(drop: Drop) -> None:
    """Bring files of other formats, all broken, into Raw."""
    profile(convert(unwrap(transfer(drop))))


@ingest(STRANGERS)
def strangers(drop: Drop) -> None:
    """Bring people of whom nobody decided anything."""
    publish(transform(convert(unwrap(transfer(drop))), to=PERSON, by=by("odd")))


@ingest(CUT)
def cut(drop: Drop) -> None:
    """Bring people by a mapping of columns that are not there, or by a decision that reads nothing in a column."""
    publish(transform(convert(unwrap(transfer(drop))), to=PERSON, by=by("no_column" if drop.key == "cast" else "odd")))


def chain(error: BaseException | None) -> Iterator[str]:
    """All that may be read in an error: itself, and what it was caused by or raised in the course of."""
    if error is not None:
        yield repr(error)
        yield str(error)
        yield "".join(traceback.format_exception(error))
        yield from chain(error.__cause__)
        if error.__context__ is not error.__cause__:
            yield from chain(error.__context__)


def main(home: Path) -> None:
    """Do all of it."""
    outside = home / "outside"
    outside.mkdir()
    files = {f"{name}_20260101.csv": data for name, data in CSVS.items()}
    files |= {f"{name}_20260101.bin": data for name, (_, data) in FORMATS.items()}
    for name, data in files.items():
        (outside / name).write_bytes(data)
    Drive(path=outside).save("canaries", overwrite=True)  # type: ignore[call-arg]
    HashKey(key=KEY).save("canaries", overwrite=True)  # type: ignore[arg-type,call-arg]
    lake = Lake(root=f"{home}/lake")
    lake.save("lake", overwrite=True)  # type: ignore[call-arg]
    said: dict[str, Any] = {}
    flows: tuple[Flow[..., Any], ...] = (people, others, strangers, cut)
    for flow in flows:
        state = flow(return_state=True)
        error = state.result(raise_on_failure=False)
        said[flow.name] = {
            "name": state.name,
            "message": state.message,
            "failures": getattr(error, "failures", None),
            "errors": list(chain(error if isinstance(error, BaseException) else None)),
        }
    tables = Tables(lake.catalog_properties(), lake.url())
    said["marks"] = [
        tables.get(name).properties  # type: ignore[union-attr]
        for name in (
            "raw.people_people",
            "rejected.people_people",
            "transformed.person",
            "candidate.person",
            "held.person",
        )
        if tables.get(name)
    ]
    (home / "said.json").write_text(json.dumps(said, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
