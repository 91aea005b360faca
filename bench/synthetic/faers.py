"""Synthetic FAERS: quarters of FDA's adverse event reports, in the layout of each era, and what they come to.

    world = World(seed=1)
    world.add("2012q3", cases=200)
    world.add("2012q4", cases=200, follow_ups=30)
    world.add("2019q1", cases=200, follow_ups=30, deleted=10)
    path = world.write("2012q3", folder)  # aers_ascii_2012q3.zip
    world.correct("2012q4")  # some reports differ, one is gone: to be written again
    world.truth()

Headers are those of FDA's files of 2004q1 and 2017q2, of 2010 as public code quotes them, and what is said of 2012q4;
between 2012q4 and 2014q2 they lack what "ASC_NTS" (June 2016) marks as new in 2014q3. What is known to be wrong with
real quarters is here in every quarter of its era, a record or a few of each kind; see `World.add`.

    python -m bench.synthetic.faers --cases 20000 --seed 1 --out FOLDER 2012q3 2012q4 2014q3
"""

import random
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from spark.schemas import (
    AdverseEvent,
    AdverseEventDrug,
    AdverseEventIndication,
    AdverseEventOutcome,
    AdverseEventReaction,
    Schema,
)

Row = Mapping[str, str]
"""A record's values by their names of 2014q3 and after, or their old names where there are none."""

TABLES = ("DEMO", "DRUG", "INDI", "OUTC", "REAC", "RPSR", "THER")


def _split(line: str) -> tuple[str, ...]:
    return tuple(line.split("$"))


_OLD = {
    "DEMO": "ISR$CASE$I_F_COD$FOLL_SEQ$IMAGE$EVENT_DT$MFR_DT$FDA_DT$REPT_COD$MFR_NUM$MFR_SNDR$AGE$AGE_COD$GNDR_COD"
    "$E_SUB$WT$WT_COD$REPT_DT$OCCP_COD$DEATH_DT$TO_MFR$CONFID",
    "DRUG": "ISR$DRUG_SEQ$ROLE_COD$DRUGNAME$VAL_VBM$ROUTE$DOSE_VBM$DECHAL$RECHAL$LOT_NUM$EXP_DT$NDA_NUM",
    "INDI": "ISR$DRUG_SEQ$INDI_PT",
    "OUTC": "ISR$OUTC_COD",
    "REAC": "ISR$PT",
    "RPSR": "ISR$RPSR_COD",
    "THER": "ISR$DRUG_SEQ$START_DT$END_DT$DUR$DUR_COD",
}
_NEW = {
    "DEMO": "primaryid$caseid$caseversion$i_f_code$event_dt$mfr_dt$init_fda_dt$fda_dt$rept_cod$auth_num$mfr_num"
    "$mfr_sndr$lit_ref$age$age_cod$age_grp$sex$e_sub$wt$wt_cod$rept_dt$to_mfr$occp_cod$reporter_country$occr_country",
    "DRUG": "primaryid$caseid$drug_seq$role_cod$drugname$prod_ai$val_vbm$route$dose_vbm$cum_dose_chr$cum_dose_unit"
    "$dechal$rechal$lot_num$exp_dt$nda_num$dose_amt$dose_unit$dose_form$dose_freq",
    "INDI": "primaryid$caseid$indi_drug_seq$indi_pt",
    "OUTC": "primaryid$caseid$outc_cod",
    "REAC": "primaryid$caseid$pt$drug_rec_act",
    "RPSR": "primaryid$caseid$rpsr_cod",
    "THER": "primaryid$caseid$dsg_drug_seq$start_dt$end_dt$dur$dur_cod",
}
_SINCE_2014Q3 = {"auth_num", "lit_ref", "age_grp", "prod_ai", "drug_rec_act"}
_ONLY_2012Q4 = {"rept_dt": " rept_dt", "lot_num": "lot_nbr", "outc_cod": "outc_code"}
_NAMES = {
    **{"isr": "primaryid", "case": "caseid", "i_f_cod": "i_f_code", "gndr_cod": "sex", "outc_code": "outc_cod"},
    **{"lot_nbr": "lot_num", "indi_drug_seq": "drug_seq", "dsg_drug_seq": "drug_seq", " rept_dt": "rept_dt"},
}


def is_old(key: str) -> bool:
    """Whether a quarter, such as 2012q3, is of the time of ISR numbers."""
    return key < "2012q4"


def header(table: str, key: str) -> tuple[str, ...]:
    """The names of a table's columns in a quarter."""
    if is_old(key):
        late = ("REPORTER_COUNTRY",) if table == "DEMO" and key >= "2005q3" else ()
        return _split(_OLD[table]) + late
    names = _split(_NEW[table])
    if key < "2014q3":
        names = tuple("gndr_cod" if name == "sex" else name for name in names if name not in _SINCE_2014Q3)
    return tuple(_ONLY_2012Q4.get(name, name) for name in names) if key == "2012q4" else names


def zip_name(key: str) -> str:
    """The name of a quarter's zip; the Q is a capital in some."""
    prefix = "aers" if is_old(key) else "faers"
    return f"{prefix}_ascii_{key.upper() if key >= '2018q1' else key}.zip"


def member(table: str, key: str) -> str:
    """The name of a table's file in the zip."""
    folder, quarter = "ASCII" if key >= "2018q1" else "ascii", key[2:].upper()
    more = "_new" if (table, key) == ("DEMO", "2018q1") else ""
    return f"{folder}/{table}{quarter}{more}.{'TXT' if is_old(key) else 'txt'}"


def deleted_name(key: str) -> str:
    """The name of a quarter's list of deleted cases, since 2019q1."""
    quarter = key[2:].upper()
    if key < "2020q4":
        folder = "deleted" if key < "2020q1" else "DELETED" if key < "2020q3" else "Deleted"
        return f"{folder}/ADR{quarter}DeletedCases.txt"
    return f"Deleted/{quarter}DeletedCases.txt" if key < "2021q4" else f"Deleted/DELETE{quarter}.txt"


@dataclass(frozen=True)
class Report:
    """A version of a case: the rows that it has in each table."""

    case: str
    number: str
    version: int
    rows: Mapping[str, tuple[Row, ...]]

    @property
    def demo(self) -> Row:
        """The first of its rows of DEMO; there is a second one only where it contradicts itself."""
        return self.rows["DEMO"][0]


@dataclass(frozen=True)
class Quarter:
    """What a quarter says; `deleted` None where it has no list. Sets of report numbers say what is wrong with which.

    Of `glued` reports two drugs stand on one line, of `broken` ones a drug stands on two; `split` ones have a `$` in
    MFR_NUM, `nameless` ones no CASE.
    """

    key: str
    reports: tuple[Report, ...]
    deleted: tuple[str, ...] | None = None
    glued: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    split: frozenset[str] = frozenset()
    nameless: frozenset[str] = frozenset()

    @property
    def rejected(self) -> dict[str, int]:
        """Records that have a wrong number of fields, by table, where there are any."""
        return dict(+Counter({"DRUG": len(self.glued) + 2 * len(self.broken), "DEMO": len(self.split)}))

    @property
    def records(self) -> dict[str, int]:
        """Records of each table's file, rejected ones among them."""
        found = Counter({table: sum(len(r.rows[table]) for r in self.reports) for table in TABLES})
        found["DRUG"] += len(self.broken) - len(self.glued)
        return dict(found)


@dataclass
class World:
    """Reports that come in quarter by quarter, each quarter's a function of the seed and of those before."""

    seed: int = 1
    quarters: dict[str, Quarter] = field(default_factory=dict)

    def add(self, key: str, *, cases: int, follow_ups: int = 0, deleted: int = 0) -> Quarter:
        """A new quarter: new cases, `follow_ups` to cases of quarters before and `deleted` ones of these.

        What is wrong in old ones: every row ends with a `$` more than the header, one line in a hundred with LF alone;
        a case in ten has a second version in the quarter; one report each is glued, broken, split and nameless. In
        2012q4 two drugs have quotes in their names and one report contradicts itself. Everywhere: NUL in a text, a byte
        of Latin-1, a reaction said twice, an age that is no number, dates that are partial or mean nothing. A list of
        deletions repeats some cases, names some that nobody has seen, and may begin with a blank line.
        """
        rng = random.Random(f"{self.seed}-{key}")
        known = self._known()
        old, first = is_old(key), 4_000_000 + 1_000_000 * len(self.quarters) + rng.randrange(1000)
        numbers = iter(range(4_200_000 + 1_000_000 * len(self.quarters), 10**9, 7))
        reports = []

        def report(case: str, version: int) -> Report:
            number = str(next(numbers)) if old else f"{case}{version}"
            made = _report(rng, key, case, number, version)
            reports.append(made)
            return made

        for n in range(cases):
            made = report(str(first + 3 * n), 1)
            if old and n % 10 == 9:
                report(made.case, 2)
        chosen = rng.sample(sorted(known), min(follow_ups + deleted, len(known)))
        for case in chosen[:follow_ups]:
            report(case, known[case] + 1)
        quarter = Quarter(key, tuple(reports))
        if old:
            single = [r for r in quarter.reports if r.version == 1 and len(r.rows["DRUG"]) > 1][:4]
            glued, broken, split, nameless = ({r.number} for r in single)
            quarter = replace(quarter, glued=frozenset(glued), broken=frozenset(broken))
            quarter = replace(quarter, split=frozenset(split), nameless=frozenset(nameless))
        if key == "2012q4":
            quarter = replace(quarter, reports=(*reports[:-1], _contradicting(reports[-1])))
        if key >= "2019q1":
            gone = chosen[follow_ups:]
            # some reached FDA in this very quarter, and one was never published
            listed = [*gone, reports[0].case, *gone[:2], str(first - 1)]
            quarter = replace(quarter, deleted=tuple(listed))
        self.quarters[key] = quarter
        return quarter

    def correct(self, key: str) -> Quarter:
        """A quarter as it is published again: every fifth report has other values, the last but one is gone."""
        quarter = self.quarters[key]
        rng = random.Random(f"{self.seed}-{key}-corrected")
        odd = quarter.glued | quarter.broken | quarter.split | quarter.nameless
        reports = [
            _report(rng, key, r.case, r.number, r.version)
            if n % 5 == 1 and r.number not in odd and len(r.rows["DEMO"]) == 1
            else r
            for n, r in enumerate(quarter.reports)
        ]
        del reports[-2]
        self.quarters[key] = replace(quarter, reports=tuple(reports))
        return self.quarters[key]

    def write(self, key: str, folder: Path) -> Path:
        """The quarter's zip, as it now is, in a folder."""
        quarter, path = self.quarters[key], folder / zip_name(key)
        rng = random.Random(f"{self.seed}-{key}-lines")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.doc", b"\xd0\xcf\x11\xe0 readme")
            for table in TABLES:
                archive.writestr(member(table, key), _file(rng, quarter, table))
            stat = member("DEMO", key).replace("DEMO", "STAT").replace("_new", "")
            archive.writestr(stat, "I_F_COD$COUNT\r\nI$1\r\n")
            archive.writestr(f"{stat.partition('/')[0]}/ASC_NTS.{'doc' if is_old(key) else 'pdf'}", b"%PDF-1.4")
            if quarter.deleted is not None:
                first = [" "] if key == "2024q4" else []
                archive.writestr(deleted_name(key), "".join(f"{line}\r\n" for line in [*first, *quarter.deleted]))
                if key == "2019q1":  # a list of all that were deleted before, which lacks some of the quarter's own
                    archive.writestr("deleted/AllDeletedCases.txt", "".join(f"{c}\r\n" for c in quarter.deleted[1:]))
        return path

    def truth(self) -> dict[str, dict[Any, dict[str, Any]]]:
        """Of every common schema, by name, its rows by key, as they are after all quarters: each with all columns."""
        found: dict[str, dict[Any, dict[str, Any]]] = {schema.name: {} for schema in _SCHEMAS}
        for key in sorted(self.quarters):
            quarter = self.quarters[key]
            read = rows_of(quarter)
            events = found["adverse_event"]
            for event in sorted(read[AdverseEvent.name], key=lambda row: row["case_version"]):
                events[event["case_id"]] = event
            for case in quarter.deleted or ():
                events.pop(case, None)
            for schema in _SCHEMAS[1:]:
                for row in read[schema.name]:
                    found[schema.name][tuple(row[name] for name in schema.key)] = row
        return found

    def _known(self) -> dict[str, int]:
        """Cases that are current, with their latest versions; none of a report that something is wrong with."""
        known: dict[str, int] = {}
        for key in sorted(self.quarters):
            quarter = self.quarters[key]
            for report in quarter.reports:
                if report.number not in quarter.split | quarter.nameless:
                    known[report.case] = report.version
            for case in quarter.deleted or ():
                known.pop(case, None)
        return known


_SCHEMAS = (AdverseEvent, AdverseEventDrug, AdverseEventIndication, AdverseEventReaction, AdverseEventOutcome)

# --- What the rows of a quarter come to -----------------------------------------------------------


def rows_of(quarter: Quarter) -> dict[str, list[dict[str, Any]]]:
    """Rows of every common schema, by its name, that the reports of one quarter come to."""
    rows: dict[str, list[dict[str, Any]]] = {schema.name: [] for schema in _SCHEMAS}
    for report in quarter.reports:
        seen = {table: [_seen(row, table, quarter.key) for row in report.rows[table]] for table in TABLES}
        if report.number not in quarter.split | quarter.nameless:
            rows[AdverseEvent.name].append(_event(seen["DEMO"][0], report, quarter.key))
        lost = 2 if report.number in quarter.glued else 1 if report.number in quarter.broken else 0
        rows[AdverseEventDrug.name] += [_drug(row) for row in seen["DRUG"][lost:]]
        rows[AdverseEventIndication.name] += [
            _full(
                AdverseEventIndication,
                report_id=row["primaryid"],
                drug_sequence=int(row["drug_seq"]),
                indication=row["indi_pt"],
            )
            for row in seen["INDI"]
        ]
        rows[AdverseEventReaction.name] += [
            _full(
                AdverseEventReaction,
                report_id=row["primaryid"],
                reaction=row["pt"],
                recurred=row.get("drug_rec_act") or None,
            )
            for row in seen["REAC"]
        ]
        rows[AdverseEventOutcome.name] += [
            _full(AdverseEventOutcome, report_id=row["primaryid"], outcome=row["outc_cod"]) for row in seen["OUTC"]
        ]
    return rows


def _seen(row: Row, table: str, key: str) -> dict[str, str]:
    """What of a row a quarter's columns show."""
    names = [_NAMES.get(name.lower(), name.lower()) for name in header(table, key)]
    return {name: row.get(name, "").replace("\0", "").strip() for name in names}


def _full(schema: Schema, **values: object) -> dict[str, Any]:
    return {column.name: None for column in schema.columns} | values


def _event(row: Row, report: Report, key: str) -> dict[str, Any]:
    plain = {
        **{"report_type": "rept_cod", "manufacturer_number": "mfr_num", "manufacturer": "mfr_sndr"},
        **{"authority_number": "auth_num", "literature_reference": "lit_ref", "reporter_occupation": "occp_cod"},
        **{"reporter_country": "reporter_country", "event_country": "occr_country"},
    }
    groups = {"N": "neonate", "I": "infant", "C": "child", "T": "adolescent", "A": "adult", "E": "elderly"}
    return _full(
        AdverseEvent,
        case_id=report.case,
        report_id=report.number,
        case_version=int(report.number) if is_old(key) else report.version,
        report_kind={"I": "initial", "F": "follow-up"}[row["i_f_code"]],
        event_date=_partial(row["event_dt"]),
        manufacturer_received_date=_partial(row["mfr_dt"]),
        initial_fda_date=_day(row.get("init_fda_dt", "")),
        fda_date=_day(row["fda_dt"]),
        report_date=_partial(row["rept_dt"]),
        age_years=_measure(row["age"], row["age_cod"], _YEARS, 150),
        age_group=groups.get(row.get("age_grp", "")),
        sex={"M": "male", "F": "female", "UNK": "unknown"}.get(row["sex"]),
        weight_kg=_measure(row["wt"], row["wt_cod"], _KILOGRAMS, 1000),
        is_electronic={"Y": True, "N": False}.get(row["e_sub"]),
        **{name: row.get(column) or None for name, column in plain.items()},
    )


def _drug(row: Row) -> dict[str, Any]:
    plain = {
        **{"role": "role_cod", "drug_name": "drugname", "active_ingredient": "prod_ai", "route": "route"},
        **{"dose": "dose_vbm", "dose_amount": "dose_amt", "dose_unit": "dose_unit", "dose_form": "dose_form"},
        **{"dose_frequency": "dose_freq", "cumulative_dose": "cum_dose_chr", "cumulative_dose_unit": "cum_dose_unit"},
        **{"dechallenge": "dechal", "rechallenge": "rechal", "lot_number": "lot_num", "expiration_date": "exp_dt"},
        **{"application_number": "nda_num"},
    }
    return _full(
        AdverseEventDrug,
        report_id=row["primaryid"],
        drug_sequence=int(row["drug_seq"]),
        is_valid_name={"1": True, "2": False}[row["val_vbm"]],
        **{name: row.get(column) or None for name, column in plain.items()},
    )


_YEARS: dict[str, Callable[[float], float]] = {
    "DEC": lambda n: n * 10,
    "YR": lambda n: n,
    "MON": lambda n: n / 12,
    "WK": lambda n: n * 7 / 365.25,
    "DY": lambda n: n / 365.25,
    "HR": lambda n: n / 8766,
}
_KILOGRAMS: dict[str, Callable[[float], float]] = {
    "KG": lambda n: n,
    "LBS": lambda n: n * 0.45359237,
    "GMS": lambda n: n / 1000,
}


def _measure(amount: str, unit: str, by: Mapping[str, Callable[[float], float]], most: float) -> float | None:
    if not amount.replace(".", "", 1).isdecimal() or unit not in by:
        return None
    value = by[unit](float(amount))
    return value if value <= most else None


def _partial(text: str) -> str | None:
    if not "1800" <= text[:4] <= "2199":
        return None
    return "-".join(filter(None, (text[:4], text[4:6], text[6:])))


def _day(text: str) -> date | None:
    return date(int(text[:4]), int(text[4:6]), int(text[6:])) if text else None


# --- What a report says ---------------------------------------------------------------------------

_NAMES_OF_DRUGS = ("ASPIRIN", "PREDNISONE.", "HUMIRA", "NEVIRAPINE (NEVIRAPINE) (NR)", "VIOXX", "LIPITOR")
_TERMS = ("Nausea", "DIARRHOEA", "Rash", "Off label use", "Headache", "MYDRIASIS", "Drug ineffective")
_REASONS = ("Product used for unknown indication", "BREAST CANCER", "Hypertension", "PAIN")
_FIRMS = ("PFIZER", "BIOVAIL PHARMACEUTICALS INC.", "ELI LILLY AND COMPANY", "JANSSEN")
_COUNTRIES = ("US", "UNITED STATES", "JP", "FR")


def _report(rng: random.Random, key: str, case: str, number: str, version: int) -> Report:
    ids = {"primaryid": number, "caseid": case}
    drugs = [_drug_row(rng, key, ids, n) for n in range(1, rng.choice((1, 1, 2, 3, 4)) + 1)]
    reactions = [{**ids, "pt": term, "drug_rec_act": ""} for term in rng.sample(_TERMS, rng.randint(1, 4))]
    if rng.random() < 0.1:
        reactions[0]["drug_rec_act"] = reactions[0]["pt"]
    if rng.random() < 0.05:
        reactions.append(dict(reactions[-1]))
    reasons = [(drug["drug_seq"], rng.choice(_REASONS)) for drug in drugs if rng.random() < 0.6]
    outcomes = rng.sample(("DE", "LT", "HO", "DS", "CA", "RI", "OT"), rng.choice((0, 1, 1, 2)))
    sources = rng.sample(("FGN", "HP", "CSM", "OTH"), rng.choice((0, 1, 2)))
    therapies = [drug["drug_seq"] for drug in drugs if rng.random() < 0.4]
    return Report(
        case,
        number,
        version,
        {
            "DEMO": (_demo_row(rng, key, ids, version),),
            "DRUG": tuple(drugs),
            "INDI": tuple({**ids, "drug_seq": seq, "indi_pt": term} for seq, term in reasons),
            "OUTC": tuple({**ids, "outc_cod": code} for code in outcomes),
            "REAC": tuple(reactions),
            "RPSR": tuple({**ids, "rpsr_cod": code} for code in sources),
            "THER": tuple({**ids, "drug_seq": seq, "start_dt": _some_day(rng, key)} for seq in therapies),
        },
    )


def _demo_row(rng: random.Random, key: str, ids: Row, version: int) -> Row:
    age, unit = rng.choice(
        (("42", "YR"), ("7", "DEC"), ("30", "MON"), ("5", "WK"), ("11", "DY"), ("36", "HR"), ("6.5", "YR"), ("", ""))
    )
    weight, of = rng.choice((("71", "KG"), ("152", "LBS"), ("3200", "GMS"), ("", ""), ("", "")))
    if rng.random() < 0.005:
        age = "163/6"
    received = _some_day(rng, key)
    return {
        **ids,
        "caseversion": str(version),
        "i_f_code": "I" if version == 1 else "F",
        "foll_seq": "" if version == 1 else str(version - 1),
        "image": f"{ids['primaryid']}-{rng.randrange(10)}",
        "event_dt": rng.choice((received, received[:6], received[:4], "", "")) if rng.random() > 0.01 else "00010101",
        "mfr_dt": rng.choice((received, "")),
        "init_fda_dt": _some_day(rng, key),
        "fda_dt": received,
        "rept_cod": rng.choice(("EXP", "PER", "DIR")),
        "auth_num": rng.choice(("", f"FR-AFSSAPS-{rng.randrange(10**6)}")),
        "mfr_num": f"US-{rng.choice(_FIRMS)}-{rng.randrange(10**8)}",
        "mfr_sndr": rng.choice(_FIRMS),
        "lit_ref": rng.choice(("", "", "", "CASTILLO JJ, REAGAN JL. BR J HAEMATOL. 2015;169(3):352-5")),
        "age": age,
        "age_cod": unit,
        "age_grp": rng.choice(("", "N", "I", "C", "T", "A", "E")),
        "sex": rng.choice(("M", "F", "UNK", "")),
        "e_sub": rng.choice("YN"),
        "wt": weight,
        "wt_cod": of,
        "rept_dt": received,
        "to_mfr": rng.choice(("", "N")),
        "occp_cod": rng.choice(("MD", "PH", "OT", "LW", "CN", "")),
        "confid": rng.choice(("", "N")),
        "reporter_country": rng.choice(_COUNTRIES),
        "occr_country": rng.choice((*_COUNTRIES, "")),
    }


def _drug_row(rng: random.Random, key: str, ids: Row, n: int) -> Row:
    name = rng.choice(_NAMES_OF_DRUGS)
    if key == "2012q4" and rng.random() < 0.02:
        name = rng.choice(('"VITAMINS" (NOS)', 'CATHETER 5" LONG'))
    if rng.random() < 0.02:
        name = "CLORURO DE SODIO SOLUCIÓN"  # the Ó is one byte
    dose = rng.choice(("3600 MG ONCE PO", "25 MG/M2, DAY 1 AND 15", "", ""))
    return {
        **ids,
        "drug_seq": str(1_004_000_000 + rng.randrange(10**6) * 10 + n) if is_old(key) else str(n),
        "role_cod": "PS" if n == 1 else rng.choice(("SS", "C", "I")),
        "drugname": name,
        "prod_ai": name.partition(" ")[0].strip('".'),
        "val_vbm": rng.choice("12"),
        "route": rng.choice(("ORAL", "INTRAVENOUS", "")),
        "dose_vbm": f"{dose}\0" if dose and rng.random() < 0.02 else dose,
        "cum_dose_chr": rng.choice(("", "", "150")),
        "cum_dose_unit": rng.choice(("", "MG")),
        "dechal": rng.choice(("Y", "N", "U", "D", "")),
        "rechal": rng.choice(("Y", "N", "U", "D", "")),
        "lot_num": rng.choice(("", "", f"A{rng.randrange(10**5)}")),
        "exp_dt": rng.choice(("", "", "201507")),
        "nda_num": rng.choice(("", "020272", "17794")),
        "dose_amt": rng.choice(("", "25", "18-54")),
        "dose_unit": rng.choice(("", "MG")),
        "dose_form": rng.choice(("", "TABLETS")),
        "dose_freq": rng.choice(("", "BID", "QD")),
    }


def _some_day(rng: random.Random, key: str) -> str:
    first = date(int(key[:4]), 3 * int(key[5]) - 2, 1)
    return (first + timedelta(days=rng.randrange(89))).strftime("%Y%m%d")


def _contradicting(report: Report) -> Report:
    other = {**report.demo, "mfr_sndr": "SOMEBODY ELSE"}
    return replace(report, rows={**report.rows, "DEMO": (report.demo, other)})


# --- How it is written ----------------------------------------------------------------------------


def _file(rng: random.Random, quarter: Quarter, table: str) -> bytes:
    old, names = is_old(quarter.key), header(table, quarter.key)
    columns = [_NAMES.get(name.lower(), name.lower()) for name in names]
    end = "\n" if quarter.key == "2017q4" else "\r\n"
    text = "$".join(names) + end
    for report in quarter.reports:
        lines = _lines(quarter, report, table, columns)
        for line in lines:
            text += line + ("\n" if old and rng.random() < 0.01 else end)
    return text.encode("latin-1")


def _lines(quarter: Quarter, report: Report, table: str, columns: Sequence[str]) -> Iterable[str]:
    rows = [dict(row) for row in report.rows[table]]
    if table == "DEMO" and report.number in quarter.split:
        rows[0]["mfr_num"] = "JP-CUBIST-$E2B0000000182"
    if table == "DEMO" and report.number in quarter.nameless:
        rows[0]["caseid"] = ""
    if table == "DRUG" and report.number in quarter.broken:
        rows[0]["dose_vbm"] = "250 MG,\nDAILY"
    lines = ["$".join(row.get(column, "") for column in columns) + "$" * is_old(quarter.key) for row in rows]
    if table == "DRUG" and report.number in quarter.glued:
        lines[:2] = ["".join(lines[:2])]
    return lines


def main(
    keys: list[str],
    cases: Annotated[int, typer.Option(help="New cases in each quarter.")],
    out: Annotated[Path, typer.Option(help="Folder for the zips.")],
    seed: int = 1,
) -> None:
    """Write quarters, such as 2012q3, with follow-ups to one case in ten of the first."""
    out.mkdir(parents=True, exist_ok=True)
    world = World(seed=seed)
    for key in sorted(keys):
        world.add(key, cases=cases, follow_ups=cases // 10, deleted=cases // 100)
        typer.echo(world.write(key, out))


if __name__ == "__main__":
    typer.run(main)
