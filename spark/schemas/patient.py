"""Patients, members, beneficiaries, respondents: the people whom a source's other tables are about.

Names follow The Tuva Project's input layer, `patient`, values FHIR R4 (administrative-gender) and OMB's standards for
race and ethnicity of 1997, which US Core and Tuva use. OMOP CDM 5.4 calls it `person`. Departs: no social security,
licence or passport number, which nothing here needs; CMS's race "Hispanic" is an ethnicity.
"""

from spark.schemas.base import Column, Schema
from spark.schemas.terms import SEX

Patient = Schema(
    name="patient",
    doc="One row per person of a source.",
    key=("patient_id",),
    columns=(
        Column(name="patient_id", required=True, phi="record_number", doc="The source's identifier of the person"),
        Column(
            name="member_id", phi="health_plan_number", doc="Number under which a plan insures the person, as an MBI"
        ),
        Column(name="last_name", phi="name", doc="Last name"),
        Column(name="first_name", phi="name", doc="First name"),
        Column(name="middle_name", phi="name", doc="Middle name or initial"),
        Column(name="name_suffix", phi="name", doc="Suffix, such as Jr."),
        Column(name="sex", values=SEX, doc="male, female, other or unknown (FHIR administrative-gender)"),
        Column(
            name="race",
            values=(
                "american indian or alaska native",
                "asian",
                "black or african american",
                "native hawaiian or other pacific islander",
                "white",
                "other",
                "unknown",
            ),
            doc="Race by OMB's standards of 1997",
        ),
        Column(
            name="ethnicity",
            values=("hispanic or latino", "not hispanic or latino", "unknown"),
            doc="Ethnicity by OMB's standards of 1997",
        ),
        Column(name="marital_status", doc="Marital status, HL7 v3 code: M married, S never married, D, W, …"),
        Column(name="birth_date", type="date", phi="date", doc="Day of birth"),
        Column(name="death_date", type="date", phi="date", doc="Day of death"),
        Column(name="death_flag", type="boolean", doc="Whether the person is known to have died"),
        Column(name="address_line_1", phi="geography", doc="Home address, first line"),
        Column(name="address_line_2", phi="geography", doc="Home address, second line"),
        Column(name="city", phi="geography", doc="City"),
        Column(name="county", phi="geography", doc="County, FIPS code of 5 digits or the name as given"),
        Column(name="state", doc="State or territory, two letters"),
        Column(name="zip_code", phi="geography", doc="Postal code, 12345 or 12345-6789 in the United States"),
        Column(name="country", doc="Country, ISO 3166 two-letter code"),
        Column(name="latitude", type="double", least=-90, most=90, phi="geography", doc="Degrees north"),
        Column(name="longitude", type="double", least=-180, most=180, phi="geography", doc="Degrees east"),
        Column(name="phone", phi="phone", doc="Telephone, ten digits in North America"),
        Column(name="email", phi="email", doc="E-mail address"),
    ),
)
