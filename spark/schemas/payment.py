"""Payments by the drug and device industry to those who prescribe and to teaching hospitals.

There is no public model but CMS's own: columns and values are those of the Open Payments files of the layout of 2021
("Open Payments Public Use Files: Methodology Overview and Data Dictionary"), in shorter names. Departs: general,
research and ownership payments are one table, and a payment's up to five products rows of another.
"""

from spark.schemas.base import Column, Schema

Payment = Schema(
    name="payment",
    doc="One row per payment, transfer of value, or interest held.",
    key=("record_id",),
    columns=(
        Column(name="record_id", required=True, doc="The publisher's identifier, the same in every refresh"),
        Column(
            name="program_year", type="int", required=True, least=2013, most=2100, doc="Year that it is reported for"
        ),
        Column(
            name="payment_type",
            required=True,
            values=("general", "research", "ownership"),
            doc="File that it stands in",
        ),
        Column(
            name="change_type",
            values=("NEW", "ADD", "CHANGED", "UNCHANGED"),
            doc="Against the publication before; a change of the dispute's state alone is CHANGED",
        ),
        Column(
            name="recipient_type",
            values=(
                "physician",
                "non-physician practitioner",
                "teaching hospital",
                "non-covered entity",
                "non-covered individual",
            ),
            doc="Who received it; physician in the files on ownership",
        ),
        Column(name="recipient_profile_id", doc="The publisher's identifier of a physician or practitioner"),
        Column(name="recipient_npi", doc="NPI, checked; published since program year 2021"),
        Column(name="recipient_last_name", doc="Last name"),
        Column(name="recipient_first_name", doc="First name"),
        Column(name="recipient_middle_name", doc="Middle name"),
        Column(name="recipient_name_suffix", doc="Suffix"),
        Column(name="recipient_organization_name", doc="Name of a hospital or entity"),
        Column(name="teaching_hospital_id", doc="The publisher's identifier of a teaching hospital"),
        Column(name="teaching_hospital_ccn", doc="Its CMS certification number, 6 characters"),
        Column(name="recipient_primary_type", doc="Such as Medical Doctor"),
        Column(name="recipient_specialty", doc="Specialty, its levels joined by |"),
        Column(name="recipient_address_line_1", doc="Business address, first line"),
        Column(name="recipient_address_line_2", doc="Business address, second line"),
        Column(name="recipient_city", doc="City"),
        Column(name="recipient_state", doc="State or territory, two letters"),
        Column(name="recipient_zip_code", doc="Postal code, 12345 or 12345-6789 in the United States"),
        Column(name="recipient_country", doc="Country as given"),
        Column(name="manufacturer_id", required=True, doc="The publisher's identifier of who paid"),
        Column(name="manufacturer_name", doc="Who paid"),
        Column(name="manufacturer_state", doc="Its state, two letters"),
        Column(name="manufacturer_country", doc="Its country as given"),
        Column(name="submitting_manufacturer_name", doc="Who reported it"),
        Column(
            name="amount",
            type="decimal(18,2)",
            required=True,
            doc="US dollars paid; of an ownership, dollars invested in the year",
        ),
        Column(name="interest_value", type="decimal(18,2)", doc="Of an ownership: value of the interest, US dollars"),
        Column(name="interest_terms", doc="Of an ownership: its terms"),
        Column(
            name="interest_held_by",
            doc="Of an ownership: by the physician or the immediate family, as the publisher says",
        ),
        Column(name="payment_date", type="date", doc="Day of the payment, or of the first of several"),
        Column(name="payment_count", type="int", least=0, doc="Payments in the amount"),
        Column(name="payment_form", doc="Cash, in-kind items, stock, …, in the publisher's words"),
        Column(name="payment_nature", doc="Food and beverage, consulting fee, …, in the publisher's words"),
        Column(name="travel_city", doc="Of travel: city"),
        Column(name="travel_state", doc="Of travel: state"),
        Column(name="travel_country", doc="Of travel: country"),
        Column(
            name="physician_has_ownership", type="boolean", doc="Whether the physician holds an interest in the payer"
        ),
        Column(name="third_party_recipient", doc="Whether a third party received it, in the publisher's words"),
        Column(name="third_party_name", doc="Entity that received it for the recipient"),
        Column(name="is_charity", type="boolean", doc="Whether that entity is a charity"),
        Column(name="context", doc="What the payer says about it"),
        Column(name="is_delayed", type="boolean", doc="Whether publication was delayed for research"),
        Column(name="is_disputed", type="boolean", doc="Whether the recipient disputes it"),
        Column(name="is_product_related", type="boolean", doc="Whether it is related to a product"),
        Column(name="study_name", doc="Of research: name of the study"),
        Column(name="nct_id", doc="Of research: number of the trial at ClinicalTrials.gov"),
        Column(name="publication_date", type="date", doc="Day on which CMS published the file"),
    ),
)

PaymentProduct = Schema(
    name="payment_product",
    doc="One row per product that a payment is related to.",
    key=("record_id", "product_number"),
    columns=(
        Column(name="record_id", required=True, references="payment.record_id", doc="The payment"),
        Column(
            name="product_number", type="int", required=True, least=1, doc="Place among the payment's products, from 1"
        ),
        Column(
            name="product_type",
            values=("drug", "biological", "device", "medical supply"),
            doc="Kind of product; older layouts have it by the column that the name stands in",
        ),
        Column(name="product_name", required=True, doc="Name under which it is marketed"),
        Column(name="product_category", doc="Category or therapeutic area"),
        Column(name="is_covered", type="boolean", doc="Whether Medicare, Medicaid or CHIP may pay for it"),
        Column(name="ndc_code", doc="National Drug Code, 11 digits"),
        Column(name="device_identifier", doc="Primary device identifier (UDI-DI); published since program year 2021"),
    ),
)
