"""Claims of several parties in one lake: pairs that say the same come out equal, and real samples as they are read."""

import csv
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

import flows.mappings.cclf
from blocks.drive import Drive
from blocks.lake import Lake
from flows.cclf import CCLF, cclf
from flows.mappings import cclf_layouts as layouts
from flows.mappings import desynpuf, synthea
from flows.medicare_claims import MEDICARE_CLAIMS, medicare_claims
from spark import mapping as m
from spark.mapping import Mapping
from spark.privacy import Keep
from spark.readers import Csv, Layout
from spark.schemas import SCHEMAS, Claim, ClaimLine, Diagnosis, Patient, Schema
from spark.session import session
from spark.tables import Tables
from tasks import decisions, manifest
from tasks.convert import convert
from tasks.decisions import Decision
from tasks.ingest import ingest
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap
from tests import claims as parties
from tests import servers
from tests.claims import Row, amount, record

WORLD = parties.world(seed=9)

OF_PEOPLE = ("member", "name", "first", "dob", "dod", "zip", "claim", "rx", "dates", "filled", "line")

PAYER = Source(
    slug="payer",
    at="payer",
    deliveries=(
        Delivery(
            kind="full", names=r"(?P<dataset>\w+)_(?P<date>\d{8})\.csv", dated="%Y%m%d", key="%Y-%m-%d", expected=4
        ),
    ),
    datasets={
        name: Dataset(reader=Csv(), privacy=dict.fromkeys(OF_PEOPLE, Keep(why="there are no such people")))
        for name in ("members", "claims", "lines", "fills")
    },
    phi="yes",
    quiet=None,
)


def us_day(column: str) -> m.Expression:
    return m.date(m.unless(column, "NULL"), "M/d/yyyy")


FROM, TO = (us_day(f"split_part(dates, ' - ', {n})") for n in (1, 2))
PAYERS = {
    Patient: {
        "members": Mapping(
            columns={
                "patient_id": m.text("member"),
                "last_name": m.text("name"),
                "first_name": m.text("first"),
                "sex": m.sex("sex"),
                "birth_date": us_day("dob"),
                "death_date": us_day("dod"),
                "death_flag": f"{us_day('dod').given} IS NOT NULL",
                "race": m.code(
                    m.unless("race", "Hispanic"),
                    {"White": "white", "Black": "black or african american", "Other": "other"},
                ),
                "ethnicity": m.code("if(race = 'Hispanic', race, NULL)", {"Hispanic": "hispanic or latino"}),
                "state": m.state("state"),
                "zip_code": m.zip_code("zip"),
            }
        )
    },
    Claim: {
        "claims": Mapping(
            columns={
                "claim_id": m.text("claim"),
                "claim_type": m.code("form", {"CMS-1500": "professional", "UB-04": "institutional"}),
                "patient_id": m.text("member"),
                "payer": "'medicare'",
                "claim_start_date": FROM,
                "claim_end_date": TO,
                "diagnosis_code_type": "'icd-9-cm'",
                "principal_diagnosis_code": m.icd9cm("split_part(dx, ';', 1)"),
                "ccn": m.text("ccn"),
                "drg_code": m.drg("drg"),
                "paid_amount": m.money("paid"),
            }
        ),
        "fills": Mapping(
            columns={
                "claim_id": m.text("rx"),
                "claim_type": "'pharmacy'",
                "patient_id": m.text("member"),
                "payer": "'medicare'",
                "claim_start_date": us_day("filled"),
            }
        ),
    },
    ClaimLine: {
        "lines": Mapping(
            columns={
                "claim_id": m.text("claim"),
                "claim_line_number": m.text("line"),
                "hcpcs_code": m.hcpcs("cpt"),
                "diagnosis_code": m.icd9cm("dx"),
                "allowed_amount": m.money("allowed"),
                "processing_code": m.text("status"),
            }
        ),
        "fills": Mapping(
            columns={
                "claim_id": m.text("rx"),
                "claim_line_number": "1",
                "claim_line_start_date": us_day("filled"),
                "ndc_code": m.ndc("ndc"),
                "quantity": m.quantity("qty"),
                "days_supply": m.text("days"),
                "patient_paid_amount": m.money("copay"),
            }
        ),
    },
    Diagnosis: {
        "claims": Mapping(
            each="split(dx, ';')",
            columns={
                "diagnosis_id": "concat(claim, '-', _position)",
                "patient_id": m.text("member"),
                "claim_id": m.text("claim"),
                "diagnosis_rank": "_position",
                "source_code_type": "'icd-9-cm'",
                "source_code": m.icd9cm("_each"),
                "recorded_date": TO,
            },
        )
    },
}


@ingest(PAYER)
def payer(drop: Drop) -> None:
    """A payer's extract."""
    raw = convert(unwrap(transfer(drop)))
    for schema, by in PAYERS.items():
        publish(transform(raw, to=schema, by=by))


@dataclass(frozen=True)
class Site:
    """The parties' folders, one for each, and a lake."""

    outside: Path
    lake: Lake
    insurer: parties.Payer

    def folder(self, source: Source, place: int = -1) -> Path:
        """That of one of a source's places."""
        name = source.places[place]
        folder = self.outside / name
        if not folder.exists():
            folder.mkdir(parents=True)
            Drive(path=folder).save(name, overwrite=True)
        return folder

    @property
    def tables(self) -> Tables:
        return Tables(self.lake.catalog_properties(), self.lake.url())

    def rows(self, table: str, party: str) -> list[Row]:
        source = "medicare-claims" if party in ("desynpuf", "synthea") else party
        files = self.tables.files(table, _source=source)
        read = [pq.read_table(url.removeprefix("file://")) for url in files]
        found: list[Row] = pa.concat_tables(read, promote_options="default").to_pylist() if read else []
        return [row for row in found if row["_source"] == source and party in (source, _population(row))]

    def current(self, source: str) -> dict[str, list[Row]]:
        return {
            schema: self.rows(f"current.{schema}", source) for schema in ("patient", "claim", "claim_line", "diagnosis")
        }


def _population(row: Row) -> str:
    """Whose row it is, of the two publishers of one source."""
    return "desynpuf" if row["_drop"].startswith("sample-") else "synthea"


def done(flow: Callable[..., Any]) -> str:
    state: State[Any] = flow(return_state=True)
    assert state.is_completed(), state.message
    return state.message or ""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, gpg_key: servers.GpgKey) -> Iterator[Site]:
    """A server of this module's own, as the blocks' names are those of the deployed flows."""
    servers.require("java", "there is no Java")
    home = tmp_path_factory.mktemp("claims")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INLET_CADENCE", "off")
        with (
            servers.prefect(tmp_path_factory.mktemp("prefect")) as server,
            temporary_settings({PREFECT_API_URL: server.api_url}),
            parties.payer(gpg_key, tmp_path_factory.mktemp("insurer")) as insurer,
        ):
            lake = Lake(root=f"file://{home}/lake")
            lake.save("lake", overwrite=True)
            insurer.block().save("cclf", overwrite=True)  # type: ignore[call-arg]
            yield Site(home / "outside", lake, insurer)


def settle(flow: Callable[..., Any]) -> str:
    """Run a flow again when its files have held still for long enough; the first run sees them for the first time."""
    done(flow)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.discover.now", lambda: manifest.now() + timedelta(hours=1))
        return done(flow)


@pytest.fixture(scope="module")
def said(site: Site) -> dict[str, dict[str, list[Row]]]:
    """What `current` has of each party when it has said what is true."""
    parties.write_cclf(parties.cclf_files(WORLD), site.folder(CCLF), site.insurer)
    parties.write_desynpuf(WORLD, site.folder(MEDICARE_CLAIMS, 0))
    parties.write_synthea(WORLD, site.folder(MEDICARE_CLAIMS))
    parties.write_payer(WORLD, site.folder(PAYER))
    drops = settle(medicare_claims).removeprefix("Done: ")
    assert set(drops.split(", ")) == {"sample-1", "sample-1-2010", "2026-01-05T100000"}
    assert settle(cclf) == "Done: A9999-Y2025-01-10T120000"
    assert done(payer) == "Done: 2026-01-05"
    found = {source: site.current(source) for source in ("cclf", "desynpuf", "payer", "synthea")}
    names = {parties.uuid_of(one.id): one.id for one in (*WORLD.people, *WORLD.bills)}
    for rows in found["synthea"].values():
        for row in rows:
            row.update({name: names[row[name]] for name in ("patient_id", "claim_id") if row.get(name) in names})
    return found


KEYS = {schema: SCHEMAS[schema].key for schema in ("patient", "claim", "claim_line", "diagnosis")}
LACKS: dict[str, dict[str, set[str]]] = {
    "cclf": {},
    "desynpuf": {"patient": {"zip_code", "last_name", "first_name"}},
    "payer": {},
    "synthea": {
        "patient": {"zip_code", "ethnicity"},  # five digits; and who is not Hispanic, which the others cannot say
        "claim": {
            "payer",
            "claim_end_date",
            "diagnosis_code_type",
            "principal_diagnosis_code",
            "ccn",
            "drg_code",
            "paid_amount",
        },
    },
}
"""Columns that a party does not give."""

DIFFER = {
    "claim": {"paid_date"},
    "claim_line": set[str](),
    "diagnosis": {"diagnosis_type"},  # CCLF4 does not say which is the principal one
    "patient": {"race", "zip_code"},  # Synthea has a race beside Hispanic, and five digits
}
"""Columns that parties give and mean otherwise."""


def by_key(schema: str, rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    found = {tuple(row[name] for name in KEYS[schema]): row for row in rows}
    assert len(found) == len(rows)
    return found


SECOND_SEGMENT: dict[str, dict[tuple[Any, ...], Row]] = {
    "claim_line": {(WORLD.of("inpatient")[0].id, 46): {"hcpcs_code": "A0425"}},
    "diagnosis": {(f"{WORLD.of('inpatient')[0].id}-11",): {"source_code": "2859", "diagnosis_rank": 11}},
}


@pytest.mark.parametrize(
    ("source", "schema"),
    [
        *((source, schema) for source in ("cclf", "desynpuf", "payer") for schema in KEYS),
        *(("synthea", schema) for schema in ("patient", "claim")),
    ],
)
def test_what_a_party_says_is_the_truth(said: dict[str, dict[str, list[Row]]], source: str, schema: str) -> None:
    truth = parties.expected(WORLD)[schema]
    if source == "synthea" and schema == "claim":
        truth = {key: row for key, row in truth.items() if row["claim_type"] != "pharmacy"}
    if source == "desynpuf":
        truth |= SECOND_SEGMENT.get(schema, {})
    have = by_key(schema, said[source][schema])
    assert have.keys() == truth.keys()
    lacks = LACKS[source].get(schema, set())
    for key, row in truth.items():
        want = {name: value for name, value in row.items() if name not in lacks}
        if source == "synthea" and schema == "patient" and row["race"] is None:
            del want["race"]  # a race beside Hispanic
        assert {name: have[key][name] for name in want} == want, key


PAIRS = [
    *((one, other, schema) for one, other in pairwise(("cclf", "desynpuf", "payer", "cclf")) for schema in KEYS),
    ("cclf", "synthea", "patient"),
    ("cclf", "synthea", "claim"),  # codes of lines and diagnoses are of other systems
]


@pytest.mark.parametrize(("one", "other", "schema"), PAIRS)
def test_two_parties_that_say_the_same_come_out_equal(
    said: dict[str, dict[str, list[Row]]], schema: str, one: str, other: str
) -> None:
    ours, theirs = (by_key(schema, said[source][schema]) for source in (one, other))
    columns = [c.name for c in SCHEMAS[schema].columns if c.name not in DIFFER[schema]]
    compared: Counter[str] = Counter()
    for key in ours.keys() & theirs.keys():
        for name in columns:
            here, there = ours[key][name], theirs[key][name]
            if here is not None and there is not None:
                assert here == there, (key, name)
                compared[name] += 1
    least = {"patient": 4, "claim": 3 if other == "synthea" else 8, "claim_line": 8, "diagnosis": 6}
    assert len(compared) >= least[schema] + len(KEYS[schema])


@dataclass(frozen=True)
class Way:
    """How a party writes a value, and where it is to come out."""

    to: Schema
    by: Mapping
    column: str
    write: Callable[[Any], Row]

    @property
    def sql(self) -> str:
        """What becomes of it, in the column's type."""
        expression = self.by.columns[self.column]
        kind = next(c.type for c in self.to.columns if c.name == self.column)
        return f"try_cast(({expression.sql if isinstance(expression, m.Expression) else expression}) AS {kind})"


VALUES: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], Any]]] = {
    # what there may be, and how the lake has it
    "birth": (st.dates(date(1900, 1, 1), date(2100, 1, 1)), lambda day: day),
    "service": (st.dates(date(1900, 1, 1), date(2100, 1, 1)), lambda day: day),
    "sex": (st.sampled_from(["male", "female"]), lambda sex: sex),
    "state": (st.sampled_from(sorted(parties.STATES)), lambda state: state),
    "zip": (st.tuples(st.integers(501, 99950), st.integers(1, 9999)), lambda z: f"{z[0]:05}-{z[1]:04}"),
    "diagnosis": (
        st.from_regex(re.compile("[0-9]{3,5}|V[0-9]{2,4}|E[0-9]{3,4}", re.ASCII), fullmatch=True),
        lambda code: code,
    ),
    "paid": (st.decimals(-(10**9), 10**9, places=2), lambda amount: amount),
    "drug": (
        st.tuples(st.integers(1, 9999), st.integers(0, 9999), st.integers(0, 99)),
        lambda drug: f"{drug[0]:05}{drug[1]:04}{drug[2]:02}",
    ),
    "quantity": (st.decimals(0, 10**6, places=4), lambda number: number),
}

WAYS: dict[str, dict[str, Way]] = {
    "cclf": {
        "birth": Way(Patient, flows.mappings.cclf.TO_PATIENT, "birth_date", lambda day: {"bene_dob": f"{day}"}),
        "sex": Way(
            Patient, flows.mappings.cclf.TO_PATIENT, "sex", lambda sex: {"bene_sex_cd": "1" if sex == "male" else "2"}
        ),
        "state": Way(Patient, flows.mappings.cclf.TO_PATIENT, "state", lambda state: {"geo_usps_state_cd": state}),
        "zip": Way(
            Patient,
            flows.mappings.cclf.TO_PATIENT,
            "zip_code",
            lambda z: {"bene_zip_cd": "~", "geo_zip5_cd": f"{z[0]:05}", "geo_zip4_cd": f"{z[1]:04}"},
        ),
        "service": Way(
            Claim,
            flows.mappings.cclf.TO_CLAIM["parta_claims_header"],
            "claim_start_date",
            lambda day: {"clm_from_dt": f"{day}"},
        ),
        "diagnosis": Way(
            Claim,
            flows.mappings.cclf.TO_CLAIM["parta_claims_header"],
            "principal_diagnosis_code",
            lambda code: {"prncpl_dgns_cd": f"{code:7}", "dgns_prcdr_icd_ind": "9"},
        ),
        "paid": Way(
            Claim,
            flows.mappings.cclf.TO_CLAIM["parta_claims_header"],
            "paid_amount",
            lambda value: {"clm_pmt_amt": f"{value:017.2f}", "clm_adjsmt_type_cd": "0 "},
        ),
        "drug": Way(
            ClaimLine,
            flows.mappings.cclf.TO_CLAIM_LINE["partd_claims"],
            "ndc_code",
            lambda drug: {"clm_line_ndc_cd": f"{drug[0]:05}{drug[1]:04}{drug[2]:02}"},
        ),
        "quantity": Way(
            ClaimLine,
            flows.mappings.cclf.TO_CLAIM_LINE["partd_claims"],
            "quantity",
            lambda number: {"clm_line_srvc_unit_qty": f"{number:023.4f}"},
        ),
    },
    "desynpuf": {
        "birth": Way(
            Patient,
            desynpuf.TO_PATIENT["beneficiary_summary"],
            "birth_date",
            lambda day: {"bene_birth_dt": f"{day:%Y%m%d}"},
        ),
        "sex": Way(
            Patient,
            desynpuf.TO_PATIENT["beneficiary_summary"],
            "sex",
            lambda sex: {"bene_sex_ident_cd": "1" if sex == "male" else "2"},
        ),
        "state": Way(
            Patient,
            desynpuf.TO_PATIENT["beneficiary_summary"],
            "state",
            lambda state: {"sp_state_code": parties.STATES[state][0].lstrip("0")},
        ),
        "service": Way(
            Claim,
            desynpuf.TO_CLAIM["inpatient_claims"],
            "claim_start_date",
            lambda day: {"clm_from_dt": f"{day:%Y%m%d}"},
        ),
        "diagnosis": Way(
            Claim,
            desynpuf.TO_CLAIM["inpatient_claims"],
            "principal_diagnosis_code",
            lambda code: {"icd9_dgns_cd_1": code},
        ),
        "paid": Way(
            Claim,
            desynpuf.TO_CLAIM["inpatient_claims"],
            "paid_amount",
            lambda value: {"clm_pmt_amt": parties.short(value)},
        ),
        "drug": Way(
            ClaimLine,
            desynpuf.TO_CLAIM_LINE["prescription_drug_events"],
            "ndc_code",
            lambda drug: {"prod_srvc_id": f"{drug[0]:05}{drug[1]:04}{drug[2]:02}"},
        ),
        "quantity": Way(
            ClaimLine,
            desynpuf.TO_CLAIM_LINE["prescription_drug_events"],
            "quantity",
            lambda number: {"qty_dspnsd_num": parties.short(number)},
        ),
    },
    "synthea": {
        "birth": Way(Patient, synthea.TO_PATIENT["patients"], "birth_date", lambda day: {"birthdate": f"{day}"}),
        "sex": Way(Patient, synthea.TO_PATIENT["patients"], "sex", lambda sex: {"gender": sex[0].upper()}),
        "state": Way(
            Patient, synthea.TO_PATIENT["patients"], "state", lambda state: {"state": parties.STATES[state][1]}
        ),
        "service": Way(
            Claim, synthea.TO_CLAIM["claims"], "claim_start_date", lambda day: {"servicedate": f"{day}T23:59:59Z"}
        ),
    },
    "payer": {
        "birth": Way(Patient, PAYERS[Patient]["members"], "birth_date", lambda day: {"dob": parties.us(day)}),
        "sex": Way(Patient, PAYERS[Patient]["members"], "sex", lambda sex: {"sex": sex[0]}),
        "state": Way(
            Patient, PAYERS[Patient]["members"], "state", lambda state: {"state": parties.STATES[state][1].upper()}
        ),
        "zip": Way(Patient, PAYERS[Patient]["members"], "zip_code", lambda z: {"zip": str(int(f"{z[0]}{z[1]:04}"))}),
        "service": Way(
            Claim,
            PAYERS[Claim]["claims"],
            "claim_start_date",
            lambda day: {"dates": f"{parties.us(day)} - {parties.us(day)}"},
        ),
        "diagnosis": Way(
            Claim,
            PAYERS[Claim]["claims"],
            "principal_diagnosis_code",
            lambda code: {"dx": f"{parties.dotted(code)};401.9"},
        ),
        "paid": Way(Claim, PAYERS[Claim]["claims"], "paid_amount", lambda value: {"paid": parties.dollars(value)}),
        "drug": Way(
            ClaimLine,
            PAYERS[ClaimLine]["fills"],
            "ndc_code",
            lambda drug: {"ndc": f"{drug[0]:04}-{drug[1]:04}-{drug[2]:02}"},
        ),
        "quantity": Way(ClaimLine, PAYERS[ClaimLine]["fills"], "quantity", lambda number: {"qty": f"{number:,}"}),
    },
}


@given(st.lists(st.tuples(*(values for values, _ in VALUES.values())), min_size=60, max_size=120))
@settings(max_examples=2, deadline=None)
def test_whatever_a_value_is_it_comes_out_the_same_by_every_party(truth: list[tuple[Any, ...]]) -> None:
    for ways in WAYS.values():
        said = [dict(zip(VALUES, values, strict=True)) for values in truth]
        written = [{k: v for name, way in ways.items() for k, v in way.write(row[name]).items()} for row in said]
        frame = session().createDataFrame(
            [tuple(row.values()) for row in written], ", ".join(f"{name} string" for name in written[0])
        )
        answers = frame.selectExpr(*(f"{way.sql} AS {name}_" for name, way in ways.items())).collect()
        for name, got in zip(ways, zip(*answers, strict=True), strict=True):
            assert list(got) == [VALUES[name][1](row[name]) for row in said]


def test_a_header_that_lines_repeat_is_one_claim(site: Site, said: dict[str, dict[str, list[Row]]]) -> None:
    marks = {
        schema: site.tables.marks(f"transformed.{schema}", "drop")["cclf/A9999-Y2025-01-10T120000"] for schema in KEYS
    }
    repeated = WORLD.of("professional")
    assert marks["claim"]["duplicates"] == sum(len(bill.lines) - 1 for bill in repeated) > 0
    assert marks["diagnosis"]["duplicates"] == sum((len(bill.lines) - 1) * len(bill.diagnoses) for bill in repeated)
    assert marks["patient"]["duplicates"] == sum(p.born.day % 3 == 0 for p in WORLD.people) > 0
    assert [mark["held"] for mark in marks.values()] == [0, 0, 0, 0]


def test_every_reference_leads_to_its_row(site: Site, said: dict[str, dict[str, list[Row]]]) -> None:
    for source, tables in said.items():
        for schema, rows in tables.items():
            for column in SCHEMAS[schema].columns:
                if column.references and source != "synthea":
                    table, name = column.references.split(".")
                    there = {row[name] for row in site.rows(f"current.{table}", source)} if table in tables else set()
                    assert {row[column.name] for row in rows} - {None} <= there, (source, schema, column.name)


def test_debits_and_credits_add_up_to_what_was_paid(site: Site, said: dict[str, dict[str, list[Row]]]) -> None:
    """An original, its cancellation and an adjustment, in the layouts of three eras."""
    cents = {"0": Decimal("412.10"), "1": Decimal("412.10"), "2": Decimal("388.04")}
    for era, year in enumerate((21, 22, 23)):
        header, carrier = (getattr(layouts, f"CCLF{n}")[min(era, 2)] for n in (1, 5))
        of = {"bene_mbi_id": WORLD.people[0].id, "clm_from_dt": "2020-05-06", "clm_thru_dt": "9999-12-31"}
        files: dict[str, list[str]] = {"1": [], "5": []}
        for kind, paid in cents.items():
            new = {"clm_blg_prvdr_npi_num": "1234567893"} if era else {"fac_prvdr_npi_num": "1234567893"}
            claim = f"{year}{kind}{0:010}"
            files["1"].append(
                record(
                    header,
                    **of,
                    **new,
                    cur_clm_uniq_id=claim,
                    clm_adjsmt_type_cd=kind,
                    clm_pmt_amt=amount(paid),
                    clm_efctv_dt="2020-07-08",
                )
            )
            line = {"clm_line_num": f"{1:010}", "clm_line_cvrd_pd_amt": amount(paid, 14), "dgns_prcdr_icd_ind": 0}
            files["5"].append(
                record(
                    carrier,
                    **of,
                    **line,
                    cur_clm_uniq_id=f"{claim[:-1]}5",
                    clm_adjsmt_type_cd=kind,
                    clm_dgns_1_cd="E119",
                    clm_line_dgns_cd="~",
                )
            )
        parties.write_cclf(files, site.folder(CCLF), site.insurer, year)
    assert settle(cclf).count("A9999") == 3
    claims, lines = (
        by_key("claim", site.rows("current.claim", "cclf")),
        by_key("claim_line", site.rows("current.claim_line", "cclf")),
    )
    for year in (21, 22, 23):
        of_part_a = [claims[(f"{year}{kind}{0:010}",)] for kind in "012"]
        assert [c["paid_amount"] for c in of_part_a] == [Decimal("412.10"), Decimal("-412.10"), Decimal("388.04")]
        assert [c["adjustment_type"] for c in of_part_a] == ["original", "cancellation", "adjustment"]
        assert {(c["facility_npi"], c["claim_end_date"], c["paid_date"]) for c in of_part_a} == {
            ("1234567893", None, date(2020, 7, 8))
        }
        of_part_b = [lines[f"{year}{kind}{5:010}", 1]["paid_amount"] for kind in "012"]
        assert sum(of_part_b) == Decimal("388.04")
        assert claims[(f"{year}0{5:010}",)]["principal_diagnosis_code"] == "E119"
        assert claims[(f"{year}0{5:010}",)]["diagnosis_code_type"] == "icd-10-cm"


def read_csv(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def samples(site: Site, said: dict[str, dict[str, list[Row]]], realdata: Path) -> Path:
    """Real files beside what is there: a later run of Synthea, another sample of DE-SynPUF, a month of CCLF."""
    folder = realdata / "sources"
    for name in synthea.TABLES:
        if (found := folder / "synthea" / f"{name}.csv").exists():
            (site.folder(MEDICARE_CLAIMS) / found.name).write_bytes(found.read_bytes())
    for found in (folder / "desynpuf").glob("DE1_0_*.csv"):
        (site.folder(MEDICARE_CLAIMS, 0) / found.name).write_bytes(found.read_bytes())
    archive = folder / "cclf" / "bcda-archives" / "valid" / "T.BCD.A0001.ZCY18.D181120.T1000000"
    (site.folder(CCLF) / f"P{archive.name[1:]}").write_bytes(site.insurer.sealed(archive.read_bytes()))
    # its CCLF0 names files that are not in it
    accept = {"verb": "accept", "drop": "A0001-Y2018-11-20T100000", "revision": 1, "reason": "a sample", "actor": "ann"}
    decisions.record(site.lake, "cclf", Decision.model_validate({**accept, "at": manifest.now(), "found": "…"}))
    assert settle(medicare_claims).startswith("Done: 5 drops")
    assert "A0001-Y2018-11-20T100000" in settle(cclf)
    return folder


def test_three_sources_are_in_one_table(site: Site, samples: Path) -> None:
    for table in ("patient", "claim", "claim_line", "diagnosis"):
        assert {source for source in ("cclf", "desynpuf", "synthea") if site.rows(f"current.{table}", source)} == {
            "cclf",
            "desynpuf",
            "synthea",
        }


def test_synthea_as_csv_reads_it(site: Site, samples: Path) -> None:
    have = {schema: site.rows(f"current.{schema}", "synthea") for schema in (*KEYS, "encounter", "organization")}
    raw = {path.stem: read_csv(path) for path in (samples / "synthea").glob("*.csv")}
    charges = {(r["CLAIMID"], int(r["CHARGEID"])): r for r in raw["claims_transactions"] if r["TYPE"] == "CHARGE"}
    lines = by_key("claim_line", have["claim_line"])
    assert lines.keys() == charges.keys()
    for key, row in charges.items():
        line = lines[key]
        assert line["charge_amount"] == Decimal(row["AMOUNT"]).quantize(Decimal("0.01"))
        assert (line["procedure_code"], line["procedure_description"]) == (row["PROCEDURECODE"], row["NOTES"])
        assert line["claim_line_start_date"].isoformat() == row["FROMDATE"][:10]
        ended = "None" if row["TODATE"] == "1970-01-01T00:00:00Z" else row["TODATE"][:10]
        assert str(line["claim_line_end_date"]) == ended
    claims = by_key("claim", have["claim"])
    assert len(claims) == len(raw["claims"])
    for row in raw["claims"]:
        claim = claims[(row["Id"],)]
        assert claim["claim_type"] == {"1": "professional", "2": "institutional"}[row["HEALTHCARECLAIMTYPEID1"]]
        assert claim["payer"] == (None if row["PRIMARYPATIENTINSURANCEID"] == "0" else row["PRIMARYPATIENTINSURANCEID"])
        assert (claim["encounter_id"], claim["principal_diagnosis_code"]) == (row["APPOINTMENTID"], row["DIAGNOSIS1"])
    coded = [row[f"DIAGNOSIS{n}"] for row in raw["claims"] for n in range(1, 9) if row[f"DIAGNOSIS{n}"]]
    problems = [row["CODE"] for row in raw["conditions"]]
    assert Counter(row["source_code"] for row in have["diagnosis"]) == Counter([*coded, *problems])
    assert sum(row["status"] == "active" for row in have["diagnosis"]) == sum(not r["STOP"] for r in raw["conditions"])
    patients = by_key("patient", have["patient"])
    assert {(p["birth_date"].isoformat(), p["zip_code"] or "") for p in patients.values()} == {
        (row["BIRTHDATE"], row["ZIP"]) for row in raw["patients"]
    }
    assert len(patients) == len(raw["patients"])  # those of the run before are gone
    payers = [row["Id"] for row in raw["payers"] if row["NAME"] != "NO_INSURANCE"]
    assert {row["organization_id"] for row in have["organization"]} == {
        *payers,
        *(r["Id"] for r in raw["organizations"]),
    }
    assert sum(row["charge_amount"] for row in have["encounter"]) == sum(
        Decimal(row["TOTAL_CLAIM_COST"]) for row in raw["encounters"]
    )
    for row in raw["encounters"]:
        if row["ENCOUNTERCLASS"] == "inpatient":
            visit = next(v for v in have["encounter"] if v["encounter_id"] == row["Id"])
            assert (visit["encounter_class"], visit["encounter_start"]) == ("IMP", datetime.fromisoformat(row["START"]))
    for schema, rows in have.items():
        for column in SCHEMAS[schema].columns:
            if column.references:
                table, name = column.references.split(".")
                there = {row[name] for row in have[table]}
                assert {row[column.name] for row in rows} - {None} <= there, (schema, column.name)


def test_desynpuf_as_csv_reads_it(site: Site, samples: Path) -> None:
    raw = {path.stem.removeprefix("DE1_0_"): read_csv(path) for path in (samples / "desynpuf").glob("DE1_0_*.csv")}
    of = {row["DESYNPUF_ID"] for row in raw["2008_Beneficiary_Summary_File_Sample_0"]}
    have = {
        schema: [r for r in site.rows(f"current.{schema}", "desynpuf") if r.get("patient_id") in of] for schema in KEYS
    }
    carrier = [*raw["2008_to_2010_Carrier_Claims_Sample_0A"], *raw["2008_to_2010_Carrier_Claims_Sample_0B"]]
    inpatient, outpatient = (raw[f"2008_to_2010_{kind}_Claims_Sample_0"] for kind in ("Inpatient", "Outpatient"))
    drugs = raw["2008_to_2010_Prescription_Drug_Events_Sample_0"]
    claims = by_key("claim", have["claim"])
    assert claims.keys() == {(r["CLM_ID"],) for r in (*carrier, *inpatient, *outpatient)} | {
        (r["PDE_ID"],) for r in drugs
    }
    for row in inpatient:
        claim = claims[(row["CLM_ID"],)]
        assert (
            f"{claim['admission_date']:%Y%m%d}{claim['discharge_date']:%Y%m%d}"
            == row["CLM_ADMSN_DT"] + row["NCH_BENE_DSCHRG_DT"]
        )
        assert (claim["paid_amount"], claim["deductible_amount"]) == (
            Decimal(row["CLM_PMT_AMT"]),
            Decimal(row["NCH_BENE_IP_DDCTBL_AMT"]),
        )
        assert (claim["drg_code"], claim["ccn"]) == (row["CLM_DRG_CD"], row["PRVDR_NUM"])
        assert (claim["attending_npi"], claim["attending_provider_id"]) == (None, row["AT_PHYSN_NPI"])  # made up
    lines = by_key("claim_line", [r for r in site.rows("current.claim_line", "desynpuf") if (r["claim_id"],) in claims])
    want = {
        (row["CLM_ID"], n): row[f"HCPCS_CD_{n}"]
        for rows, most in ((carrier, 13), (inpatient, 45), (outpatient, 45))
        for row in rows
        for n in range(1, most + 1)
        if row[f"HCPCS_CD_{n}"]
    } | {(row["PDE_ID"], 1): None for row in drugs}
    assert {key: line["hcpcs_code"] for key, line in lines.items()} == want
    for row in carrier:
        paid = sum(line["paid_amount"] for key, line in lines.items() if key[0] == row["CLM_ID"])
        assert paid == sum(Decimal(row[f"LINE_NCH_PMT_AMT_{n}"]) for n in range(1, 14))
    for row in drugs:
        line = lines[row["PDE_ID"], 1]
        assert (line["ndc_code"], line["days_supply"]) == (row["PROD_SRVC_ID"], int(row["DAYS_SUPLY_NUM"]))
    coded = Counter(
        row[f"ICD9_DGNS_CD_{n}"]
        for row in (*carrier, *inpatient, *outpatient)
        for n in range(1, 11)
        if row.get(f"ICD9_DGNS_CD_{n}")
    )
    assert Counter(row["source_code"] for row in have["diagnosis"]) == coded
    assert {row["patient_id"]: row["_drop"] for row in have["patient"]} == dict.fromkeys(of, "sample-0-2008")
    assert {row["patient_id"]: (row["sex"], row["state"]) for row in have["patient"]} == {
        "0002056B40CEE448": ("female", "IN"),
        "0004D03F1BD5E607": ("male", "CA"),
    }


def test_beneficiaries_of_cclf_as_their_columns_have_them(site: Site, samples: Path) -> None:
    archive = samples / "cclf" / "bcda-archives" / "valid" / "T.BCD.A0001.ZCY18.D181120.T1000000"
    lines = zipfile.ZipFile(archive).read("T.BCD.A0001.ZC8Y18.D181120.T1000009").decode().splitlines()
    have = {row["patient_id"]: row for row in site.rows("current.patient", "cclf")}
    want = {line[:11]: line for line in lines}
    assert (len(lines), len(want)) == (7, 6)
    for id, line in want.items():
        row = have[id]
        assert (row["birth_date"].isoformat(), row["sex"]) == (line[32:42], {"1": "male", "2": "female"}[line[42]])
        assert (row["first_name"], row["last_name"]) == (line[81:111].strip(), line[126:166].strip())
        assert (row["city"], row["state"]) == (line[438:538].strip(), line[538:540])
        extension = line[545:549].strip(" ~")
        assert row["zip_code"] == line[540:545] + (f"-{extension}" if extension else "")


@pytest.mark.parametrize("number", "123456789AB")
def test_layouts_are_those_that_cms_publishes(realdata: Path, number: str) -> None:
    folder = realdata / "sources" / "cclf"
    text = (folder / "layout-v36-csv" / f"cclf_{number.lower()}.csv").read_text()
    published = Layout.from_csv(text, {"name": "field_label", "label": "field_name"})
    eras = getattr(layouts, f"CCLF{number}")
    assert [(f.name, f.start, f.length) for f in eras[-1].fields] == [
        (f.name.lower().strip("…"), f.start, f.length) for f in published.fields
    ]
    control = (folder / "bcda-synthetic-dev" / "ZC0").read_text().splitlines()
    lengths = {row[0].strip(): int(row[3]) for row in (line.split("|") for line in control[1:])}
    assert eras[0].record_length == lengths[f"CCLF{number}"]
