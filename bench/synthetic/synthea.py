"""Synthetic exports of Synthea, week after week, in its layouts, and what the common schemas must have of them.

Headers are Synthea's own, those of patients with 25 columns, or of newer versions with 28 (MIDDLE, FIPS, INCOME);
values are random. What is true is told from people, visits and bills, not from the text that is written of them.
"""

import csv
import io
import random
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]

HEADERS = {
    "patients": "Id,BIRTHDATE,DEATHDATE,SSN,DRIVERS,PASSPORT,PREFIX,FIRST,LAST,SUFFIX,MAIDEN,MARITAL,RACE,ETHNICITY,"
    "GENDER,BIRTHPLACE,ADDRESS,CITY,STATE,COUNTY,ZIP,LAT,LON,HEALTHCARE_EXPENSES,HEALTHCARE_COVERAGE",
    "organizations": "Id,NAME,ADDRESS,CITY,STATE,ZIP,LAT,LON,PHONE,REVENUE,UTILIZATION",
    "payers": "Id,NAME,ADDRESS,CITY,STATE_HEADQUARTERED,ZIP,PHONE,AMOUNT_COVERED,AMOUNT_UNCOVERED,REVENUE,"
    "COVERED_ENCOUNTERS,UNCOVERED_ENCOUNTERS,COVERED_MEDICATIONS,UNCOVERED_MEDICATIONS,COVERED_PROCEDURES,"
    "UNCOVERED_PROCEDURES,COVERED_IMMUNIZATIONS,UNCOVERED_IMMUNIZATIONS,UNIQUE_CUSTOMERS,QOLS_AVG,MEMBER_MONTHS",
    "providers": "Id,ORGANIZATION,NAME,GENDER,SPECIALITY,ADDRESS,CITY,STATE,ZIP,LAT,LON,UTILIZATION",
    "encounters": "Id,START,STOP,PATIENT,ORGANIZATION,PROVIDER,PAYER,ENCOUNTERCLASS,CODE,DESCRIPTION,"
    "BASE_ENCOUNTER_COST,TOTAL_CLAIM_COST,PAYER_COVERAGE,REASONCODE,REASONDESCRIPTION",
    "conditions": "START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION",
    "claims": "Id,PATIENTID,PROVIDERID,PRIMARYPATIENTINSURANCEID,SECONDARYPATIENTINSURANCEID,DEPARTMENTID,"
    "PATIENTDEPARTMENTID,DIAGNOSIS1,DIAGNOSIS2,DIAGNOSIS3,DIAGNOSIS4,DIAGNOSIS5,DIAGNOSIS6,DIAGNOSIS7,DIAGNOSIS8,"
    "REFERRINGPROVIDERID,APPOINTMENTID,CURRENTILLNESSDATE,SERVICEDATE,SUPERVISINGPROVIDERID,STATUS1,STATUS2,STATUSP,"
    "OUTSTANDING1,OUTSTANDING2,OUTSTANDINGP,LASTBILLEDDATE1,LASTBILLEDDATE2,LASTBILLEDDATEP,HEALTHCARECLAIMTYPEID1,"
    "HEALTHCARECLAIMTYPEID2",
    "claims_transactions": "ID,CLAIMID,CHARGEID,PATIENTID,TYPE,AMOUNT,METHOD,FROMDATE,TODATE,PLACEOFSERVICE,"
    "PROCEDURECODE,MODIFIER1,MODIFIER2,DIAGNOSISREF1,DIAGNOSISREF2,DIAGNOSISREF3,DIAGNOSISREF4,UNITS,DEPARTMENTID,NOTES,UNITAMOUNT,"
    "TRANSFEROUTID,TRANSFERTYPE,PAYMENTS,ADJUSTMENTS,TRANSFERS,OUTSTANDING,APPOINTMENTID,LINENOTE,PATIENTINSURANCEID,"
    "FEESCHEDULEID,PROVIDERID,SUPERVISINGPROVIDERID",
}
NEWER = {
    "patients": "Id,BIRTHDATE,DEATHDATE,SSN,DRIVERS,PASSPORT,PREFIX,FIRST,MIDDLE,LAST,SUFFIX,MAIDEN,MARITAL,RACE,"
    "ETHNICITY,GENDER,BIRTHPLACE,ADDRESS,CITY,STATE,COUNTY,FIPS,ZIP,LAT,LON,HEALTHCARE_EXPENSES,HEALTHCARE_COVERAGE,INCOME",
    "conditions": "START,STOP,PATIENT,ENCOUNTER,SYSTEM,CODE,DESCRIPTION",
}

RACES = {
    "white": "white",
    "black": "black or african american",
    "asian": "asian",
    "native": "american indian or alaska native",
    "hawaiian": "native hawaiian or other pacific islander",
    "other": "other",
}
CLASSES = {
    "ambulatory": "AMB",
    "wellness": "AMB",
    "emergency": "EMER",
    "virtual": "VR",
    "home": "HH",
    "inpatient": "IMP",
}
FINDINGS = {
    "195662009": "Acute viral pharyngitis (disorder)",
    "444814009": "Viral sinusitis (disorder)",
    "59621000": "Essential hypertension (disorder)",
    "160903007": "Full-time employment (finding)",
}
SERVICES = {
    "185345009": "Encounter for symptom",
    "430193006": "Medication reconciliation (procedure)",
    "140": "Influenza  seasonal  injectable  preservative free",
}
TOWNS = (("Somerville", "Middlesex County", "25017", "02145"), ("Plymouth", "Plymouth County", "", "02360"))
NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Person:
    """A patient; `married` None where nothing is said."""

    id: str
    first: str
    middle: str
    last: str
    male: bool
    race: str
    hispanic: bool
    married: bool | None
    born: date
    died: date | None
    house: int
    town: int
    latitude: float


@dataclass(frozen=True)
class Charge:
    """A line of a bill; `ended` where it has an end, at the end of the visit."""

    service: str
    amount: Decimal
    units: int
    ended: bool


@dataclass(frozen=True)
class Visit:
    """An encounter, what was found at it, and its bill; `cover` is the number of the payer, None without one."""

    id: str
    bill: str
    person: str
    start: datetime
    minutes: int
    kind: str
    clinic: int
    cover: int | None
    reason: str | None
    problem: str | None
    cured: bool
    coded: tuple[str, ...]
    charges: tuple[Charge, ...]
    covered: Decimal

    @property
    def stop(self) -> datetime:
        """Its end."""
        return self.start + timedelta(minutes=self.minutes)

    @property
    def cost(self) -> Decimal:
        """What all of its lines come to."""
        return sum((charge.amount for charge in self.charges), Decimal("0.00"))


@dataclass(frozen=True)
class Population:
    """What one run of Synthea makes: people and all of their visits, in the layout of patients with so many columns."""

    seed: int
    columns: Literal[25, 28]
    people: tuple[Person, ...]
    visits: tuple[Visit, ...]

    def after(self, seed: int, *, gone: int, new: int, columns: Literal[25, 28]) -> "Population":
        """The next run: without the first `gone` people, with `new` ones, and with what befell the others since."""
        more = population(seed, new, columns)
        stay = self.people[gone:]
        ids = {person.id for person in stay}
        kept = [visit for visit in self.visits if visit.person in ids]
        since = _visits(random.Random(f"{seed} since"), stay, 1)
        people, visits = (*stay, *more.people), (*kept, *since, *more.visits)
        return replace(self, columns=columns, people=people, visits=visits)

    def corrected(self, number: int = 0) -> "Population":
        """The same, but for a bill: its first line costs a cent more, and the others are gone, as is a diagnosis."""
        visit = self.visits[number]
        first = replace(visit.charges[0], amount=visit.charges[0].amount + Decimal("0.01"))
        better = replace(visit, charges=(first,), coded=visit.coded[:1])
        return replace(self, visits=(*self.visits[:number], better, *self.visits[number + 1 :]))


def population(seed: int, people: int, columns: Literal[25, 28] = 25) -> Population:
    """People who were never there before, with three visits each."""
    chance = random.Random(seed)
    made = tuple(_person(chance, f"{seed}x{number}") for number in range(people))
    return Population(seed, columns, made, tuple(_visits(chance, made, 3)))


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128)))


def _person(chance: random.Random, name: str) -> Person:
    born = date(1930, 1, 1) + timedelta(days=chance.randrange(30_000))
    return Person(
        id=_id(chance),
        first=f"Anna{name}",
        middle=chance.choice(["", f"Bé{name}"]),
        last=f"O'Conner{name}",
        male=chance.random() < 0.5,
        race=chance.choice([*RACES]),
        hispanic=chance.random() < 0.2,
        married=chance.choice([None, True, False]),
        born=born,
        died=chance.choice([None, None, date(2025, 1, 1) + timedelta(days=chance.randrange(300))]),
        house=chance.randrange(1, 999),
        town=chance.randrange(len(TOWNS)),
        latitude=chance.randrange(4_200_000_000_000, 4_300_000_000_000) / 1e11,
    )


def _visits(chance: random.Random, people: Iterable[Person], each: int) -> Iterable[Visit]:
    for person in people:
        for _ in range(each):
            charges = tuple(
                Charge(
                    service=chance.choice([*SERVICES]),
                    amount=Decimal(chance.randrange(1, 10**6)).scaleb(-2),
                    units=chance.randrange(1, 4),
                    ended=chance.random() < 0.8,
                )
                for _ in range(chance.randrange(1, 4))
            )
            yield Visit(
                id=_id(chance),
                bill=_id(chance),
                person=person.id,
                start=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(60_000_000)),
                minutes=chance.randrange(15, 3000),
                kind=chance.choice([*CLASSES]),
                clinic=chance.randrange(3),
                cover=chance.choice([None, 0, 1]),
                reason=chance.choice([None, *FINDINGS]),
                problem=chance.choice([None, *FINDINGS]),
                cured=chance.random() < 0.5,
                coded=tuple(chance.sample([*FINDINGS], chance.randrange(4))),
                charges=charges,
                covered=Decimal(chance.randrange(10**4)).scaleb(-2),
            )


def _fixed(kind: str, number: int) -> str:
    """The key of an organization, a payer or a provider: every run has the same ones."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}{number}"))


def _payer(cover: int | None) -> str:
    return NOBODY if cover is None else _fixed("payer", cover)


def _second(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def tables(of: Population) -> dict[str, list[Mapping[str, object]]]:
    """The rows of each table, by the columns that say something."""
    rows: dict[str, list[Mapping[str, object]]] = {name: [] for name in HEADERS}
    for p in of.people:
        town, county, fips, zip_code = TOWNS[p.town]
        rows["patients"].append(
            {"Id": p.id, "BIRTHDATE": p.born, "DEATHDATE": p.died or "", "SSN": "999-17-5017", "FIRST": p.first}
            | {"MIDDLE": p.middle, "LAST": p.last, "RACE": p.race, "GENDER": "M" if p.male else "F"}
            | {"MARITAL": "" if p.married is None else "M" if p.married else "S"}
            | {"ETHNICITY": "hispanic" if p.hispanic else "nonhispanic", "BIRTHPLACE": "Boston  Massachusetts  US"}
            | {"ADDRESS": f"{p.house} Stamm Lock Unit 46", "CITY": town, "STATE": "Massachusetts", "COUNTY": county}
            | {"FIPS": fips, "ZIP": zip_code, "LAT": p.latitude, "LON": -71.15168585038569}
            | {"HEALTHCARE_EXPENSES": "227761.06", "HEALTHCARE_COVERAGE": "2546.04", "INCOME": "56840"}
        )
    for n in range(3):
        clinic = {
            "NAME": f"CLINIC {n}",
            "ADDRESS": f"{n} PARK STREET",
            "CITY": "ATTLEBORO",
            "STATE": "MA",
            "ZIP": "02703",
        }
        clinic |= {"LAT": "41.931653", "LON": "-71.294503"}
        rows["organizations"].append({"Id": _fixed("clinic", n), **clinic, "PHONE": "5082225200"})
        rows["providers"].append({"Id": _fixed("doctor", n), "ORGANIZATION": _fixed("clinic", n), **clinic})
    for n in range(2):
        payer = {"Id": _fixed("payer", n), "NAME": f"Payer {n}", "ADDRESS": "7500 Security Blvd", "CITY": "Baltimore"}
        rows["payers"].append(payer | {"STATE_HEADQUARTERED": "MD", "ZIP": "21244", "PHONE": "1-877-267-2323"})
    rows["payers"].append({"Id": NOBODY, "NAME": "NO_INSURANCE"})
    for v in of.visits:
        said = {"PATIENT": v.person, "START": _second(v.start), "STOP": _second(v.stop), "ENCOUNTERCLASS": v.kind}
        rows["encounters"].append(
            {"Id": v.id, **said, "ORGANIZATION": _fixed("clinic", v.clinic), "PROVIDER": _fixed("doctor", v.clinic)}
            | {"PAYER": _payer(v.cover), "CODE": v.charges[0].service, "DESCRIPTION": SERVICES[v.charges[0].service]}
            | {"BASE_ENCOUNTER_COST": v.charges[0].amount, "TOTAL_CLAIM_COST": v.cost, "PAYER_COVERAGE": v.covered}
            | {"REASONCODE": v.reason or "", "REASONDESCRIPTION": FINDINGS.get(v.reason or "", "")}
        )
        if v.problem:
            rows["conditions"].append(
                {
                    "START": v.start.date(),
                    "STOP": v.stop.date() if v.cured else "",
                    "PATIENT": v.person,
                    "ENCOUNTER": v.id,
                }
                | {"SYSTEM": "http://snomed.info/sct", "CODE": v.problem, "DESCRIPTION": FINDINGS[v.problem]}
            )
        of_bill = {"PATIENTID": v.person, "PROVIDERID": _fixed("doctor", v.clinic), "APPOINTMENTID": v.id}
        rows["claims"].append(
            {"Id": v.bill, **of_bill, "SERVICEDATE": _second(v.start), "STATUS1": "CLOSED"}
            | {"PRIMARYPATIENTINSURANCEID": "0" if v.cover is None else _payer(v.cover), "DEPARTMENTID": 1}
            | {f"DIAGNOSIS{n}": code for n, code in enumerate(v.coded, 1)}
            | {"HEALTHCARECLAIMTYPEID1": 2 if v.kind == "inpatient" else 1, "HEALTHCARECLAIMTYPEID2": 0}
        )
        for number, charge in enumerate(v.charges):
            end = _second(v.stop) if charge.ended else "1970-01-01T00:00:00Z"
            line = {"CLAIMID": v.bill, "CHARGEID": number, **of_bill, "FROMDATE": _second(v.start), "TODATE": end}
            line |= {"PROCEDURECODE": charge.service, "NOTES": SERVICES[charge.service], "UNITS": charge.units}
            for kind in ("CHARGE", "PAYMENT"):
                key = str(uuid.uuid5(uuid.UUID(v.bill), f"{number}{kind}"))
                rows["claims_transactions"].append({"ID": key, **line, "TYPE": kind, "AMOUNT": charge.amount})
    return rows


def texts(of: Population) -> dict[str, str]:
    """The files of a run, by name."""
    headers = HEADERS | (NEWER if of.columns == 28 else {})
    found = {}
    for table, rows in tables(of).items():
        out = io.StringIO()
        columns = headers[table].split(",")
        writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        found[f"{table}.csv"] = out.getvalue()
    return found


def write_zip(of: Population, at: datetime, to: Path, without: str = "") -> Path:
    """A zip of a run's files, but for one, named for the instant `at`."""
    path = to / f"{at:%Y_%m_%dT%H_%M_%SZ}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts(of).items():
            if name != without:
                archive.writestr(name, text)
    return path


def truth(of: Population) -> Mapping[str, Rows]:
    """What `current` has of a run in each common schema, by key: what is not named is null."""
    found: dict[str, Rows] = {
        "patient": {(p.id,): _patient(p, of.columns) for p in of.people},
        "organization": {(row["organization_id"],): row for row in _organizations()},
        **{schema: {} for schema in ("encounter", "claim", "claim_line", "diagnosis")},
    }
    for v in of.visits:
        found["encounter"][v.id,] = _encounter(v)
        of_bill = {"patient_id": v.person, "encounter_id": v.id, "claim_id": v.bill}
        found["claim"][v.bill,] = of_bill | {
            "claim_type": "institutional" if v.kind == "inpatient" else "professional",
            "payer": None if v.cover is None else _payer(v.cover),
            "claim_status": "CLOSED",
            "claim_start_date": v.start.date(),
            "diagnosis_code_type": "snomed-ct" if v.coded else None,
            "principal_diagnosis_code": v.coded[0] if v.coded else None,
            "billing_provider_id": _fixed("doctor", v.clinic),
        }
        for number, charge in enumerate(v.charges):
            found["claim_line"][v.bill, number] = {
                "claim_id": v.bill,
                "claim_line_number": number,
                "claim_line_start_date": v.start.date(),
                "claim_line_end_date": v.stop.date() if charge.ended else None,
                "procedure_code": charge.service,
                "procedure_description": SERVICES[charge.service],
                "service_unit_quantity": Decimal(charge.units),
                "rendering_provider_id": _fixed("doctor", v.clinic),
                "charge_amount": charge.amount,
            }
        for rank, code in enumerate(v.coded, 1):
            found["diagnosis"][f"{v.bill}-{rank}",] = of_bill | {
                "diagnosis_id": f"{v.bill}-{rank}",
                "diagnosis_rank": rank,
                "diagnosis_type": "principal" if rank == 1 else "other",
                "source_code_type": "snomed-ct",
                "source_code": code,
                "recorded_date": v.start.date(),
            }
        if v.problem:
            key = f"{v.person}-{v.id}-{v.problem}-{v.start:%Y-%m-%d}"
            found["diagnosis"][key,] = {
                "diagnosis_id": key,
                "patient_id": v.person,
                "encounter_id": v.id,
                "diagnosis_type": "problem",
                "source_code_type": "snomed-ct",
                "source_code": v.problem,
                "source_description": FINDINGS[v.problem],
                "status": "resolved" if v.cured else "active",
                "onset_date": v.start.date(),
                "resolved_date": v.stop.date() if v.cured else None,
            }
    return found


def _patient(p: Person, columns: int) -> Row:
    town, county, fips, zip_code = TOWNS[p.town]
    return {
        "patient_id": p.id,
        "last_name": p.last,
        "first_name": p.first,
        "middle_name": (columns == 28 and p.middle) or None,
        "sex": "male" if p.male else "female",
        "race": RACES[p.race],
        "ethnicity": "hispanic or latino" if p.hispanic else "not hispanic or latino",
        "marital_status": None if p.married is None else "M" if p.married else "S",
        "birth_date": p.born,
        "death_date": p.died,
        "death_flag": p.died is not None,
        "address_line_1": f"{p.house} Stamm Lock Unit 46",
        "city": town,
        "county": (columns == 28 and fips) or county,
        "state": "MA",
        "zip_code": zip_code,
        "latitude": p.latitude,
        "longitude": -71.15168585038569,
    }


def _organizations() -> Iterable[Row]:
    for n in range(3):
        clinic = {"organization_id": _fixed("clinic", n), "name": f"CLINIC {n}", "type": "prov", "phone": "5082225200"}
        there = {"address_line_1": f"{n} PARK STREET", "city": "ATTLEBORO", "state": "MA", "zip_code": "02703"}
        yield clinic | there | {"latitude": 41.931653, "longitude": -71.294503}
    for n in range(2):
        payer = {"organization_id": _fixed("payer", n), "name": f"Payer {n}", "type": "pay", "phone": "8772672323"}
        yield payer | {"address_line_1": "7500 Security Blvd", "city": "Baltimore", "state": "MD", "zip_code": "21244"}


def _encounter(v: Visit) -> Row:
    return {
        "encounter_id": v.id,
        "patient_id": v.person,
        "encounter_class": CLASSES[v.kind],
        "encounter_type_code": v.charges[0].service,
        "encounter_type": SERVICES[v.charges[0].service],
        "encounter_start_date": v.start.date(),
        "encounter_end_date": v.stop.date(),
        "encounter_start": v.start,
        "encounter_end": v.stop,
        "attending_provider_id": _fixed("doctor", v.clinic),
        "facility_id": _fixed("clinic", v.clinic),
        "payer": _payer(v.cover),
        "primary_diagnosis_code_type": "snomed-ct" if v.reason else None,
        "primary_diagnosis_code": v.reason,
        "primary_diagnosis_description": FINDINGS[v.reason] if v.reason else None,
        "charge_amount": v.cost,
        "paid_amount": v.covered,
    }
