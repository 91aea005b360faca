"""Synthea: made-up patients with all of their care and its bills (public, from the MITRE Corporation's generator).

A run of the generator writes a CSV file for every table, into one folder or, where it is so configured, into one named
for the instant. It makes a whole population, which replaces the one before. Commas inside values are left out by
Synthea. Columns came with versions: patients have 25 or 28, newer conditions name the code's system.

A claim is of an encounter or of one prescription, and does not say which: a prescription's is professional too, and
medications.csv tells of it a second time. So there are no pharmacy claims here, and medications stay in Raw. Of the
transactions only charges are lines: a payment does not say which charge it pays. A line's code is of SNOMED CT, CVX or
RxNorm, and nothing says of which. Providers stay in Raw: a provider's key is its NPI, and theirs, which only newer
versions have, are made up. An uninsured patient's payer is 0; a line that has no end ends in 1970. Days are UTC's.

Source: MITRE, "CSV File Data Dictionary" of Synthea's wiki, and CSVExporter, CSVConstants and HealthRecord of its code.
"""

from spark.checks import Checks
from spark.mapping import Mapping, code, date, instant, money, phone, quantity, sex, state, text, unless, zip_code
from spark.readers import Csv
from spark.schemas import Claim, ClaimLine, Diagnosis, Encounter, Organization, Patient
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

TABLES = (
    *("allergies", "careplans", "claims", "claims_transactions", "conditions", "devices", "encounters"),
    *("imaging_studies", "immunizations", "medications", "observations", "organizations", "patient_expenses"),
    *("patients", "payer_transitions", "payers", "procedures", "providers", "supplies"),
)
NEEDED = ("patients", "encounters", "conditions", "claims", "claims_transactions", "organizations", "payers")

SYNTHEA = Source(
    slug="synthea",
    at="synthea",
    deliveries=(
        Delivery(
            kind="full",
            names=r"(.*/)?(?P<date>\d{4}_\d\d_\d\dT\d\d_\d\d_\d\dZ)/(?P<dataset>\w+)\.csv",
            dated="%Y_%m_%dT%H_%M_%SZ",
            key="%Y-%m-%dT%H%M%S",
            expected=tuple(rf".*/{table}\.csv" for table in NEEDED),
        ),
        Delivery(kind="full", names=r"(?P<dataset>\w+)\.csv", expected=tuple(rf"{table}\.csv" for table in NEEDED)),
    ),
    datasets={table: Dataset(reader=Csv()) for table in TABLES},
    absent="deleted",  # a run makes other people than the one before
    phi="no",
)

ANY_SIZE = Checks(fewer=1, more=None)  # how many people a run makes is whoever's wish who runs it

DAY, SECOND = "yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss'Z'"

TO_PATIENT = Mapping(
    columns={
        "patient_id": text("id"),
        "last_name": text("last"),
        "first_name": text("first"),
        "middle_name": text("middle"),
        "name_suffix": text("suffix"),
        "sex": sex("gender"),
        "race": code(
            "race",
            {
                "white": "white",
                "black": "black or african american",
                "asian": "asian",
                "native": "american indian or alaska native",
                "hawaiian": "native hawaiian or other pacific islander",
                "other": "other",
            },
        ),
        "ethnicity": code("ethnicity", {"hispanic": "hispanic or latino", "nonhispanic": "not hispanic or latino"}),
        "marital_status": text("marital"),
        "birth_date": date("birthdate", DAY),
        "death_date": date("deathdate", DAY),
        "death_flag": f"{text('deathdate')} IS NOT NULL",
        "address_line_1": text("address"),
        "city": text("city"),
        "county": f"coalesce({text('fips')}, {text('county')})",
        "state": state("state"),
        "zip_code": zip_code("zip"),
        "latitude": text("lat"),
        "longitude": text("lon"),
    },
    optional=("middle", "fips"),
)

TO_ORGANIZATION = {
    "organizations": Mapping(
        columns={
            "organization_id": text("id"),
            "name": text("name"),
            "type": "'prov'",
            "address_line_1": text("address"),
            "city": text("city"),
            "state": state("state"),
            "zip_code": zip_code("zip"),
            "latitude": text("lat"),
            "longitude": text("lon"),
            "phone": phone("phone"),
        }
    ),
    "payers": Mapping(
        columns={
            "organization_id": text("id"),
            "name": text("name"),
            "type": "'pay'",
            "address_line_1": text("address"),
            "city": text("city"),
            "state": state("state_headquartered"),
            "zip_code": zip_code("zip"),
            "phone": phone("phone"),
        },
        where="name <> 'NO_INSURANCE'",
    ),
}

TO_ENCOUNTER = Mapping(
    columns={
        "encounter_id": text("id"),
        "patient_id": text("patient"),
        "encounter_class": code(  # as Synthea itself writes them in FHIR
            "encounterclass",
            dict.fromkeys(("ambulatory", "outpatient", "wellness", "urgentcare"), "AMB")
            | {"emergency": "EMER", "virtual": "VR"}
            | dict.fromkeys(("home", "hospice"), "HH")
            | dict.fromkeys(("inpatient", "snf"), "IMP"),
        ),
        "encounter_type_code": text("code"),
        "encounter_type": text("description"),
        "encounter_start_date": date("start", SECOND),
        "encounter_end_date": date("stop", SECOND),
        "encounter_start": instant("start"),
        "encounter_end": instant("stop"),
        "attending_provider_id": text("provider"),
        "facility_id": text("organization"),
        "payer": text("payer"),
        "primary_diagnosis_code_type": f"CASE WHEN {text('reasoncode')} IS NOT NULL THEN 'snomed-ct' END",
        "primary_diagnosis_code": text("reasoncode"),
        "primary_diagnosis_description": text("reasondescription"),
        "charge_amount": money("total_claim_cost"),
        "paid_amount": money("payer_coverage"),
    }
)

TO_CLAIM = Mapping(
    columns={
        "claim_id": text("id"),
        "claim_type": code("healthcareclaimtypeid1", {"1": "professional", "2": "institutional"}),
        "patient_id": text("patientid"),
        "encounter_id": text("appointmentid"),
        "payer": unless("primarypatientinsuranceid", "0"),
        "claim_status": text("status1"),
        "claim_start_date": date("servicedate", SECOND),
        "diagnosis_code_type": f"CASE WHEN {text('diagnosis1')} IS NOT NULL THEN 'snomed-ct' END",
        "principal_diagnosis_code": text("diagnosis1"),
        "billing_provider_id": text("providerid"),
    }
)

TO_CLAIM_LINE = Mapping(
    columns={
        "claim_id": text("claimid"),
        "claim_line_number": text("chargeid"),
        "claim_line_start_date": date("fromdate", SECOND),
        "claim_line_end_date": date(unless("todate", "1970-01-01T00:00:00Z"), SECOND),
        "procedure_code": text("procedurecode"),
        "procedure_description": text("notes"),
        "service_unit_quantity": quantity("units"),
        "rendering_provider_id": text("providerid"),
        "charge_amount": money("amount"),
    },
    where="type = 'CHARGE'",
)

TO_DIAGNOSIS = {
    "claims": Mapping(
        each=f"array({', '.join(f'diagnosis{n}' for n in range(1, 9))})",
        where=f"{text('_each')} IS NOT NULL",
        columns={
            "diagnosis_id": f"concat({text('id')}, '-', _position)",
            "patient_id": text("patientid"),
            "encounter_id": text("appointmentid"),
            "claim_id": text("id"),
            "diagnosis_rank": "_position",
            "diagnosis_type": "if(_position = 1, 'principal', 'other')",
            "source_code_type": "'snomed-ct'",
            "source_code": text("_each"),
            "recorded_date": date("servicedate", SECOND),
        },
    ),
    "conditions": Mapping(
        columns={
            "diagnosis_id": f"concat({text('patient')}, '-', {text('encounter')}, '-', {text('code')}, '-', start)",
            "patient_id": text("patient"),
            "encounter_id": text("encounter"),
            "diagnosis_type": "'problem'",
            "source_code_type": code(
                "coalesce(system, 'SNOMED-CT')",
                dict.fromkeys(("SNOMED-CT", "http://snomed.info/sct"), "snomed-ct"),
            ),
            "source_code": text("code"),
            "source_description": text("description"),
            "status": f"if({text('stop')} IS NULL, 'active', 'resolved')",
            "onset_date": date("start", DAY),
            "resolved_date": date("stop", DAY),
        },
        optional=("system",),
    ),
}


@ingest(SYNTHEA)
def synthea(drop: Drop) -> None:
    """Bring a run of Synthea, a population, into the lake."""
    landed = transfer(drop)
    parts = unwrap(landed)
    raw = convert(parts)
    profile(raw)
    publish(transform(raw, to=Patient, by={"patients": TO_PATIENT}, checks=ANY_SIZE))
    publish(transform(raw, to=Organization, by=TO_ORGANIZATION, checks=ANY_SIZE))
    publish(transform(raw, to=Encounter, by={"encounters": TO_ENCOUNTER}, checks=ANY_SIZE))
    publish(transform(raw, to=Claim, by={"claims": TO_CLAIM}, checks=ANY_SIZE))
    publish(transform(raw, to=ClaimLine, by={"claims_transactions": TO_CLAIM_LINE}, checks=ANY_SIZE))
    publish(transform(raw, to=Diagnosis, by=TO_DIAGNOSIS, checks=ANY_SIZE))
