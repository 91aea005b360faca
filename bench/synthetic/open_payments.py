"""The synthetic outside world of Open Payments, CMS's register of what industry pays in health care, in CMS's layouts.

A `Year` is a program year that evolves from one publication to the next: records come, change, are disputed, vanish
(some for good, some until a later publication). `Year.publish` writes the files of one publication, in one of three
layouts, and says what `current` must have of that year from then on.

    year = Year(seed=1, program=2019, records=200)
    june = year.publish(date(2020, 6, 30), folder, "2016")
    january = year.evolve().publish(date(2021, 1, 22), folder, "2021")
    january.payments, january.products

Layouts, by the program year that each came with. Columns, in their order, are those of real files where there are some:

    2013  research 166: real (PGYR2013 to PGYR2015, P06302016). General 65, ownership 29: as in 2016, but with the
          products' columns of research
    2016  general 75, research 176, ownership 29: real (PGYR2019, P06302020)
    2021  general 91: CMS's data dictionary, in its order. Research 252, ownership 30: the same changes made to 2016's;
          CMS's dictionaries of 2024 have as many fields

Values are quoted, but amounts, counts and what is empty, as in the real rows of PGYR2019. The list of removed records
has four columns; its rows were not seen, and are quoted alike.
"""

import copy
import random
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

Era = Literal["2013", "2016", "2021"]
Kind = Literal["general", "research", "ownership"]
Row = dict[str, Any]

FILES: Mapping[Kind, str] = {"general": "GNRL", "research": "RSRCH", "ownership": "OWNRSHP"}

# --- Layouts --------------------------------------------------------------------------------------

_PAYER = "Applicable_Manufacturer_or_Applicable_GPO_Making_Payment"
_PAYERS = (
    "Submitting_Applicable_Manufacturer_or_Applicable_GPO_Name",
    *(f"{_PAYER}_{part}" for part in ("ID", "Name", "State", "Country")),
)
_OLD_DRUG = "Name_of_Associated_Covered_Drug_or_Biological"
_OLD_NDC = "NDC_of_Associated_Covered_Drug_or_Biological"
_OLD_DEVICE = "Name_of_Associated_Covered_Device_or_Medical_Supply"
_PRODUCT = (
    "Covered_or_Noncovered_Indicator_",
    "Indicate_Drug_or_Biological_or_Device_or_Medical_Supply_",
    "Product_Category_or_Therapeutic_Area_",
    "Name_of_Drug_or_Biological_or_Device_or_Medical_Supply_",
    "Associated_Drug_or_Biological_NDC_",
    "Associated_Device_or_Medical_Supply_PDI_",
)


def _numbered(name: str, last: int) -> list[str]:
    return [f"{name}{n}" for n in range(1, last + 1)]


def _person(of: str, era: Era, address: str) -> list[str]:
    """The columns of a recipient or an investigator, whose names begin with `of`."""
    new = era == "2021" and of != "Physician"
    names = [f"{of}_Profile_ID", *([f"{of}_NPI"] if era == "2021" else [])]
    names += [f"{of}_{part}" for part in ("First_Name", "Middle_Name", "Last_Name", "Name_Suffix")]
    place = f"{address}_" if address != "Recipient" else "Recipient_Primary_"
    names += [f"{place}Business_Street_Address_Line{n}" for n in (1, 2)]
    names += [f"{address}_{part}" for part in ("City", "State", "Zip_Code", "Country", "Province", "Postal_Code")]
    for part in ("Primary_Type", "Specialty"):
        names += _numbered(f"{of}_{part}_", 6) if new else [f"{of}_{part}"]
    return names


def _products(era: Era) -> list[str]:
    if era == "2013":
        return [f"{name}{n}" for name in (_OLD_DRUG, _OLD_NDC, _OLD_DEVICE) for n in range(1, 6)]
    columns = _PRODUCT if era == "2021" else _PRODUCT[:-1]
    return [f"{column}{n}" for n in range(1, 6) for column in columns]


def header(kind: Kind, era: Era) -> list[str]:
    """The columns of a file, in their order."""
    whom = "Covered_Recipient" if era == "2021" else "Physician"
    related = "Product_Indicator" if era == "2013" else "Related_Product_Indicator"
    if kind == "ownership":
        return [
            "Change_Type",
            *_person("Physician", era, "Recipient"),
            *("Record_ID", "Program_Year", "Total_Amount_Invested_USDollars", "Value_of_Interest", "Terms_of_Interest"),
            *_PAYERS,
            "Dispute_Status_for_Publication",
            "Interest_Held_by_Physician_or_an_Immediate_Family_Member",
            "Payment_Publication_Date",
        ]
    entity = ["Noncovered_Recipient_Entity_Name"] if kind == "research" else []
    columns = ["Change_Type", "Covered_Recipient_Type", *entity]
    columns += ["Teaching_Hospital_CCN", "Teaching_Hospital_ID", "Teaching_Hospital_Name"]
    columns += [*_person(whom, era, "Recipient"), *_numbered(f"{whom}_License_State_code", 5)]
    paid = ["Total_Amount_of_Payment_USDollars", "Date_of_Payment"]
    form = "Form_of_Payment_or_Transfer_of_Value"
    if kind == "general":
        return [
            *columns,
            *_PAYERS,
            *paid,
            "Number_of_Payments_Included_in_Total_Amount",
            form,
            "Nature_of_Payment_or_Transfer_of_Value",
            *("City_of_Travel", "State_of_Travel", "Country_of_Travel"),
            "Physician_Ownership_Indicator",
            "Third_Party_Payment_Recipient_Indicator",
            "Name_of_Third_Party_Entity_Receiving_Payment_or_Transfer_of_Value",
            "Charity_Indicator",
            "Third_Party_Equals_Covered_Recipient_Indicator",
            *("Contextual_Information", "Delay_in_Publication_Indicator", "Record_ID"),
            *("Dispute_Status_for_Publication", related),
            *_products(era),
            *("Program_Year", "Payment_Publication_Date"),
        ]
    for n in range(1, 6):
        investigator = f"Principal_Investigator_{n}"
        columns += [f"{investigator}_Covered_Recipient_Type"] if era == "2021" else []
        columns += _person(investigator, era, investigator)
        columns += _numbered(f"{investigator}_License_State_code", 5)
    return [
        *columns,
        *_PAYERS,
        related,
        *_products(era),
        *paid,
        form,
        *_numbered("Expenditure_Category", 6),
        *("Preclinical_Research_Indicator", "Delay_in_Publication_Indicator", "Name_of_Study"),
        *("Dispute_Status_for_Publication", "Record_ID", "Program_Year", "Payment_Publication_Date"),
        *("ClinicalTrials_Gov_Identifier", "Research_Information_Link", "Context_of_Research"),
    ]


REMOVED = ("Change_Type", "Program_Year", "Payment_Type", "Record_ID")
_BARE = {  # columns of which values stand without quotes
    "Total_Amount_of_Payment_USDollars",
    "Number_of_Payments_Included_in_Total_Amount",
    "Total_Amount_Invested_USDollars",
    "Value_of_Interest",
}


# --- Records --------------------------------------------------------------------------------------

_FIRST = ("STEPHEN", "MARIA", "Björk", "CHIARA", "D'ANGELO", "JOSÉ", "LI", "ANNA-LENA")
_LAST = ("BOATRIGHT", "GARCÍA LÓPEZ", "O'NEIL", "MILLER", "VAN DER BERG", "ŠIMŮNEK", "ALBERT", "NG")
_STREETS = ("6 WINDSONG DR", "661 E ALTAMONTE DR", "3100 SW 62ND AVE", 'ONE "OLD" EDMUNDSON PL, REAR')
_CITIES = (
    ("NORTH LITTLE ROCK", "AR", "721"),
    ("Iowa City", "IA", "522"),
    ("BOSTON", "MA", "021"),
    ("SAN JUAN", "PR", "009"),
)
_TYPES = ("Medical Doctor", "Doctor of Dentistry", "Doctor of Osteopathy")
_SPECIALTIES = (
    "Allopathic & Osteopathic Physicians|Internal Medicine|Cardiovascular Disease",
    "Dental Providers|Dentist|Endodontics",
    "Allopathic & Osteopathic Physicians|Colon & Rectal Surgery",
)
_PAYERS_OF = (
    ("100000026244", "Edge Endo LLC", "NM", "United States"),
    ("100000000146", "AstraZeneca Pharmaceuticals LP", "DE", "United States"),
    ("100000486820", "GW Research Limited", None, "Great Britain (Uk)"),
    ("100000005730", "Applied Medical Corporation", "CA", "United States"),
)
_HOSPITALS = (("103301", "8127", "MIAMI CHILDRENS HOSPITAL"), ("160058", "582", "State University Of Iowa"))
_NATURES = ("Food and Beverage", "Consulting Fee", "Gift", "Travel and Lodging", "Royalty or License")
_FORMS = (
    "In-kind items and services",
    "Cash or cash equivalent",
    "Stock, stock option, or any other ownership interest",
)
_KINDS = ("Drug", "Biological", "Device", "Medical Supply")


@dataclass
class Product:
    """A product as it is reported: one without a name is only said to be covered or not."""

    kind: str
    name: str | None
    category: str
    covered: bool
    ndc: tuple[str, str, str] | None
    device: str | None


@dataclass
class Record:
    """What a payer reported. `facts` are columns of the common schema; `more` of Raw alone."""

    facts: Row
    products: list[Product]
    more: dict[str, str | None] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The file that it stands in."""
        kind: Kind = self.facts["payment_type"]
        return kind


def _npi(chance: random.Random) -> str:
    """Ten digits, the last by Luhn over 80840 and the others."""
    digits = f"1{chance.randrange(10**8):08}"
    total = 24  # of the prefix 80840
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 if place % 2 else 2)
        total += doubled - 9 * (doubled > 9)
    return digits + str(-total % 10)


def _place(chance: random.Random) -> Row:
    """An address; one in ten is in Canada."""
    facts: Row = {
        "recipient_address_line_1": chance.choice(_STREETS),
        "recipient_address_line_2": chance.choice((None, None, "SUITE 220")),
    }
    if chance.random() < 0.1:
        here = {"recipient_city": "MONTRÉAL", "recipient_zip_code": "H3A 1B9", "recipient_country": "Canada"}
        return facts | here | {"recipient_state": None}
    city, state, zone = chance.choice(_CITIES)
    code = f"{zone}{chance.randrange(1, 100):02}" + chance.choice(("", f"-{chance.randrange(1, 10_000):04}"))
    here = {"recipient_city": city, "recipient_zip_code": code, "recipient_country": "United States"}
    return facts | here | {"recipient_state": state}


def _who(chance: random.Random, kind: Kind, era_of_practitioners: bool) -> Row:
    """A recipient: a physician or practitioner, a teaching hospital, or, of research, somebody else."""
    person = {
        "recipient_profile_id": str(chance.randrange(10**5, 10**7)),
        "recipient_npi": _npi(chance),
        "recipient_last_name": chance.choice(_LAST),
        "recipient_first_name": chance.choice(_FIRST),
        "recipient_middle_name": chance.choice((None, "W.", "ROSS")),
        "recipient_name_suffix": chance.choice((None, None, None, "JR")),
        "recipient_primary_type": chance.choice(_TYPES),
        "recipient_specialty": chance.choice(_SPECIALTIES),
    }
    ccn, id_, name = chance.choice(_HOSPITALS)
    hospital = {"teaching_hospital_ccn": ccn, "teaching_hospital_id": id_, "recipient_organization_name": name}
    choices: list[tuple[str, Row]] = [("physician", person), ("physician", person), ("teaching hospital", hospital)]
    if era_of_practitioners and kind != "ownership":
        choices.append(("non-physician practitioner", person | {"recipient_primary_type": "Nurse Practitioner"}))
    if kind == "research":
        choices.append(("non-covered entity", {"recipient_organization_name": "WEST BROADWAY CLINIC PC"}))
        choices.append(("non-covered individual", {}))
    what, facts = ("physician", person) if kind == "ownership" else chance.choice(choices)
    return {"recipient_type": what} | facts


def _product(chance: random.Random, number: int) -> Product:
    kind = chance.choice(_KINDS)
    biological = kind in {"Drug", "Biological"}
    widths = chance.choice(((4, 4, 2), (5, 3, 2), (5, 4, 1)))
    ndc = tuple(f"{chance.randrange(1, 10**width):0{width}}" for width in widths)
    return Product(
        kind=kind,
        name=None if chance.random() < 0.1 else f"{kind.upper()} {number} {chance.randrange(100)}",
        category=chance.choice(("CARDIOLOGY", "General Dental and Oral Health", "Oncology, pædiatric")),
        covered=chance.random() < 0.7,
        ndc=ndc if biological else None,  # type: ignore[arg-type]  # three of them
        device=None if biological else f"00{chance.randrange(10**12):012}",
    )


def _record(chance: random.Random, kind: Kind, id_: str, program: int) -> Record:
    payer, name, state, country = chance.choice(_PAYERS_OF)
    amount = Decimal(chance.randrange(0 if kind == "ownership" else 1, 2_000_000)) / 100
    facts: Row = {
        "record_id": id_,
        "program_year": program,
        "payment_type": kind,
        **_who(chance, kind, program >= 2021),
        **_place(chance),
        "manufacturer_id": payer,
        "manufacturer_name": name,
        "manufacturer_state": state,
        "manufacturer_country": country,
        "submitting_manufacturer_name": chance.choice((name, "Parent & Sons, Inc.")),
        "amount": amount,
        "is_disputed": chance.random() < 0.02,
    }
    if kind == "ownership":
        facts |= {
            "interest_value": 2 * amount,
            "interest_terms": chance.choice(("CLASS B COMMON STOCK", "Stock options, vested")),
            "interest_held_by": chance.choice(("Physician Covered Recipient", "Immediate family member")),
        }
        return Record(facts, [])
    facts |= {
        "payment_date": date(program, 1, 1) + timedelta(days=chance.randrange(365)),
        "payment_form": chance.choice(_FORMS),
        "is_delayed": False,
    }
    products = [_product(chance, n) for n in range(1, chance.choice((0, 1, 1, 2, 5)) + 1)]
    if kind == "research":
        trial = chance.choice((None, f"NCT{chance.randrange(10**8):08}"))
        facts |= {"study_name": f"Study of arm {chance.randrange(50)}", "nct_id": trial}
        facts |= {"context": chance.choice((None, "EVOLVE II"))}
        more = {
            "Principal_Investigator_1_Profile_ID": str(chance.randrange(10**6)),
            "Principal_Investigator_1_Last_Name": chance.choice(_LAST),
            "Expenditure_Category1": chance.choice((None, "Patient Care")),
            "Preclinical_Research_Indicator": "No",
        }
        return Record(facts, products, more)
    nature = chance.choice(_NATURES)
    third = chance.choice(("No Third Party Payment", "No Third Party Payment", "Entity"))
    facts |= {
        "payment_nature": nature,
        "payment_count": chance.randrange(1, 13),
        "physician_has_ownership": chance.random() < 0.05,
        "third_party_recipient": third,
        "third_party_name": "Trust of the Hospital" if third == "Entity" else None,
        "is_charity": chance.random() < 0.5 if third == "Entity" else None,
        "context": chance.choice((None, None, 'Dinner, "grand" rounds', "First line\nsecond line")),
    }
    if nature == "Travel and Lodging":
        facts |= {"travel_city": "CHICAGO", "travel_state": "IL", "travel_country": "United States"}
    itself = "No" if third == "Entity" else None
    return Record(facts, products, {"Third_Party_Equals_Covered_Recipient_Indicator": itself})


# --- As a layout says it --------------------------------------------------------------------------

_RECIPIENTS = {
    "physician": "Covered Recipient Physician",
    "non-physician practitioner": "Covered Recipient Non-Physician Practitioner",
    "teaching hospital": "Covered Recipient Teaching Hospital",
    "non-covered entity": "Non-covered Recipient Entity",
    "non-covered individual": "Non-covered Recipient Individual",
}
_PERSONS = {
    "recipient_profile_id": "Profile_ID",
    "recipient_npi": "NPI",
    "recipient_last_name": "Last_Name",
    "recipient_first_name": "First_Name",
    "recipient_middle_name": "Middle_Name",
    "recipient_name_suffix": "Name_Suffix",
    "recipient_primary_type": "Primary_Type",
    "recipient_specialty": "Specialty",
}
_STREET = "Recipient_Primary_Business_Street_Address_Line"
_PLAIN = {
    "record_id": "Record_ID",
    "program_year": "Program_Year",
    "teaching_hospital_ccn": "Teaching_Hospital_CCN",
    "teaching_hospital_id": "Teaching_Hospital_ID",
    "recipient_address_line_1": f"{_STREET}1",
    "recipient_address_line_2": f"{_STREET}2",
    "recipient_city": "Recipient_City",
    "recipient_state": "Recipient_State",
    "recipient_country": "Recipient_Country",
    "manufacturer_id": f"{_PAYER}_ID",
    "manufacturer_name": f"{_PAYER}_Name",
    "manufacturer_state": f"{_PAYER}_State",
    "manufacturer_country": f"{_PAYER}_Country",
    "submitting_manufacturer_name": "Submitting_Applicable_Manufacturer_or_Applicable_GPO_Name",
    "interest_value": "Value_of_Interest",
    "interest_terms": "Terms_of_Interest",
    "interest_held_by": "Interest_Held_by_Physician_or_an_Immediate_Family_Member",
    "payment_date": "Date_of_Payment",
    "payment_count": "Number_of_Payments_Included_in_Total_Amount",
    "payment_form": "Form_of_Payment_or_Transfer_of_Value",
    "payment_nature": "Nature_of_Payment_or_Transfer_of_Value",
    "travel_city": "City_of_Travel",
    "travel_state": "State_of_Travel",
    "travel_country": "Country_of_Travel",
    "physician_has_ownership": "Physician_Ownership_Indicator",
    "third_party_recipient": "Third_Party_Payment_Recipient_Indicator",
    "third_party_name": "Name_of_Third_Party_Entity_Receiving_Payment_or_Transfer_of_Value",
    "is_charity": "Charity_Indicator",
    "is_delayed": "Delay_in_Publication_Indicator",
    "is_disputed": "Dispute_Status_for_Publication",
    "study_name": "Name_of_Study",
    "nct_id": "ClinicalTrials_Gov_Identifier",
}


def _written(value: object) -> str | None:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return f"{value:%m/%d/%Y}" if isinstance(value, date) else None if value is None else str(value)


def _line(record: Record, era: Era, change: str, published: date) -> dict[str, str | None]:
    """The values of a record by the columns of its file."""
    facts, kind = record.facts, record.kind
    said: dict[str, object] = {column: facts.get(name) for name, column in _PLAIN.items()} | record.more
    whom = "Physician" if kind == "ownership" or era != "2021" else "Covered_Recipient"
    for name, part in _PERSONS.items():
        first = "_1" if whom != "Physician" and part in {"Primary_Type", "Specialty"} else ""
        said[f"{whom}_{part}{first}"] = facts.get(name)
    abroad = facts["recipient_country"] != "United States"
    said["Recipient_Postal_Code" if abroad else "Recipient_Zip_Code"] = facts["recipient_zip_code"]
    said["Recipient_Province"] = "QC" if abroad else None
    said["Total_Amount_" + ("Invested_" if kind == "ownership" else "of_Payment_") + "USDollars"] = facts["amount"]
    said["Contextual_Information" if kind == "general" else "Context_of_Research"] = facts.get("context")
    said["Covered_Recipient_Type"] = _RECIPIENTS[facts["recipient_type"]]
    hospital = facts["recipient_type"] == "teaching hospital"
    organization = "Teaching_Hospital_Name" if hospital else "Noncovered_Recipient_Entity_Name"
    said[organization] = facts.get("recipient_organization_name")
    said |= {"Change_Type": change, "Payment_Publication_Date": published}
    said |= _old_products(record) if era == "2013" else _listed_products(record)
    return {column: _written(said.get(column)) for column in header(kind, era)}


def _old_products(record: Record) -> dict[str, object]:
    named = [p for p in record.products if p.name and p.covered]
    drugs = [p for p in named if p.ndc]
    devices = [p for p in named if not p.ndc]
    said: dict[str, object] = {}
    for n, drug in enumerate(drugs, 1):
        said |= {f"{_OLD_DRUG}{n}": drug.name, f"{_OLD_NDC}{n}": _old_ndc(drug)}
    for n, device in enumerate(devices, 1):
        said[f"{_OLD_DEVICE}{n}"] = device.name
    covered = frozenset(p.covered for p in record.products)
    said["Product_Indicator"] = _INDICATORS[covered]
    return said


_INDICATORS = {
    frozenset[bool](): "None",
    frozenset([True]): "Covered",
    frozenset([False]): "Non-covered",
    frozenset([True, False]): "Combination",
}


def _old_ndc(drug: Product) -> str | None:
    """With hyphens or, as in 2013, without."""
    return drug.ndc and ("" if int(drug.ndc[1]) % 2 else "-").join(drug.ndc)


def _listed_products(record: Record) -> dict[str, object]:
    said: dict[str, object] = {"Related_Product_Indicator": bool(record.products)}
    for n, p in enumerate(record.products, 1):
        said[f"{_PRODUCT[0]}{n}"] = "Covered" if p.covered else "Non-Covered"
        if p.name:
            ndc = "-".join(p.ndc) if p.ndc else None
            values = (p.kind, p.category, p.name, ndc, p.device)
            said |= {f"{column}{n}": value for column, value in zip(_PRODUCT[1:], values, strict=True)}
    return said


def _true_products(record: Record, era: Era) -> Iterator[Row]:
    """What the common schema has of the products that a layout shows."""
    id_ = record.facts["record_id"]
    if era != "2013":
        for n, p in enumerate(record.products, 1):
            if p.name:
                yield {
                    "record_id": id_,
                    "product_number": n,
                    "product_type": p.kind.lower(),
                    "product_name": p.name,
                    "product_category": p.category,
                    "is_covered": p.covered,
                    "ndc_code": p.ndc and _eleven(p.ndc),
                    "device_identifier": p.device if era == "2021" else None,
                }
        return
    named = [p for p in record.products if p.name and p.covered]
    for drug in (True, False):
        for n, p in enumerate((p for p in named if bool(p.ndc) is drug), 1 if drug else 6):
            yield {
                "record_id": id_,
                "product_number": n,
                "product_type": "drug" if drug else "device",
                "product_name": p.name,
                "product_category": None,
                "is_covered": True,
                "ndc_code": _eleven(p.ndc) if p.ndc and "-" in (_old_ndc(p) or "") else None,
                "device_identifier": None,
            }


def _eleven(ndc: tuple[str, str, str]) -> str:
    return f"{ndc[0]:0>5}{ndc[1]:0>4}{ndc[2]:0>2}"


# --- A program year -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Publication:
    """The files of one publication, and the rows that `current` has of this program year because of it, by their keys.

    `changes` has the number of records of each change type, also those that were removed or deleted.
    """

    files: tuple[Path, ...]
    payments: dict[str, Row]
    products: dict[tuple[str, int], Row]
    changes: Counter[str]


class Year:
    """A program year as it is reported by now, and as it was published. Equal seeds and calls, equal bytes."""

    def __init__(self, seed: int, program: int, records: int) -> None:
        self.program = program
        self._chance = random.Random(f"open payments {seed} {program}")
        self._next = 10**8 + program * 10**5
        self._records: dict[str, Record] = {}
        self._hidden: set[str] = set()  # may not be published now
        self._shown: dict[str, Record] = {}  # in the last publication
        self._known: set[str] = set()  # reported by then
        self._before = self._shown, self._known  # and those of the one before it
        self._add(records)

    def _add(self, records: int) -> None:
        for _ in range(records):
            kind: Kind = self._chance.choice(("general", "general", "general", "research", "ownership"))
            id_ = str(self._next)
            self._records[id_] = _record(self._chance, kind, id_, self.program)
            if self._chance.random() < 0.04:
                self._hidden.add(id_)
            self._next += self._chance.randrange(1, 50)

    def amend(self, share: float = 0.1) -> "Year":
        """Change a share of the records: most their amount and products, some whether they are disputed."""
        for id_, record in self._records.items():
            turn = self._chance.random()
            if turn < share:
                changed = copy.deepcopy(record)
                if turn < share / 4:
                    changed.facts["is_disputed"] = not record.facts["is_disputed"]
                else:
                    changed.facts["amount"] += Decimal("0.01") + self._chance.randrange(100)
                    changed.products = record.products[1:] if turn < share / 2 else record.products[::-1]
                self._records[id_] = changed
        return self

    def evolve(self) -> "Year":
        """What happens in half a year: new records, changed ones, some deleted, some hidden, some hidden no more."""
        for id_ in list(self._records):
            turn = self._chance.random()
            if id_ in self._hidden:
                self._hidden -= {id_} if turn < 0.5 else set()
            elif turn < 0.02:
                del self._records[id_]
            elif turn < 0.04:
                self._hidden.add(id_)
        self._add(len(self._records) // 20)
        return self.amend()

    def publish(
        self, day: date, folder: Path, era: Era, *, taken: date | None = None, zipped: bool = False, again: bool = False
    ) -> Publication:
        """Write what may be published: three files and, but in the first publication, the list of removed records.

        They stand in a folder of their own, as on CMS's server, or in a zip with a readme. `taken` is the second date
        in newer names. `again` corrects the last publication: both are compared with the one before it.
        """
        if not again:
            self._before = self._shown, self._known
        self._shown = {id_: record for id_, record in self._records.items() if id_ not in self._hidden}
        self._known = self._known | self._records.keys()
        change = {id_: self._change(id_) for id_ in self._shown}
        gone = {
            id_: (record.kind, "REMOVED" if id_ in self._records else "DELETED")
            for id_, record in self._before[0].items()
            if id_ not in self._shown
        }
        stem = f"PGYR{self.program}_P{day:%m%d%Y}" + (f"_{taken:%m%d%Y}" if taken else "")
        texts = {
            f"OP_DTL_{file}_{stem}.csv": _csv(
                header(kind, era),
                (_line(record, era, change[id_], day) for id_, record in self._shown.items() if record.kind == kind),
            )
            for kind, file in FILES.items()
        }
        if self._before[0]:
            removed = ((why, str(self.program), kind.capitalize(), id_) for id_, (kind, why) in gone.items())
            texts[f"OP_REMOVED_DELETED_{stem}.csv"] = _csv(
                REMOVED, (dict(zip(REMOVED, values, strict=True)) for values in removed)
            )
        products = (row for record in self._shown.values() for row in _true_products(record, era))
        return Publication(
            files=_zip(texts, folder, stem) if zipped else _put(texts, folder / f"PGYR{self.program}_P{day:%m%d%y}"),
            payments={id_: _true(record, era, change[id_], day) for id_, record in self._shown.items()},
            products={(row["record_id"], row["product_number"]): row for row in products},
            changes=Counter([*change.values(), *(why for _, why in gone.values())]),
        )

    def _change(self, id_: str) -> str:
        """Against the publication before. One that was reported by then, but not published, is added."""
        shown, known = self._before
        if id_ in shown:
            return "UNCHANGED" if shown[id_] == self._records[id_] else "CHANGED"
        return "ADD" if id_ in known else "NEW"


def _true(record: Record, era: Era, change: str, day: date) -> Row:
    """What the common schema has of a payment that a layout shows; what is not named is null."""
    facts = record.facts | {"change_type": change, "publication_date": day}
    if era != "2021":
        facts["recipient_npi"] = None
    if record.kind != "ownership":
        facts["is_product_related"] = bool(record.products)
    return facts


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, str | None]]) -> str:
    """Texts in quotes; amounts, counts and what is empty without."""
    lines = ([_cell(row[column], quoted=column not in _BARE) for column in columns] for row in rows)
    return "".join(",".join(line) + "\n" for line in (columns, *lines))


def _cell(value: str | None, *, quoted: bool) -> str:
    if value is None:
        return ""
    return '"' + value.replace('"', '""') + '"' if quoted else value


def _put(texts: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return tuple(folder / name for name in texts)


def _zip(texts: Mapping[str, str], folder: Path, stem: str) -> tuple[Path, ...]:
    readme = {f"OP_{stem.partition('_P')[0]}_README.txt": "Readme"}
    path = folder / f"{stem}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**texts, **readme}.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 1, 21, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return (path,)
