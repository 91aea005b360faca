"""Synthetic institutional claims, in Raw and in Transformed, of any number and with what is wrong in such files.

Columns of Raw are those of CMS's claim and claim line feed, part A header (CCLF1), as of its information packet 36;
their values are random. Everything about a claim is a pure function of its number and version, by tables of texts
beside what they mean: what a transform must come to is so known without one, and rows can be made in any order.

Of a drop's raw rows one in a hundred repeats another and one in 250 lacks what is required; one NPI in a hundred has a
wrong check digit, two days in a thousand are none. Keys of claims that were there from the start are even, so that
new ones may fall between them.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark.mapping import (
    Mapping,
    bill_type,
    code,
    drg,
    either,
    icd9cm,
    icd10cm,
    money,
    npi,
    text,
    unless,
)
from spark.mapping import date as day
from spark.schemas import Claim

Pattern = Literal["clustered", "uniform"]
Numbers = npt.NDArray[np.int64]

DROP, FILE = "2026-01", "P.A0001.ACO.ZC1Y26.D260110.T1200000"
CHUNK = 250_000  # rows made at once: some 150 MB
FIRST_KEY = 10**12  # a claim's number has 13 digits
CHANGED = 0.7  # share of an increment's rows that are of keys which exist
RECENT = 0.02  # share of all keys, the last, that a clustered increment changes some of
_STEP = 2_147_483_647  # a prime larger than any number of rows: multiples of it visit every row once


class Values(NamedTuple):
    """Texts that a column of Raw may have, and beside each what it means, None where it means nothing."""

    texts: pa.Array
    meanings: pa.Array


CODES = {
    "clm_adjsmt_type_cd": {"0": "original", "1": "cancellation", "2": "adjustment"},
    "dgns_prcdr_icd_ind": {"0": "icd-10-cm", "9": "icd-9-cm"},
}
NPIS = {
    "facility_npi": "fac_prvdr_npi_num",
    "billing_npi": "clm_blg_prvdr_npi_num",
    "attending_npi": "atndg_prvdr_npi_num",
    "operating_npi": "oprtg_prvdr_npi_num",
    "other_npi": "othr_prvdr_npi_num",
}
DAYS = {"claim_start_date": "clm_from_dt", "claim_end_date": "clm_thru_dt", "paid_date": "clm_efctv_dt"}
TEXTS = {
    "claim_id": "cur_clm_uniq_id",
    "claim_type_code": "clm_type_cd",
    "patient_id": "bene_mbi_id",
    "payer": "clm_cntrctr_num",
    "claim_control_number": "clm_cntl_num",
    "admit_source_code": "clm_admsn_src_cd",
    "admit_type_code": "clm_admsn_type_cd",
    "discharge_disposition_code": "bene_ptnt_stus_cd",
    "ccn": "prvdr_oscar_num",
}
AMOUNTS = {"charge_amount": "clm_mdcr_instnl_tot_chrg_amt", "paid_amount": "clm_pmt_amt"}
BILL = ("clm_bill_fac_type_cd", "clm_bill_clsfctn_cd", "clm_bill_freq_cd")
NO_DAYS = ("2023-02-30", "00000000", "13/14/2023", "2023")
ICD9 = "dgns_prcdr_icd_ind = '9'"

TO_CLAIM = Mapping(
    columns={
        **{column: text(raw) for column, raw in TEXTS.items()},
        **{column: npi(raw) for column, raw in NPIS.items()},
        **{column: day(unless(raw, "~", "9999-12-31"), "yyyy-MM-dd") for column, raw in DAYS.items()},
        **{column: money(raw) for column, raw in AMOUNTS.items()},
        "claim_type": "'institutional'",
        "adjustment_type": code("clm_adjsmt_type_cd", CODES["clm_adjsmt_type_cd"]),
        "bill_type_code": bill_type(f"concat({', '.join(BILL)})"),
        "drg_code_type": f"CASE WHEN {text('dgns_drg_cd')} IS NOT NULL THEN 'ms-drg' END",
        "drg_code": drg("dgns_drg_cd"),
        "diagnosis_code_type": code("dgns_prcdr_icd_ind", CODES["dgns_prcdr_icd_ind"]),
        "principal_diagnosis_code": either(ICD9, icd9cm("prncpl_dgns_cd"), icd10cm("prncpl_dgns_cd")),
        "admitting_diagnosis_code": either(ICD9, icd9cm("admtg_dgns_cd"), icd10cm("admtg_dgns_cd")),
    }
)
"""How Raw becomes claims: 27 columns of 27 of 45."""

UNUSED = {
    "bene_hic_num": 50_000,
    "clm_mdcr_npmt_rsn_cd": 8,
    "clm_nch_prmry_pyr_cd": 5,
    "prvdr_fac_fips_st_cd": 52,
    "clm_op_srvc_type_cd": 4,
    "clm_idr_ld_dt": 1_500,
    "bene_eqtbl_bic_hicn_num": 50_000,
    "clm_query_cd": 5,
    "clm_mdcr_ip_pps_cptl_ime_amt": 20_000,
    "clm_oprtnl_ime_amt": 20_000,
    "clm_mdcr_ip_pps_dsprprtnt_amt": 20_000,
    "clm_hipps_uncompd_care_amt": 20_000,
    "clm_oprtnl_dsprprtnt_amt": 20_000,
    "clm_blg_prvdr_oscar_num": 6_000,
    "clm_oprtg_prvdr_npi_num": 20_000,
    "clm_atndg_prvdr_npi_num": 20_000,
    "clm_othr_prvdr_npi_num": 20_000,
    "clm_org_cntl_num": 50_000,
}
"""Columns of Raw that nobody asks for, and how many different texts each has."""

RAW = pa.schema(
    [
        ("_drop", pa.string()),
        ("_file", pa.string()),
        ("_record", pa.int64()),
        *((name, pa.string()) for name in (*TEXTS.values(), *NPIS.values(), *DAYS.values(), *AMOUNTS.values())),
        *((name, pa.string()) for name in (*BILL, *CODES, "dgns_drg_cd", "prncpl_dgns_cd", "admtg_dgns_cd")),
        *((name, pa.string()) for name in UNUSED),
    ]
)


def raw(rows: int) -> Iterator[pa.Table]:
    """A drop's rows as Raw has them, in no order; the last hundredth of them repeat the first."""
    for place, keys in _delivered(rows):
        columns: dict[str, object] = {name: _texts(name, keys) for name in RAW.names[3:]}
        origin = {"_drop": pa.repeat(DROP, len(keys)), "_file": pa.repeat(FILE, len(keys)), "_record": place + 1}
        yield pa.table(origin | columns, schema=RAW)


def held(rows: int) -> int:
    """How many of the rows of `raw` lack what is required."""
    required = (TEXTS["patient_id"], DAYS["claim_start_date"])
    lacks = (pc.or_(*(pc.is_null(_meanings(name, keys, 0)) for name in required)) for _, keys in _delivered(rows))
    return sum(pc.sum(rows_lack).as_py() for rows_lack in lacks)


def _delivered(rows: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Places of raw rows, from 0, and the keys that stand there."""
    claims = rows - rows // 100
    for start in range(0, rows, CHUNK):
        place = np.arange(start, min(start + CHUNK, rows), dtype=np.int64)
        yield place, _keys(_shuffled(np.where(place < claims, place, place - claims), claims))


def transformed(claims: int) -> Iterator[pa.Table]:
    """What the rows of `raw` with so many different claims must become, sorted by key."""
    for start in range(0, claims, CHUNK):
        keys = _keys(np.arange(start, min(start + CHUNK, claims), dtype=np.int64))
        yield _claims(keys, DROP, version=0)


def increment(pattern: Pattern, number: int, claims: int, rows: int) -> pa.Table:
    """Rows in Transformed of the increment of this number, from 1, on `claims` claims, sorted by key.

    Seven in ten rows change a claim, the others are new. `clustered`: those that change are among the last fiftieth,
    and new ones come after all. `uniform`: both are anywhere. A claim that changes has other amounts, another day of
    payment and is an adjustment. Rows of claims that lack what is required are left out.
    """
    changed, new = _chosen(pattern, number, claims, rows)
    return _claims(np.sort(np.concatenate([changed, new])), f"increment-{number:03}", version=number)


def superseded(pattern: Pattern, claims: int, rows: int) -> pa.Table:
    """What the first increment changes, as it was before."""
    return _claims(_chosen(pattern, 1, claims, rows)[0], DROP, version=0)


def _chosen(pattern: Pattern, number: int, claims: int, rows: int) -> tuple[Numbers, Numbers]:
    """Keys that an increment changes, and those that it adds."""
    rng = np.random.default_rng(number)
    changed = round(rows * CHANGED)
    new = rows - changed
    added = np.arange((number - 1) * new, number * new, dtype=np.int64)
    if pattern == "uniform":
        return _keys(_sample(rng, claims, changed)), _keys(_shuffled(added, claims)) + 1
    there = claims + (number - 1) * new
    recent = max(changed, round(there * RECENT))
    return _keys(there - recent + _sample(rng, recent, changed)), _keys(claims + added)


def _sample(rng: np.random.Generator, among: int, count: int) -> Numbers:
    return np.sort(rng.choice(among, count, replace=False)).astype(np.int64)


def _keys(places: Numbers) -> Numbers:
    return FIRST_KEY + 2 * places


def _shuffled(places: Numbers, among: int) -> Numbers:
    return (places * _STEP + among // 2) % among


# --- a claim ----------------------------------------------------------------------------------------------


def _claims(keys: Numbers, drop: str, version: int) -> pa.Table:
    """Claims in Transformed, but those that lack what is required."""
    count = len(keys)
    columns: dict[str, pa.Array] = {
        "_source": pa.repeat("bench", count),
        "_drop": pa.repeat(drop, count),
        "_file": pa.repeat(FILE, count),
        "_record": pa.array(np.arange(1, count + 1)),
        "_deleted": pa.repeat(False, count),
        "claim_type": pa.repeat("institutional", count),
    }
    for column, name in (TEXTS | NPIS | DAYS | AMOUNTS | _CODED).items():
        columns[column] = _meanings(name, keys, version)
    if version:
        columns["adjustment_type"] = pa.repeat("adjustment", count)
    drg_given = pc.is_valid(_meanings("dgns_drg_cd", keys, version))
    columns["drg_code_type"] = pc.if_else(drg_given, "ms-drg", pa.scalar(None, pa.string()))
    columns["bill_type_code"] = pc.binary_join_element_wise(*(_meanings(n, keys, version) for n in BILL), "")
    for unsaid in Claim.arrow.names:
        columns.setdefault(unsaid, pa.nulls(count))
    arrow = Claim.arrow
    table = pa.table({name: columns[name].cast(arrow.field(name).type) for name in arrow.names}, schema=arrow)
    required = [pc.is_valid(table[column.name]) for column in Claim.columns if column.required]
    fits = required[0]
    for condition in required[1:]:
        fits = pc.and_(fits, condition)
    return table.filter(fits)


_CODED = {
    "adjustment_type": "clm_adjsmt_type_cd",
    "drg_code": "dgns_drg_cd",
    "diagnosis_code_type": "dgns_prcdr_icd_ind",
    "principal_diagnosis_code": "prncpl_dgns_cd",
    "admitting_diagnosis_code": "admtg_dgns_cd",
}
_VERSIONED = {*AMOUNTS.values(), "clm_efctv_dt"}  # what an adjustment changes, beside saying that it is one
_TOGETHER = {  # chosen by one number
    "clm_thru_dt": "clm_from_dt",
    "prncpl_dgns_cd": "dgns_prcdr_icd_ind",
    "admtg_dgns_cd": "dgns_prcdr_icd_ind",
}


def _texts(name: str, keys: Numbers) -> pa.Array:
    if name in _OF_THE_KEY:
        return _OF_THE_KEY[name](keys)
    values = _values(name)
    return values.texts.take(pa.array(_drawn(name, keys, 0) % len(values.texts)))


def _meanings(name: str, keys: Numbers, version: int) -> pa.Array:
    if name in _OF_THE_KEY:
        return _OF_THE_KEY[name](keys)
    values = _values(name)
    at = _drawn(name, keys, version if name in _VERSIONED else 0) % len(values.texts)
    return values.meanings.take(pa.array(at))


def _drawn(name: str, keys: Numbers, version: int) -> Numbers:
    """A number at random for each key, from the column's name, the key and its version, by SplitMix64."""
    salt = RAW.names.index(_TOGETHER.get(name, name)) * 0xD1B54A32D192ED03 + version * 0xA0761D6478BD642F
    x = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


_OF_THE_KEY: dict[str, Callable[[Numbers], pa.Array]] = {
    "cur_clm_uniq_id": lambda keys: pa.array(keys).cast(pa.string()),
    "clm_cntl_num": lambda keys: pa.array(10**17 + _drawn("clm_cntl_num", keys, 0) % 10**17).cast(pa.string()),
}


@cache
def _values(name: str) -> Values:
    rng = np.random.default_rng(RAW.names.index(name))
    match name:
        case "clm_type_cd":
            return _same(["10", "20", "30", "40", "50", "60", "61"])
        case "bene_mbi_id":  # one in 500 has none
            return _same([*(_mbi(n) for n in range(99_800)), *[""] * 200])
        case "clm_cntrctr_num":
            return _same([f"{n:05}" for n in range(5001, 15002, 625)])
        case "clm_admsn_src_cd":
            return _same(["1", "2", "4", "5", "6", "", ""])
        case "clm_admsn_type_cd":
            return _same(["1", "2", "3", "5", "9", "", ""])
        case "bene_ptnt_stus_cd":
            return _same(["01", "02", "03", "06", "20", "30", "50", "62"])
        case "prvdr_oscar_num":
            return _same([f"{n:06}" for n in range(10_001, 670_000, 110)])
        case "dgns_drg_cd":
            return _pairs([(f"{n:04}", f"{n:03}") for n in range(1, 990)] + [("", None)] * 300)
        case _ if name in BILL:
            return _same(list({BILL[0]: "1234578", BILL[1]: "1234", BILL[2]: "0123457"}[name]))
        case "clm_adjsmt_type_cd":
            return _pairs(list(CODES[name].items()))
        case "dgns_prcdr_icd_ind" | "prncpl_dgns_cd" | "admtg_dgns_cd":
            return _pairs(_diagnoses()[name])
        case _ if name in NPIS.values():
            return _pairs(_npis(rng))
        case _ if name in DAYS.values():
            return _pairs(_days(name))
        case _ if name in AMOUNTS.values():
            return _pairs(_amounts(rng))
    return _same(
        [f"{n:09}"[: 2 if count < 100 else 9] for count in [UNUSED[name]] for n in rng.integers(0, 10**9, count)]
    )


def _same(texts: Sequence[str]) -> Values:
    return _pairs([(value, value or None) for value in texts])


def _pairs(pairs: Sequence[tuple[str, object]]) -> Values:
    return Values(pa.array([one for one, _ in pairs]), pa.array([meaning for _, meaning in pairs]))


def _mbi(number: int) -> str:
    """Eleven characters of a Medicare beneficiary's shape, without a person."""
    return f"1S{number % 10}{chr(65 + number // 10 % 8)}J{number // 80 % 10}K{number // 800:03}Z"


def _npis(rng: np.random.Generator) -> list[tuple[str, object]]:
    """20,000 numbers, of which 200 have a wrong check digit and 800 are blank."""
    pairs: list[tuple[str, object]] = []
    for number in rng.choice(9 * 10**8, 20_000, replace=False) + 10**8:
        nine = str(number)
        nine = f"1{nine[1:]}"
        doubled = [int(c) * (2 if n % 2 == 0 else 1) for n, c in enumerate(nine)]
        check = -(24 + sum(n // 10 + n % 10 for n in doubled)) % 10
        pairs.append((f"{nine}{check}", f"{nine}{check}"))
    wrong = [(f"{one[:9]}{(int(one[9]) + 1) % 10}", None) for one, _ in pairs[:200]]
    return [*wrong, *[("", None)] * 800, *pairs[1000:]]


def _days(name: str) -> list[tuple[str, object]]:
    """Every day of 2020 to 2025; claims end within a fortnight. Two in a thousand are written so that they are none."""
    first = date(2020, 1, 1)
    lasted = 5 if name == "clm_thru_dt" else 0
    days = [first + timedelta(days=n + n * lasted % 14) for n in range(2192)]
    pairs: list[tuple[str, object]] = [(f"{one}", one) for one in days]
    if name == "clm_efctv_dt":
        pairs += [("9999-12-31", None), ("~", None)] * 100
    return [*pairs, *((value, None) for value in NO_DAYS)]


def _amounts(rng: np.random.Generator) -> list[tuple[str, object]]:
    """50,000 amounts, of which one in a hundred is negative and one in 500 is no number."""
    cents = np.round(np.exp(rng.normal(13.5, 1.4, 50_000))).astype(np.int64) * np.where(
        rng.random(50_000) < 0.01, -1, 1
    )
    pairs: list[tuple[str, object]] = [(f"{n:017.2f}", n) for n in (Decimal(int(c)) / 100 for c in cents[100:])]
    return [*pairs, *[("N/A", None)] * 100]


@cache
def _diagnoses() -> dict[str, list[tuple[str, object]]]:
    """ICD version and two codes of that version; with the dot or without, in either case."""
    rng = np.random.default_rng(7)
    found: dict[str, list[tuple[str, object]]] = {"dgns_prcdr_icd_ind": [], "prncpl_dgns_cd": [], "admtg_dgns_cd": []}
    for number in range(20_000):
        nine = number % 20 == 0
        found["dgns_prcdr_icd_ind"].append(("9", "icd-9-cm") if nine else ("0", "icd-10-cm"))
        for name in ("prncpl_dgns_cd", "admtg_dgns_cd"):
            head, tail = f"{rng.integers(1, 1000):03}", f"{rng.integers(0, 100):02}"
            if not nine:
                head = f"{'ABCDEFGHIJKLMNOPQRSTVWXYZ'[rng.integers(0, 25)]}{rng.integers(0, 100):02}"
            written = f"{head}.{tail}" if number % 3 == 0 else f"{head}{tail}"
            written = written.lower() if number % 5 == 0 else written
            given: tuple[str, object] = (written, f"{head}{tail}") if rng.random() < 0.995 else ("#", None)
            found[name].append(given)
    return found
