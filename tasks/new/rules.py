"""By which words of their names columns are those of a common schema: what `proposal` is made from.

Patterns are sought in a name's words as `spark.recognising` gives them: `BENE_BIRTH_DT` is `beneficiary birth date`. Of
several columns that fit the first is taken, and of several patterns for a column the first that fits any.
"""

PERSON = r"(patient|member|beneficiary|person|subject|enrollee|recipient|participant|respondent|insured|subscriber)"
_ID = r"(id|identification|number|key|code)"

RULES: dict[str, dict[str, tuple[str, ...]]] = {
    "provider": {
        "npi": (r"^(provider |rendering |billing )?npi$", r"^national provider identification$", r"\bnpi$"),
        "entity_type": (r"^(provider )?entity type( code)?$",),
        "last_name": (r"^(provider )?last name( legal name)?$", r"\b(provider|physician|prescriber) .*last name"),
        "first_name": (r"^(provider )?first name$", r"\b(provider|physician|prescriber) .*first name"),
        "middle_name": (r"^(provider )?middle (name|initial)$",),
        "credential": (r"\bcredentials?( text)?$",),
        "organization_name": (r"^(provider )?organization name", r"^(facility|practice|legal business) name"),
        "sex": (r"^(provider )?sex( code)?$",),
        "primary_taxonomy_code": (r"\bprimary taxonomy( code)?$", r"\btaxonomy code( x)?$", r"^taxonomy$"),
        "practice_address_line_1": (r"^(practice |provider )?(street )?address( line)?( one| first)?$",),
        "practice_city": (r"^(practice |provider )?city( name)?$",),
        "practice_state": (r"^(practice |provider )?state( name| code)?$",),
        "practice_zip_code": (r"^(practice |provider )?zip( code)?$",),
        "practice_phone": (r"^(practice |provider )?phone( number)?$",),
        "enumeration_date": (r"\benumeration date$",),
        "last_updated": (r"^last updated?( date)?$",),
    },
    "organization": {
        "organization_id": (rf"^(organization|facility|hospital|payer|plan) {_ID}$", r"^id$", r"^(ccn|oscar)\b"),
        "name": (r"^(organization|facility|hospital|payer|plan) name$", r"^name$"),
        "npi": (r"^(organization |facility )?npi$",),
        "ccn": (r"^(ccn|oscar)\b|\bcertification number$",),
        "address_line_1": (r"^(street )?address( line)?( one| first)?$",),
        "city": (r"^city( name)?$", r"^city town$"),
        "state": (r"^state( code)?$", r"^state headquartered$"),
        "zip_code": (r"^zip( code)?$",),
        "phone": (r"^phone( number)?$",),
    },
    "patient": {
        "patient_id": (
            rf"^{PERSON}( {_ID})?$",
            rf"^(\w+ )?{PERSON} (\w+ )?{_ID}$",
            rf"^{_ID}$",
            r"^(seqn|mrn|mbi|hicn)\b",
        ),
        "member_id": (rf"^(member|subscriber|mbi|medicaid|medicare)( {_ID})?$",),
        "last_name": (rf"^({PERSON} )?last( name)?$",),
        "first_name": (rf"^({PERSON} )?first( name)?$",),
        "middle_name": (rf"^({PERSON} )?middle( name| initial)?$",),
        "sex": (rf"^({PERSON} )?sex( \w+)?( code)?$",),
        "birth_date": (r"\bbirth date\b|\bdate of birth\b|^birthday$", r"^birth$"),
        "death_date": (r"\bdeath date\b|\bdate of death\b",),
        "address_line_1": (rf"^({PERSON} )?(street )?address( line)?( one| first)?$",),
        "city": (rf"^({PERSON} )?city( name)?$",),
        "state": (rf"^({PERSON} )?state( code)?$",),
        "zip_code": (rf"^({PERSON} )?zip( code)?$",),
        "phone": (rf"^({PERSON} )?phone( number)?$",),
        "email": (r"^email\b",),
    },
    "encounter": {
        "encounter_id": (rf"^(encounter|visit|admission)( {_ID})?$", rf"^{_ID}$"),
        "patient_id": (rf"^{PERSON}( {_ID})?$",),
        "encounter_start_date": (r"^(encounter |visit |admission )(start )?(date|datetime)$", r"^start( date| time)?$"),
        "encounter_end_date": (
            r"^(encounter |visit |discharge )(end |stop )?(date|datetime)$",
            r"^(stop|end)( date)?$",
        ),
        "attending_npi": (r"^attending( \w+)? npi$",),
        "facility_npi": (r"^facility npi$",),
        "drg_code": (r"\bdrg\b( code)?$",),
        "charge_amount": (r"^total charges?( amount)?$|^charge amount$",),
        "discharge_disposition_code": (r"^discharge (disposition|status)( code)?$",),
    },
    "claim_line": {
        "claim_id": (rf"^claim( {_ID})?$", r"^claim control number$"),
        "claim_line_number": (r"^(claim |service )?line (number|id)?$", r"^(claim )?line sequence( number)?$"),
        "claim_line_start_date": (r"^(line |service )*(from|begin|start|first)( service)? date$", r"^service date$"),
        "claim_line_end_date": (r"^(line |service )*(to|through|thru|end|last)( service)? date$",),
        "place_of_service_code": (r"^place of service( code)?$",),
        "revenue_center_code": (r"^revenue (center )?code$",),
        "hcpcs_code": (r"^(hcpcs|cpt)( code)?$", r"^procedure code$"),
        "service_unit_quantity": (r"^(service )?units?( quantity| count| billed)?$",),
        "ndc_code": (r"^ndc( code| number)?$",),
        "rendering_npi": (r"^rendering (\w+ )?npi$",),
        "charge_amount": (r"^(line )?(charge|billed|submitted)( charge)?( amount)?$",),
        "allowed_amount": (r"^(line )?allowed( amount)?$",),
        "paid_amount": (r"^(line )?paid( amount)?$",),
    },
    "claim": {
        "claim_id": (rf"^claim( {_ID})?$", r"^claim control number$", rf"^{_ID}$"),
        "patient_id": (rf"^{PERSON}( {_ID})?$", rf"^(\w+ )?{PERSON} (\w+ )?{_ID}$"),
        "claim_start_date": (
            r"^(claim |service |statement )*(from|begin|start|first|fill)( service)? date$",
            r"^service date$|^date of service$|^dispensed date$|^fill date$",
        ),
        "claim_end_date": (r"^(claim |service |statement )*(to|through|thru|end|last)( service)? date$",),
        "admission_date": (r"^(claim )?admission date$",),
        "discharge_date": (r"^discharge date$",),
        "paid_date": (r"^paid date$|^payment date$",),
        "bill_type_code": (r"^(type of bill|bill type)( code)?$",),
        "drg_code": (r"\bdrg\b( code)?$",),
        "billing_npi": (r"^billing (\w+ )?npi$",),
        "facility_npi": (r"^facility npi$",),
        "attending_npi": (r"^attending (\w+ )?npi$",),
        "charge_amount": (r"^(claim )?(total )?(charge|billed)( charge)?( amount)?$",),
        "allowed_amount": (r"^(claim )?(total )?allowed( amount)?$",),
        "paid_amount": (r"^(claim )?(total )?(plan )?(paid|payment)( amount)?$",),
    },
    "drug": {
        "product_id": (r"^product id$",),
        "product_ndc": (r"^product ndc$",),
        "product_type": (r"^product type( name)?$",),
        "proprietary_name": (r"^(proprietary|brand) name$",),
        "nonproprietary_name": (r"^(non ?proprietary|generic) name$",),
        "dosage_form": (r"^dosage form( name)?$",),
        "labeler_name": (r"^labeler name$",),
        "marketing_category": (r"^marketing category( name)?$",),
        "application_number": (r"^application number$",),
        "marketing_start_date": (r"^start marketing date$|^marketing start date$",),
        "marketing_end_date": (r"^end marketing date$|^marketing end date$",),
    },
    "drug_package": {
        "product_id": (r"^product id$",),
        "ndc_code": (r"^ndc package code$",),
        "description": (r"^package description$",),
        "marketing_start_date": (r"^start marketing date$",),
        "marketing_end_date": (r"^end marketing date$",),
    },
}
"""Columns of common schemas by the words that name them; a required column is one without which nothing is proposed."""

LEAST = 4
"""Columns that must be found before a schema is proposed, the required ones among them."""

FIRST = 3
"""Columns among which a table's own key stands, where its name does not say what it is about."""

ABOUT = {
    "pharmacy": r"\b(ndc|days supply|fill number|dispensed|prescription)\b",
    "institutional": r"\b(bill type|type of bill|revenue|admission|discharge|drg)\b",
    "professional": r"\b(place of service|rendering|hcpcs|cpt)\b",
}
"""Types of claims by words in the names of a table's columns; the first that fits."""
