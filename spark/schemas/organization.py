"""Organizations: hospitals, practices, payers, manufacturers, as a source numbers them.

Names follow FHIR R4's Organization, with its value set organization-type; the address is in single columns as in Tuva's
`location`. Departs: a source's own identifier is the key, as many organizations have no NPI.
"""

from spark.schemas.base import Column, Schema

Organization = Schema(
    name="organization",
    doc="One row per organization of a source.",
    key=("organization_id",),
    columns=(
        Column(name="organization_id", required=True, doc="The source's identifier"),
        Column(name="name", required=True, doc="Name as given"),
        Column(
            name="type",
            values=("prov", "dept", "team", "govt", "ins", "pay", "edu", "reli", "crs", "cg", "bus", "other"),
            doc="FHIR organization-type: prov is a healthcare provider, ins an insurer, pay a payer, bus a business",
        ),
        Column(
            name="part_of_id", references="organization.organization_id", doc="The organization that this is part of"
        ),
        Column(name="npi", doc="National Provider Identifier, 10 digits, checked"),
        Column(name="ccn", doc="CMS certification number (OSCAR), 6 characters"),
        Column(name="address_line_1", doc="Address, first line"),
        Column(name="address_line_2", doc="Address, second line"),
        Column(name="city", doc="City"),
        Column(name="state", doc="State or territory, two letters"),
        Column(name="zip_code", doc="Postal code, 12345 or 12345-6789 in the United States"),
        Column(name="country", doc="Country, ISO 3166 two-letter code"),
        Column(name="latitude", type="double", least=-90, most=90, doc="Degrees north"),
        Column(name="longitude", type="double", least=-180, most=180, doc="Degrees east"),
        Column(name="phone", doc="Telephone, ten digits in North America"),
        Column(name="active", type="boolean", doc="Whether its record is in use"),
    ),
)
