"""NPPES: how its columns become those of a provider."""

from collections.abc import Callable

from spark.mapping import Expression, Mapping, code, date, either, npi, phone, state, text, zip_code

PRACTICE = "provider_business_practice_location_address"
COUNTRY = f"{PRACTICE}_country_code_if_outside_u_s"  # filled in also for the United States


def at_home(column: str, reading: Callable[[str], Expression]) -> Expression:
    """A reading for the United States; what stands in an address elsewhere stays as it is."""
    return either(f"{text(COUNTRY)} <> 'US'", Expression(text(column), text(column)), reading(column))


NAME = "concat_ws(' ', concat(provider_last_name_legal_name, ','), provider_first_name, provider_middle_name)"

TO_PROVIDER = Mapping(
    columns={
        "npi": npi("npi"),
        "entity_type": code("entity_type_code", {"1": "individual", "2": "organization"}),
        "name": text(f"if(entity_type_code = '2', provider_organization_name_legal_business_name, {NAME})"),
        "last_name": text("provider_last_name_legal_name"),
        "first_name": text("provider_first_name"),
        "middle_name": text("provider_middle_name"),
        "credential": text("provider_credential_text"),
        "organization_name": text("provider_organization_name_legal_business_name"),
        "parent_organization_name": text("parent_organization_lbn"),
        "sex": code("coalesce(provider_sex_code, provider_gender_code)", {"M": "male", "F": "female", "X": "other"}),
        "primary_taxonomy_code": text(
            "CASE 'Y' "
            + " ".join(
                f"WHEN healthcare_provider_primary_taxonomy_switch_{i} THEN healthcare_provider_taxonomy_code_{i}"
                for i in range(1, 16)
            )
            + " END"
        ),
        "practice_address_line_1": text("provider_first_line_business_practice_location_address"),
        "practice_address_line_2": text("provider_second_line_business_practice_location_address"),
        "practice_city": text(f"{PRACTICE}_city_name"),
        "practice_state": at_home(f"{PRACTICE}_state_name", state),
        "practice_zip_code": zip_code(f"{PRACTICE}_postal_code", country=COUNTRY),
        "practice_country": text(COUNTRY),
        "practice_phone": at_home(f"{PRACTICE}_telephone_number", phone),
        "enumeration_date": date("provider_enumeration_date", "MM/dd/yyyy"),
        "last_updated": date("last_update_date", "MM/dd/yyyy"),
        "certification_date": date("certification_date", "MM/dd/yyyy"),
    },
    deleted="nullif(npi_deactivation_date, '') IS NOT NULL AND nullif(npi_reactivation_date, '') IS NULL",
    optional=("provider_sex_code", "provider_gender_code", "certification_date"),
)
GONE = Mapping(columns={"npi": npi("npi")}, deleted="true")
