"""Providers: who may bill, and where they practise.

Names and values follow Tuva's terminology model `provider` (thetuvaproject.com); `sex` FHIR's administrative gender.
State, postal code and telephone have one form in the United States, as whoever joins by them needs it; what stands in
an address elsewhere stays as it is.
"""

from spark.schemas.base import Column, Schema
from spark.schemas.terms import SEX

Provider = Schema(
    name="provider",
    doc="One row per National Provider Identifier.",
    key=("npi",),
    columns=(
        Column(name="npi", required=True, doc="National Provider Identifier, 10 digits, checked"),
        Column(
            name="entity_type", required=True, values=("individual", "organization"), doc="individual or organization"
        ),
        Column(name="name", required=True, doc="Last, first middle; or the organization's legal name"),
        Column(name="last_name", doc="Legal last name of an individual"),
        Column(name="first_name", doc="Legal first name of an individual"),
        Column(name="middle_name", doc="Middle name or initial of an individual"),
        Column(name="credential", doc="Credentials as the provider writes them, such as M.D."),
        Column(name="organization_name", doc="Legal business name of an organization"),
        Column(name="parent_organization_name", doc="Legal business name of a subpart's parent"),
        Column(name="sex", values=SEX, doc="male, female, other or unknown (FHIR administrative-gender)"),
        Column(name="primary_taxonomy_code", doc="NUCC provider taxonomy code marked as primary"),
        Column(name="practice_address_line_1", doc="Practice location, first line"),
        Column(name="practice_address_line_2", doc="Practice location, second line"),
        Column(name="practice_city", doc="Practice location, city"),
        Column(name="practice_state", doc="Practice location, two letters in the United States, elsewhere as given"),
        Column(
            name="practice_zip_code",
            doc="Practice location, 12345 or 12345-6789 in the United States, elsewhere as given",
        ),
        Column(name="practice_country", doc="Practice location, ISO 3166 two-letter code"),
        Column(
            name="practice_phone", doc="Practice location, telephone, ten digits in North America, elsewhere as given"
        ),
        Column(name="enumeration_date", type="date", doc="Day on which the identifier was assigned"),
        Column(name="last_updated", type="date", doc="Day on which the provider's record last changed"),
        Column(name="certification_date", type="date", doc="Day on which the provider last certified the record"),
    ),
)
