"""One truth about claims, and how parties write it: what their flows make of it must be equal.

CCLF is fixed width in a zip, DE-SynPUF has wide rows with up to 13 lines, Synthea words of its own, and a payer dots,
hyphens, dollars and American days.
"""

import csv
import io
import random
import subprocess
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from pydantic import SecretStr

from blocks.pgp import PgpKey
from flows.mappings import cclf_layouts as layouts
from spark.readers import Layout
from tests.servers import GpgKey, gpg_key

Row = dict[str, Any]


@dataclass(frozen=True)
class Person:
    id: str
    last: str
    first: str
    sex: str
    born: date
    died: date | None
    race: str | None  # None: Hispanic, which CMS calls a race
    state: str
    zip5: str
    zip4: str


@dataclass(frozen=True)
class Line:
    number: int
    hcpcs: str
    diagnosis: str
    allowed: Decimal
    paid: Decimal
    processing: str


@dataclass(frozen=True)
class Bill:
    id: str
    kind: str
    person: Person
    first: date
    last: date
    diagnoses: tuple[str, ...]
    lines: tuple[Line, ...]
    ccn: str
    drg: str
    paid: Decimal


@dataclass(frozen=True)
class Fill:
    id: str
    person: Person
    day: date
    drug: tuple[str, str, str]
    quantity: Decimal
    days: int
    paid: Decimal


@dataclass(frozen=True)
class World:
    people: tuple[Person, ...]
    bills: tuple[Bill, ...]
    fills: tuple[Fill, ...]

    def of(self, *kinds: str) -> list[Bill]:
        return [bill for bill in self.bills if bill.kind in kinds]


STATES = {
    "MA": ("22", "Massachusetts"),
    "NY": ("33", "New York"),
    "CA": ("05", "California"),
    "PR": ("40", "Puerto Rico"),
}
CODES = ["25000", "4019", "0389", "V103", "E8809", "486", "41401", "V5861", "5990", "E0000"]  # ICD-9-CM, without dots


def world(seed: int, people: int = 12, bills: int = 60, fills: int = 40) -> World:
    chance = random.Random(seed)

    def day() -> date:
        return date(2008, 1, 1) + timedelta(days=chance.randrange(1000))

    def money() -> Decimal:
        return Decimal(chance.choice([0, chance.randrange(100), chance.randrange(10**7)])).scaleb(-2)

    def person(number: int) -> Person:
        return Person(
            id=f"1A{number:02}BC{number:02}D{number:02}",
            last=f"Doe{number}",
            first=f"Jo{number}",
            sex=chance.choice(["male", "female"]),
            born=date(1925, 1, 1) + timedelta(days=chance.randrange(12_000)),
            died=chance.choice([None, None, day()]),
            race=chance.choice(["white", "black or african american", "other", None]),
            state=chance.choice([*STATES]),
            zip5=f"{chance.randrange(501, 99950):05}",
            zip4=f"{chance.randrange(1, 9999):04}",
        )

    def line(number: int) -> Line:
        hcpcs = chance.choice(["99213", "00100", "G0008", "0042T", "J1100"])
        return Line(number, hcpcs, chance.choice(CODES), money(), money(), chance.choice("AC"))

    def bill(number: int) -> Bill:
        kind = ["professional", "inpatient", "outpatient"][number % 3]
        first = day()
        return Bill(
            id=f"{7 * 10**12 + number}",
            kind=kind,
            person=chance.choice(everybody),
            first=first,
            last=first + timedelta(days=chance.randrange(5)),
            diagnoses=tuple(chance.sample(CODES, chance.randint(1, 8))),
            lines=tuple(line(n + 1) for n in range(chance.randint(1, 13))),
            ccn=f"{chance.randrange(10**5):05}A",
            drg=f"{chance.randrange(1, 999):03}",
            paid=money(),
        )

    def fill(number: int) -> Fill:
        shape = chance.choice([(4, 4, 2), (5, 3, 2), (5, 4, 1), (5, 4, 2)])
        parts = tuple(f"{chance.randrange(10 ** (n - 1), 10**n):0{n}}" for n in shape)
        return Fill(
            id=f"{8 * 10**12 + number}",
            person=chance.choice(everybody),
            day=day(),
            drug=(parts[0], parts[1], parts[2]),
            quantity=Decimal(chance.randrange(1, 10**6)).scaleb(-3),
            days=chance.randint(1, 90),
            paid=money(),
        )

    everybody = tuple(person(n) for n in range(people))
    return World(everybody, tuple(bill(n) for n in range(bills)), tuple(fill(n) for n in range(fills)))


def expected(world: World) -> dict[str, dict[tuple[Any, ...], Row]]:
    """What the truth is in each common schema, by key: the columns that more than one party gives."""
    patients = {
        (p.id,): {
            "sex": p.sex,
            "birth_date": p.born,
            "death_date": p.died,
            "death_flag": p.died is not None,
            "race": p.race,
            "ethnicity": None if p.race else "hispanic or latino",
            "state": p.state,
            "zip_code": f"{p.zip5}-{p.zip4}",
            "last_name": p.last,
            "first_name": p.first,
        }
        for p in world.people
    }
    claims: dict[tuple[Any, ...], Row] = {}
    lines: dict[tuple[Any, ...], Row] = {}
    diagnoses: dict[tuple[Any, ...], Row] = {}
    for bill in world.bills:
        carrier = bill.kind == "professional"
        claims[(bill.id,)] = {
            "claim_type": "professional" if carrier else "institutional",
            "patient_id": bill.person.id,
            "payer": "medicare",
            "claim_start_date": bill.first,
            "claim_end_date": bill.last,
            "diagnosis_code_type": "icd-9-cm",
            "principal_diagnosis_code": bill.diagnoses[0],
            "ccn": None if carrier else bill.ccn,
            "drg_code": bill.drg if bill.kind == "inpatient" else None,
            "paid_amount": None if carrier else bill.paid,
        }
        for line in bill.lines:
            lines[bill.id, line.number] = {
                "hcpcs_code": line.hcpcs,
                "diagnosis_code": line.diagnosis if carrier else None,
                "allowed_amount": line.allowed if carrier else None,
                "processing_code": line.processing if carrier else None,
            }
        for rank, code in enumerate(bill.diagnoses, 1):
            diagnoses[(f"{bill.id}-{rank}",)] = {
                "patient_id": bill.person.id,
                "claim_id": bill.id,
                "diagnosis_rank": rank,
                "source_code_type": "icd-9-cm",
                "source_code": code,
                "recorded_date": bill.last,
            }
    for fill in world.fills:
        claims[(fill.id,)] = dict.fromkeys(next(iter(claims.values()))) | {
            "claim_type": "pharmacy",
            "patient_id": fill.person.id,
            "payer": "medicare",
            "claim_start_date": fill.day,
        }
        lines[fill.id, 1] = {
            "claim_line_start_date": fill.day,
            "ndc_code": "".join(part.zfill(n) for part, n in zip(fill.drug, (5, 4, 2), strict=True)),
            "quantity": fill.quantity.quantize(Decimal("0.0001")),
            "days_supply": fill.days,
            "patient_paid_amount": fill.paid,
        }
    return {"patient": patients, "claim": claims, "claim_line": lines, "diagnosis": diagnoses}


def record(layout: Layout, **values: object) -> str:
    """A record of fixed width; what is not given is `~`, as CMS has it."""
    assert values.keys() <= {field.name for field in layout.fields}
    return "".join(str(values.get(field.name, "~")).ljust(field.length) for field in layout.fields)


def amount(value: Decimal, width: int = 16) -> str:
    return f"{value:0{width}.2f}"


def short(value: Decimal) -> str:
    """An amount without zeros at the end."""
    return f"{value.normalize():f}"


def dollars(value: Decimal) -> str:
    return f"(${-value:,.2f})" if value < 0 else f"${value:,.2f}"


def dotted(code: str) -> str:
    """An ICD-9-CM diagnosis with its dot, in lower case."""
    at = 4 if code[0] == "E" else 3
    return f"{code[:at]}.{code[at:]}".rstrip(".").lower()


def us(day: date | None) -> str:
    return f"{day.month}/{day.day}/{day.year}" if day else "NULL"


def cclf_files(world: World, kinds: Mapping[str, int] | None = None) -> dict[str, list[str]]:
    """CCLF's files by number, in the layouts of 2023 and later.

    `kinds` are those of claims that are not original: 1 is a cancellation, 2 an adjustment.
    """
    kind_of = kinds or {}
    of = {number: getattr(layouts, f"CCLF{number}")[-1] for number in "1245678"}
    files: dict[str, list[str]] = {number: [] for number in of}
    never = "9999-12-31"
    for p in world.people:
        files["8"] += [  # one beneficiary in three was in hospice twice
            record(
                of["8"],
                bene_mbi_id=p.id,
                bene_dob=p.born,
                bene_sex_cd={"male": 1, "female": 2}[p.sex],
                bene_race_cd={"white": 1, "black or african american": 2, "other": 3, None: 5}[p.race],
                bene_death_dt=p.died or never,
                bene_rng_bgn_dt=stay,
                bene_rng_end_dt=never,
                bene_1st_name=p.first,
                bene_last_name=p.last,
                geo_usps_state_cd=p.state,
                geo_zip5_cd=p.zip5,
                geo_zip4_cd=p.zip4,
            )
            for stay in ("1000-01-01", "2008-02-03")[: 1 + (p.born.day % 3 == 0)]
        ]
    for bill in world.bills:
        header: Row = {
            "cur_clm_uniq_id": bill.id,
            "bene_mbi_id": bill.person.id,
            "clm_from_dt": bill.first,
            "clm_thru_dt": bill.last,
            "clm_efctv_dt": "1000-01-01",
            "clm_adjsmt_type_cd": kind_of.get(bill.id, 0),
            "dgns_prcdr_icd_ind": 9,
        }
        if bill.kind == "professional":
            codes = {f"clm_dgns_{n}_cd": code for n, code in enumerate(bill.diagnoses, 1)}
            files["5"] += [
                record(
                    of["5"],
                    **header,
                    **codes,
                    clm_type_cd=71,
                    clm_line_num=f"{line.number:010}",
                    clm_line_hcpcs_cd=line.hcpcs,
                    clm_line_dgns_cd=line.diagnosis,
                    clm_line_cvrd_pd_amt=amount(line.paid, 14),
                    clm_line_alowd_chrg_amt=amount(line.allowed),
                    clm_prcsg_ind_cd=line.processing,
                    clm_line_from_dt=bill.first,
                    clm_line_thru_dt=bill.last,
                )
                for line in bill.lines
            ]
            continue
        inpatient = bill.kind == "inpatient"
        files["1"].append(
            record(
                of["1"],
                **header,
                clm_type_cd=60 if inpatient else 40,
                prvdr_oscar_num=bill.ccn,
                prncpl_dgns_cd=bill.diagnoses[0],
                dgns_drg_cd=f"{bill.drg:>04}" if inpatient else "0000",
                clm_pmt_amt=amount(bill.paid),
                clm_mdcr_instnl_tot_chrg_amt=amount(bill.paid, 14),
            )
        )
        of_claim = {"cur_clm_uniq_id": bill.id, "bene_mbi_id": bill.person.id}
        files["2"] += [
            record(
                of["2"],
                **of_claim,
                clm_line_num=f"{line.number:010}",
                clm_line_hcpcs_cd=line.hcpcs,
                clm_line_prod_rev_ctr_cd="0450",
                clm_line_cvrd_pd_amt=amount(line.paid),
                clm_line_from_dt=bill.first,
                clm_line_thru_dt=bill.last,
            )
            for line in bill.lines
        ]
        files["4"] += [
            record(
                of["4"],
                **of_claim,
                clm_prod_type_cd="D",
                clm_val_sqnc_num=f"{n:02}",
                clm_dgns_cd=code,
                clm_from_dt=bill.first,
                clm_thru_dt=bill.last,
                dgns_prcdr_icd_ind=9,
            )
            for n, code in enumerate(bill.diagnoses, 1)
        ]
    files["7"] = [
        record(
            of["7"],
            cur_clm_uniq_id=fill.id,
            bene_mbi_id=fill.person.id,
            clm_line_ndc_cd="".join(part.zfill(n) for part, n in zip(fill.drug, (5, 4, 2), strict=True)),
            clm_type_cd="01",
            clm_line_from_dt=fill.day,
            clm_line_srvc_unit_qty=f"{fill.quantity:023.4f}",
            clm_line_days_suply_qty=f"{fill.days:09}",
            clm_line_bene_pmt_amt=amount(fill.paid, 12),
            clm_adjsmt_type_cd=kind_of.get(fill.id, 0),
            clm_efctv_dt="1000-01-01",
        )
        for fill in world.fills
    ]
    return files


CCLF_DESCRIPTIONS = {
    "1": "Part A Claims Header File",
    "2": "Part A Claims Revenue Center Detail File",
    "3": "Part A Procedure Code File",
    "4": "Part A Diagnosis Code File",
    "5": "Part B Physicians File",
    "6": "Part B DME File",
    "7": "Part D File",
    "8": "Beneficiary Demographics File",
    "9": "BENE XREF File",
    "A": "Part A BE and Demo Codes File",
    "B": "Part B BE and Demo Codes File",
}


def cclf_statistics(files: dict[str, list[str]], year: int, wrong: Mapping[str, tuple[int, int]] | None = None) -> str:
    """CCLF0, as CMS's test files have it: what it says of each file; `wrong` is added to records and lengths."""
    lines = ["File Number  |File Description    |Total Records Count |Record Length"]
    for number, description in CCLF_DESCRIPTIONS.items():
        eras = [layout for layout in layouts.FILES[number][1] if (layout.since or 0) <= 2000 + year]
        records, length = (wrong or {}).get(number, (0, 0))
        records, length = records + len(files.get(number, ())), length + eras[-1].record_length
        lines.append(f"CCLF{number}  |{description:<42}|{records:>11}|{length:>5}")
    return "\n".join(lines)


def cclf_zip(files: dict[str, list[str]], stamp: str, statistics: str | None) -> bytes:
    """A month's zip, without CCLF0 where there are no statistics; `stamp` is such as `25.D250110.T1200000`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if statistics is not None:
            archive.writestr(f"P.A9999.ACO.ZC0Y{stamp}", statistics)
        for number, records in files.items():
            archive.writestr(f"P.A9999.ACO.ZC{number}Y{stamp}", "".join(f"{line}\n" for line in records))
    return out.getvalue()


@dataclass(frozen=True)
class Payer:
    """Who signs files by a key of its own and seals them for ours; `home` is an empty folder."""

    ours: GpgKey
    own: GpgKey
    home: Path

    def sealed(self, data: bytes, signed: bool = True) -> bytes:
        """A PGP message."""
        gpg = ["gpg", "--homedir", str(self.home), "--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback"]
        gpg += ["--passphrase", self.own.passphrase, "--trust-model", "always"]
        if not (self.home / "pubring.kbx").exists():
            self.home.chmod(0o700)
            for key in (self.own.private_key, self.ours.public_key):
                subprocess.run([*gpg, "--import"], input=key.encode(), check=True)
        sign = ["--sign", "--local-user", self.own.fingerprint] if signed else []
        command = [*gpg, *sign, "--recipient", self.ours.fingerprint, "--encrypt"]
        return subprocess.run(command, input=data, check=True, capture_output=True).stdout

    def block(self) -> PgpKey:
        """What we need to open them."""
        private, word = SecretStr(self.ours.private_key), SecretStr(self.ours.passphrase)
        return PgpKey(private_key=private, passphrase=word, signers=self.own.public_key)


@contextmanager
def payer(ours: GpgKey, home: Path) -> Iterator[Payer]:
    """A payer whose keys are in folders below `home`."""
    for folder in ("key", "ring"):
        (home / folder).mkdir()
    try:
        yield Payer(ours, gpg_key(home / "key", passphrase="its own"), home / "ring")
    finally:
        subprocess.run(["gpgconf", "--homedir", home / "ring", "--kill", "all"], check=False, capture_output=True)


def write_cclf(files: dict[str, list[str]], to: Path, payer: Payer, year: int = 25) -> None:
    stamp = f"{year}.D{year}0110.T1200000"
    archive = cclf_zip(files, stamp, cclf_statistics(files, year))
    (to / f"P.A9999.ACO.ZCY{stamp}").write_bytes(payer.sealed(archive))


def text_of(rows: Sequence[Row], columns: Sequence[str] = (), quoting: Any = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(
        out, columns or list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n", quoting=quoting
    )
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _zipped(to: Path, name: str, rows: Sequence[Row]) -> None:
    """One of DE-SynPUF's zips, with its one file."""
    with zipfile.ZipFile(to / f"{name}.zip", "w") as archive:
        archive.writestr(f"{name}.csv", text_of(rows))


def write_beneficiaries(world: World, to: Path, sample: int = 1, year: int = 2010) -> None:
    """DE-SynPUF's summary of a year, as far as anything is made of it."""
    people = [
        {
            "DESYNPUF_ID": p.id,
            "BENE_BIRTH_DT": f"{p.born:%Y%m%d}",
            "BENE_DEATH_DT": f"{p.died:%Y%m%d}" if p.died else "",
            "BENE_SEX_IDENT_CD": {"male": 1, "female": 2}[p.sex],
            "BENE_RACE_CD": {"white": 1, "black or african american": 2, "other": 3, None: 5}[p.race],
            "SP_STATE_CODE": STATES[p.state][0].lstrip("0"),
        }
        for p in world.people
    ]
    _zipped(to, f"DE1_0_{year}_Beneficiary_Summary_File_Sample_{sample}", people)


def write_desynpuf(world: World, to: Path, sample: int = 1) -> None:
    """DE-SynPUF's zips, each with one file; amounts are written as short as they may be."""
    write_beneficiaries(world, to, sample)

    def claim(bill: Bill, codes: int) -> Row:
        diagnoses = {f"ICD9_DGNS_CD_{n}": "" for n in range(1, codes + 1)}
        diagnoses |= {f"ICD9_DGNS_CD_{n}": code for n, code in enumerate(bill.diagnoses, 1)}
        days = {"CLM_FROM_DT": f"{bill.first:%Y%m%d}", "CLM_THRU_DT": f"{bill.last:%Y%m%d}"}
        return {"DESYNPUF_ID": bill.person.id, "CLM_ID": bill.id, **days, **diagnoses}

    def carrier(bill: Bill) -> Row:
        row = claim(bill, 8)
        zeros = (
            "LINE_NCH_PMT_AMT",
            "LINE_BENE_PTB_DDCTBL_AMT",
            "LINE_BENE_PRMRY_PYR_PD_AMT",
            "LINE_COINSRNC_AMT",
            "LINE_ALOWD_CHRG_AMT",
        )
        blanks = ("HCPCS_CD", "PRF_PHYSN_NPI", "TAX_NUM", "LINE_ICD9_DGNS_CD", "LINE_PRCSG_IND_CD")
        for n in range(1, 14):
            row |= {f"{name}_{n}": 0 for name in zeros} | {f"{name}_{n}": "" for name in blanks}
        for line in bill.lines:
            row[f"HCPCS_CD_{line.number}"] = line.hcpcs
            row[f"LINE_ICD9_DGNS_CD_{line.number}"] = line.diagnosis
            row[f"LINE_PRCSG_IND_CD_{line.number}"] = line.processing
            row[f"LINE_NCH_PMT_AMT_{line.number}"] = short(line.paid)
            row[f"LINE_ALOWD_CHRG_AMT_{line.number}"] = short(line.allowed)
        return row

    def facility(bill: Bill) -> Row:
        row = claim(bill, 10) | {
            "SEGMENT": 1,
            "PRVDR_NUM": bill.ccn,
            "CLM_PMT_AMT": short(bill.paid),
            "NCH_PRMRY_PYR_CLM_PD_AMT": 0,
            **dict.fromkeys(("AT_PHYSN_NPI", "OP_PHYSN_NPI", "OT_PHYSN_NPI", "ADMTNG_ICD9_DGNS_CD"), ""),
            **{f"HCPCS_CD_{n}": "" for n in range(1, 46)},
            **{f"HCPCS_CD_{line.number}": line.hcpcs for line in bill.lines},
        }
        if bill.kind == "inpatient":
            stay = {"CLM_ADMSN_DT": f"{bill.first:%Y%m%d}", "NCH_BENE_DSCHRG_DT": f"{bill.last:%Y%m%d}"}
            return (
                row | stay | {"CLM_DRG_CD": bill.drg, "NCH_BENE_PTA_COINSRNC_LBLTY_AM": 0, "NCH_BENE_IP_DDCTBL_AMT": 0}
            )
        return row | {"NCH_BENE_PTB_COINSRNC_AMT": 0, "NCH_BENE_PTB_DDCTBL_AMT": 0}

    bills = [carrier(bill) for bill in world.of("professional")]
    half = len(bills) // 2
    _zipped(to, f"DE1_0_2008_to_2010_Carrier_Claims_Sample_{sample}A", bills[:half])
    _zipped(to, f"DE1_0_2008_to_2010_Carrier_Claims_Sample_{sample}B", bills[half:])
    # a claim of more than ten diagnoses goes on in a second row, which has no days
    long = [facility(bill) for bill in world.of("inpatient")]
    rest = (
        long[0]
        | dict.fromkeys(long[0], "")
        | {"DESYNPUF_ID": long[0]["DESYNPUF_ID"], "CLM_ID": long[0]["CLM_ID"], "SEGMENT": 2}
    )
    _zipped(
        to,
        f"DE1_0_2008_to_2010_Inpatient_Claims_Sample_{sample}",
        [*long, rest | {"ICD9_DGNS_CD_1": "2859", "HCPCS_CD_1": "A0425"}],
    )
    _zipped(
        to, f"DE1_0_2008_to_2010_Outpatient_Claims_Sample_{sample}", [facility(bill) for bill in world.of("outpatient")]
    )
    fills = [
        {
            "DESYNPUF_ID": fill.person.id,
            "PDE_ID": fill.id,
            "SRVC_DT": f"{fill.day:%Y%m%d}",
            "PROD_SRVC_ID": "".join(part.zfill(n) for part, n in zip(fill.drug, (5, 4, 2), strict=True)),
            "QTY_DSPNSD_NUM": short(fill.quantity),
            "DAYS_SUPLY_NUM": fill.days,
            "PTNT_PAY_AMT": short(fill.paid),
            "TOT_RX_CST_AMT": short(fill.paid * 2),
        }
        for fill in world.fills
    ]
    _zipped(to, f"DE1_0_2008_to_2010_Prescription_Drug_Events_Sample_{sample}", fills)


RACES = {"white": "white", "black or african american": "black", "other": "other", None: "other"}


def uuid_of(key: str) -> str:
    """What Synthea, whose keys are UUIDs, knows by another key."""
    return str(uuid5(NAMESPACE_OID, key))


def write_synthea(world: World, to: Path) -> None:
    """Synthea's tables of a run, in a folder named for its instant; codes and amounts it has none in common."""
    folder = to / "2026_01_05T10_00_00Z"
    folder.mkdir()
    people = [
        {
            "Id": uuid_of(p.id),
            "BIRTHDATE": p.born,
            "DEATHDATE": p.died or "",
            "FIRST": p.first,
            "LAST": p.last,
            "SUFFIX": "",
            "MARITAL": "",
            "RACE": RACES[p.race],
            "ETHNICITY": "nonhispanic" if p.race else "hispanic",
            "GENDER": p.sex[0].upper(),
            "ADDRESS": "",
            "CITY": "",
            "STATE": STATES[p.state][1],
            "COUNTY": "",
            "ZIP": p.zip5,
            "LAT": "",
            "LON": "",
        }
        for p in world.people
    ]
    claims = [
        {
            "Id": uuid_of(bill.id),
            "PATIENTID": uuid_of(bill.person.id),
            "PROVIDERID": "",
            "PRIMARYPATIENTINSURANCEID": "0",
            **{f"DIAGNOSIS{n}": "195662009" if n == 2 else "" for n in range(1, 9)},  # SNOMED CT
            "APPOINTMENTID": "",
            "SERVICEDATE": f"{bill.first}T23:59:59Z",
            "STATUS1": "",
            "HEALTHCARECLAIMTYPEID1": 1 if bill.kind == "professional" else 2,
        }
        for bill in world.bills
    ]
    lines = [
        {
            "CLAIMID": uuid_of(bill.id),
            "CHARGEID": line.number,
            "TYPE": kind,
            "AMOUNT": line.allowed,
            "FROMDATE": f"{bill.first}T00:00:00Z",
            "TODATE": "1970-01-01T00:00:00Z",
            "PROCEDURECODE": line.hcpcs,
            "UNITS": 1,
            "NOTES": "",
            "PROVIDERID": "",
        }
        for bill in world.bills
        for line in bill.lines
        for kind in ("CHARGE", "PAYMENT")
    ]
    clinic = dict.fromkeys(("ADDRESS", "CITY", "STATE", "STATE_HEADQUARTERED", "ZIP", "LAT", "LON", "PHONE"), "")
    instants = {"START": "2008-01-01T10:00:00Z", "STOP": "2008-01-01T10:15:00Z"}
    visit = dict.fromkeys(
        ("PROVIDER", "PAYER", "TOTAL_CLAIM_COST", "PAYER_COVERAGE", "REASONCODE", "REASONDESCRIPTION")
    )
    visit |= {"Id": "visit", **instants, "PATIENT": uuid_of(world.people[0].id), "ORGANIZATION": "clinic"}
    visit |= {"ENCOUNTERCLASS": "ambulatory", "CODE": "185345009", "DESCRIPTION": "Encounter for symptom"}
    for table, text in {
        "patients": text_of(people),
        "claims": text_of(claims),
        "claims_transactions": text_of(lines),
        "organizations": text_of([{"Id": "clinic", "NAME": "Clinic", **clinic}]),
        "payers": text_of([{"Id": "payer", "NAME": "Payer", **clinic}]),
        "encounters": text_of([visit]),
        "conditions": text_of((), ["START", "STOP", "PATIENT", "ENCOUNTER", "SYSTEM", "CODE", "DESCRIPTION"]),
    }.items():
        (folder / f"{table}.csv").write_text(text)


def write_payer(world: World, to: Path) -> None:
    """A payer's extract, much of which a spreadsheet has had."""

    members = [
        {
            "member": p.id,
            "name": f" {p.last} ",
            "first": p.first,
            "sex": p.sex[0].lower(),
            "dob": us(p.born),
            "dod": us(p.died),
            "race": "Hispanic" if p.race is None else RACES[p.race].title(),
            "state": STATES[p.state][1].upper(),
            "zip": int(f"{p.zip5}{p.zip4}"),
        }
        for p in world.people
    ]
    claims = [
        {
            "claim": bill.id,
            "member": bill.person.id,
            "form": "CMS-1500" if bill.kind == "professional" else "UB-04",
            "dates": f"{us(bill.first)} - {us(bill.last)}",
            "dx": ";".join(map(dotted, bill.diagnoses)),
            "ccn": "" if bill.kind == "professional" else bill.ccn,
            "drg": int(bill.drg) if bill.kind == "inpatient" else "",
            "paid": "" if bill.kind == "professional" else dollars(bill.paid),
        }
        for bill in world.bills
    ]
    lines = [
        {
            "claim": bill.id,
            "line": line.number,
            "cpt": line.hcpcs.lower(),
            "dx": dotted(line.diagnosis) if bill.kind == "professional" else "",
            "allowed": dollars(line.allowed) if bill.kind == "professional" else "",
            "status": line.processing if bill.kind == "professional" else "",
        }
        for bill in world.bills
        for line in bill.lines
    ]
    fills = [
        {
            "rx": fill.id,
            "member": fill.person.id,
            "filled": us(fill.day),
            "ndc": "-".join(fill.drug),
            "qty": f"{fill.quantity:,.3f}",
            "days": fill.days,
            "copay": dollars(fill.paid),
        }
        for fill in world.fills
    ]
    tables: dict[str, list[Row]] = {"members": members, "claims": claims, "lines": lines, "fills": fills}
    for name, rows in tables.items():
        (to / f"{name}_20260105.csv").write_text(text_of(rows, quoting=csv.QUOTE_ALL))
