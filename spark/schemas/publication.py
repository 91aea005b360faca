"""Publications in the biomedical literature.

Names follow NLM's PubMed DTD of 2025-01-01 (MedlineCitation and PubmedData) in snake case. The publication's day may be
a month or a year there and stays so; seasons and ranges (MedlineDate) stand in a column of their own. Departs: authors,
headings and the like are arrays of text; their identifiers, affiliations and qualifiers are in Raw.
"""

from spark.schemas.base import Column, Schema

Publication = Schema(
    name="publication",
    doc="One row per citation.",
    key=("pmid",),
    latest="version",
    columns=(
        Column(name="pmid", required=True, doc="PubMed's number"),
        Column(name="version", type="int", required=True, least=1, doc="Version of the citation, mostly 1"),
        Column(name="title", doc="Title, in brackets where it is translated"),
        Column(name="vernacular_title", doc="Title in the article's language"),
        Column(name="abstract", doc="Abstract, its labelled parts one after another"),
        Column(name="journal_title", doc="Journal"),
        Column(name="journal_abbreviation", doc="The journal's MEDLINE abbreviation"),
        Column(name="nlm_unique_id", doc="NLM's number of the journal"),
        Column(name="issn", doc="ISSN that links the journal's print and electronic ones"),
        Column(name="volume", doc="Volume"),
        Column(name="issue", doc="Issue"),
        Column(name="pages", doc="Pages, as given"),
        Column(name="publication_date", doc="Issue's date, a FHIR date: YYYY, YYYY-MM or YYYY-MM-DD"),
        Column(name="medline_date", doc="Issue's date where it is none, such as 1998 Dec-1999 Jan"),
        Column(name="electronic_date", type="date", doc="Day of electronic publication"),
        Column(name="completed_date", type="date", doc="Day on which NLM finished indexing"),
        Column(name="revised_date", type="date", doc="Day on which the citation last changed"),
        Column(
            name="publication_status",
            doc="ppublish, epublish, aheadofprint, …, as the DTD's PublicationStatus has them",
        ),
        Column(name="doi", doc="Digital object identifier"),
        Column(name="pmc_id", doc="PubMed Central's number, with PMC"),
        Column(name="languages", type="array<string>", doc="ISO 639-2 codes"),
        Column(name="country", doc="Country of the journal"),
        Column(name="authors", type="array<string>", doc="Last, First or a group's name, in order"),
        Column(name="publication_types", type="array<string>", doc="Such as Journal Article, Review"),
        Column(name="mesh_ids", type="array<string>", doc="MeSH descriptors' numbers"),
        Column(name="mesh_terms", type="array<string>", doc="Their names, in the same order"),
        Column(name="keywords", type="array<string>", doc="Keywords"),
        Column(name="chemicals", type="array<string>", doc="Names of substances"),
        Column(name="grants", type="array<string>", doc="Grant numbers"),
        Column(
            name="nct_ids", type="array<string>", doc="Trials at ClinicalTrials.gov that it names in its data banks"
        ),
        Column(name="references_pmids", type="array<string>", doc="PubMed numbers of what it cites"),
        Column(name="retracts_pmids", type="array<string>", doc="PubMed numbers of what it retracts (RetractionOf)"),
        Column(name="retracted_by_pmids", type="array<string>", doc="PubMed numbers of its retractions (RetractionIn)"),
    ),
)
