"""Open Payments, in the names of its three layouts, as payments and their products.

What a layout lacks is null there. Principal investigators of research, of whom a payment has up to five, stay in Raw:
who is paid is the hospital, entity or person that the recipient's columns name, which need not be one of them.
"""

from spark.mapping import Expression, Mapping, boolean, code, date, money, ndc, npi, state, text, zip_code
from spark.values import matches

Columns = dict[str, str | Expression]

DAY = "MM/dd/yyyy"
PAYER = "Applicable_Manufacturer_or_Applicable_GPO_Making_Payment"
STREET = "Recipient_Primary_Business_Street_Address"


def first(*columns: str) -> str:
    """The text of the first column that has one: layouts name a thing in columns of their own."""
    return f"coalesce({', '.join(map(text, columns))})"


def drug(column: str) -> Expression:
    """A drug's code; that of 2013 has ten digits without hyphens, which may be any of three codes: it stays in Raw."""
    read = ndc(column)
    return Expression(read.sql, f"CASE WHEN NOT {matches(text(column), '[0-9]{10}')} THEN {read.given} END")


ALL: Columns = {
    "record_id": text("Record_ID"),
    "program_year": text("Program_Year"),
    "change_type": code("Change_Type", {kind: kind for kind in ("NEW", "ADD", "CHANGED", "UNCHANGED")}),
    "recipient_profile_id": text("Physician_Profile_ID"),
    "recipient_npi": npi("Physician_NPI"),
    "recipient_last_name": text("Physician_Last_Name"),
    "recipient_first_name": text("Physician_First_Name"),
    "recipient_middle_name": text("Physician_Middle_Name"),
    "recipient_name_suffix": text("Physician_Name_Suffix"),
    "recipient_primary_type": text("Physician_Primary_Type"),
    "recipient_specialty": text("Physician_Specialty"),
    "recipient_address_line_1": text(f"{STREET}_Line1"),
    "recipient_address_line_2": text(f"{STREET}_Line2"),
    "recipient_city": text("Recipient_City"),
    "recipient_state": state("Recipient_State"),
    "recipient_zip_code": zip_code(first("Recipient_Zip_Code", "Recipient_Postal_Code"), country="Recipient_Country"),
    "recipient_country": text("Recipient_Country"),
    "manufacturer_id": text(f"{PAYER}_ID"),
    "manufacturer_name": text(f"{PAYER}_Name"),
    "manufacturer_state": state(f"{PAYER}_State"),
    "manufacturer_country": text(f"{PAYER}_Country"),
    "submitting_manufacturer_name": text("Submitting_Applicable_Manufacturer_or_Applicable_GPO_Name"),
    "is_disputed": boolean("Dispute_Status_for_Publication"),
    "publication_date": date("Payment_Publication_Date", DAY),
}
"""What all three files have; a physician's columns have been a covered recipient's since 2021, but for ownership."""

PAID: Columns = ALL | {
    "recipient_type": code(
        "Covered_Recipient_Type",
        {
            "Covered Recipient Physician": "physician",
            "Covered Recipient Non-Physician Practitioner": "non-physician practitioner",
            "Covered Recipient Teaching Hospital": "teaching hospital",
            "Non-covered Recipient Entity": "non-covered entity",
            "Non-covered Recipient Individual": "non-covered individual",
        },
    ),
    "recipient_profile_id": first("Covered_Recipient_Profile_ID", "Physician_Profile_ID"),
    "recipient_npi": npi("Covered_Recipient_NPI"),
    "recipient_last_name": first("Covered_Recipient_Last_Name", "Physician_Last_Name"),
    "recipient_first_name": first("Covered_Recipient_First_Name", "Physician_First_Name"),
    "recipient_middle_name": first("Covered_Recipient_Middle_Name", "Physician_Middle_Name"),
    "recipient_name_suffix": first("Covered_Recipient_Name_Suffix", "Physician_Name_Suffix"),
    "recipient_primary_type": first("Covered_Recipient_Primary_Type_1", "Physician_Primary_Type"),
    "recipient_specialty": first("Covered_Recipient_Specialty_1", "Physician_Specialty"),
    "recipient_organization_name": text("Teaching_Hospital_Name"),
    "teaching_hospital_id": text("Teaching_Hospital_ID"),
    "teaching_hospital_ccn": text("Teaching_Hospital_CCN"),
    "amount": money("Total_Amount_of_Payment_USDollars"),
    "payment_date": date("Date_of_Payment", DAY),
    "payment_form": text("Form_of_Payment_or_Transfer_of_Value"),
    "is_delayed": boolean("Delay_in_Publication_Indicator"),
    "is_product_related": boolean(
        first("Related_Product_Indicator", "Product_Indicator"),  # that of 2013 says which kind of product
        yes=("yes", "covered", "non-covered", "combination"),
        no=("no", "none"),
    ),
}

GENERAL: Columns = PAID | {
    "payment_type": "'general'",
    "payment_count": text("Number_of_Payments_Included_in_Total_Amount"),
    "payment_nature": text("Nature_of_Payment_or_Transfer_of_Value"),
    "travel_city": text("City_of_Travel"),
    "travel_state": text("State_of_Travel"),
    "travel_country": text("Country_of_Travel"),
    "physician_has_ownership": boolean("Physician_Ownership_Indicator"),
    "third_party_recipient": text("Third_Party_Payment_Recipient_Indicator"),
    "third_party_name": text("Name_of_Third_Party_Entity_Receiving_Payment_or_Transfer_of_Value"),
    "is_charity": boolean("Charity_Indicator"),
    "context": text("Contextual_Information"),
}

RESEARCH: Columns = PAID | {
    "payment_type": "'research'",
    "recipient_organization_name": first("Teaching_Hospital_Name", "Noncovered_Recipient_Entity_Name"),
    "context": text("Context_of_Research"),
    "study_name": text("Name_of_Study"),
    "nct_id": text("ClinicalTrials_Gov_Identifier"),
}

OWNERSHIP: Columns = ALL | {
    "payment_type": "'ownership'",
    "recipient_type": "'physician'",  # the only ones whose interests are reported
    "amount": money("Total_Amount_Invested_USDollars"),
    "interest_value": money("Value_of_Interest"),
    "interest_terms": text("Terms_of_Interest"),
    "interest_held_by": text("Interest_Held_by_Physician_or_an_Immediate_Family_Member"),
}

PERSON = ("Profile_ID", "First_Name", "Middle_Name", "Last_Name", "Name_Suffix")
OF_AN_ERA = (
    *(f"Physician_{column}" for column in (*PERSON, "Primary_Type", "Specialty")),
    *(f"Covered_Recipient_{column}" for column in (*PERSON, "NPI", "Primary_Type_1", "Specialty_1")),
    *("Product_Indicator", "Related_Product_Indicator"),
)
TO_PAYMENT = {
    "general": Mapping(columns=GENERAL, optional=OF_AN_ERA),
    "research": Mapping(columns=RESEARCH, optional=OF_AN_ERA),
    "ownership": Mapping(columns=OWNERSHIP, optional=("Physician_NPI",)),
    "removed": Mapping(columns={"record_id": text("Record_ID")}, deleted="true"),
}

LISTED = {
    "name": "Name_of_Drug_or_Biological_or_Device_or_Medical_Supply_",
    "type": "Indicate_Drug_or_Biological_or_Device_or_Medical_Supply_",
    "category": "Product_Category_or_Therapeutic_Area_",
    "covered": "Covered_or_Noncovered_Indicator_",
    "ndc": "Associated_Drug_or_Biological_NDC_",
    "device": "Associated_Device_or_Medical_Supply_PDI_",
}
"""What is said of a product since 2016, and the columns that say it, which end in the product's place, 1 to 5."""

OLD_DRUG, OLD_NDC = "Name_of_Associated_Covered_Drug_or_Biological", "NDC_of_Associated_Covered_Drug_or_Biological"
OLD_DEVICE = "Name_of_Associated_Covered_Device_or_Medical_Supply"
PLACES = range(1, 6)


def product(**said: str) -> str:
    """An element of a payment's products; texts or null."""
    fields = (f"'{name}', {said.get(name, 'CAST(NULL AS string)')}" for name in LISTED)
    return f"named_struct({', '.join(fields)})"


PRODUCTS = (
    [product(**{name: f"{column}{n}" for name, column in LISTED.items()}) for n in PLACES]
    + [product(name=f"{OLD_DRUG}{n}", type="'Drug'", covered="'Covered'", ndc=f"{OLD_NDC}{n}") for n in PLACES]
    + [product(name=f"{OLD_DEVICE}{n}", type="'Device'", covered="'Covered'") for n in PLACES]
)

PRODUCT = Mapping(
    each=f"array({', '.join(PRODUCTS)})",
    where=f"{text('_each.name')} IS NOT NULL",  # some are only said to be covered or not
    columns={
        "record_id": text("Record_ID"),
        "product_number": "if(_position > 5, _position - 5, _position)",  # up to 2015 five drugs, then five devices
        "product_type": code(
            "_each.type",  # up to 2015 drugs and biologicals, and devices and supplies, share columns
            {"Drug": "drug", "Biological": "biological", "Device": "device", "Medical Supply": "medical supply"},
        ),
        "product_name": text("_each.name"),
        "product_category": text("_each.category"),
        "is_covered": boolean("_each.covered", yes=["covered"], no=["non-covered"]),
        "ndc_code": drug("_each.ndc"),
        "device_identifier": text("_each.device"),
    },
    optional=tuple(f"{column}{n}" for column in (*LISTED.values(), OLD_DRUG, OLD_NDC, OLD_DEVICE) for n in PLACES),
)
TO_PRODUCT = {"general": PRODUCT, "research": PRODUCT}
