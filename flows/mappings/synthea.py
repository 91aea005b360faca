"""Synthea in the common schemas.

A claim is of an encounter or of one prescription, and does not say which: a prescription's is professional too, and
medications.csv tells of it a second time. So there are no pharmacy claims here, and medications stay in Raw. Of the
transactions only charges are lines: a payment does not say which charge it pays. A line's code is of SNOMED CT, CVX or
RxNorm, and nothing says of which. Providers stay in Raw: a provider's key is its NPI, and theirs, which only newer
versions have, are made up. An uninsured patient's payer is 0; a line that has no end ends in 1970. Days are UTC's.
Commas inside values are left out by Synthea.

Columns came with versions. Patients have 25, or 28 with MIDDLE, FIPS and INCOME; newer conditions name the code's
system.

Source: MITRE, "CSV File Data Dictionary" of Synthea's wiki, and CSVExporter, CSVConstants and HealthRecord of its code.
"""

from spark.mapping import Mapping, code, date, instant, money, phone, quantity, sex, state, text, unless, zip_code

TABLES = (
    *("allergies", "careplans", "claims", "claims_transactions", "conditions", "devices", "encounters"),
    *("imaging_studies", "immunizations", "medications", "observations", "organizations", "patient_expenses"),
    *("patients", "payer_transitions", "payers", "procedures", "providers", "supplies"),
)
NEEDED = ("patients", "encounters", "conditions", "claims", "claims_transactions", "organizations", "payers")
"""The tables of which something is in the common schemas."""

DAY, SECOND = "yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss'Z'"

TO_PATIENT = {
    "patients": Mapping(
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
}

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

TO_ENCOUNTER = {
    "encounters": Mapping(
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
}

TO_CLAIM = {
    "claims": Mapping(
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
}

TO_CLAIM_LINE = {
    "claims_transactions": Mapping(
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
}

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
