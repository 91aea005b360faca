"""Drugs on the US market, by National Drug Code.

Names follow FDA's NDC Directory, its files product.txt and package.txt ("NDC Product File Definitions", "NDC Package
File Definitions"), in snake case. OMOP CDM 5.4 and FHIR R4 (Medication) hold drugs as concepts of a vocabulary and
leave these columns out. Departs: codes are of the 5-4-2 form that claims have, without hyphens.
"""

from spark.schemas.base import Column, Schema

Drug = Schema(
    name="drug",
    doc="One row per product of a label.",
    key=("product_id",),
    columns=(
        Column(name="product_id", required=True, doc="FDA's PRODUCTID: the product code and the label's identifier"),
        Column(
            name="product_ndc", required=True, doc="Labeler and product, 9 digits (5-4): how an 11-digit code begins"
        ),
        Column(name="product_type", doc="Such as HUMAN PRESCRIPTION DRUG"),
        Column(name="proprietary_name", doc="Brand name"),
        Column(name="proprietary_name_suffix", doc="Suffix of the brand name"),
        Column(name="nonproprietary_name", doc="Generic name"),
        Column(name="dosage_form", doc="Such as TABLET, FILM COATED"),
        Column(name="routes", type="array<string>", doc="Routes of administration"),
        Column(name="substances", type="array<string>", doc="Active ingredients"),
        Column(name="strengths", type="array<string>", doc="Strength of each, in the same order"),
        Column(name="strength_units", type="array<string>", doc="Unit of each strength, in the same order"),
        Column(name="pharm_classes", type="array<string>", doc="Pharmacological classes"),
        Column(name="labeler_name", doc="Who markets it"),
        Column(name="marketing_category", doc="Such as NDA, ANDA, BLA, OTC MONOGRAPH"),
        Column(name="application_number", doc="Number of the application under that category"),
        Column(name="marketing_start_date", type="date", doc="Day on which marketing began"),
        Column(name="marketing_end_date", type="date", doc="Day on which it ends or ended"),
        Column(name="dea_schedule", values=("CI", "CII", "CIII", "CIV", "CV"), doc="DEA schedule"),
        Column(name="certified_through", type="date", doc="Day until which the listing is certified"),
    ),
)

DrugPackage = Schema(
    name="drug_package",
    doc="One row per package in which a product is sold.",
    key=("product_id", "ndc_code"),
    columns=(
        Column(name="product_id", required=True, references="drug.product_id", doc="The product"),
        Column(name="ndc_code", required=True, doc="National Drug Code, 11 digits (5-4-2)"),
        Column(name="product_ndc", doc="Its first 9 digits"),
        Column(name="description", doc="Such as 60 TABLET in 1 BOTTLE"),
        Column(name="marketing_start_date", type="date", doc="Day on which marketing began"),
        Column(name="marketing_end_date", type="date", doc="Day on which it ends or ended"),
        Column(name="is_sample", type="boolean", doc="Whether it is a sample"),
    ),
)
