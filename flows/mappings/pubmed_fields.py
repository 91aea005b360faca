"""The fields of PubMed's files: all that the DTDs of 2015 to 2025 let stand in an article, a book and a deletion.

The DTD changes every year, and most files hold a part of it: declared here, the columns of Raw are the same for all of
them. What a later DTD adds is kept in `_special` until it is declared. A list of references within another stays XML.

Source: NLM, nlmmedlinecitationset_150101.dtd and pubmed_180101.dtd to pubmed_250101.dtd.
"""

from spark.readers.xml import Xml
from spark.readers.xml_fields import Element

_DAY = ("Year", "Month", "Day")
_SEASON = (*_DAY, "Season")
_BOOK_LINK = ("@book", "@part", "@sec")

_PMID = Element("PMID", "@Version", "#text")
_TITLE = Element("ArticleTitle", *_BOOK_LINK, "#markup")
_VERNACULAR_TITLE = Element("VernacularTitle", markup=True)
_PAGES = Element("Pagination", "StartPage", "EndPage", "MedlinePgn")
_LOCATION = Element("ELocationID", "@EIdType", "@ValidYN", "#text", many=True)
_ABSTRACT = (Element("AbstractText", "@Label", "@NlmCategory", "#markup", many=True), "CopyrightInformation")
_KEYWORDS = Element("KeywordList", "@Owner", Element("Keyword", "@MajorTopicYN", "#markup", many=True), many=True)
_PUBLICATION_TYPE = Element("PublicationType", "@UI", "#text", many=True)
_GRANTS = Element(
    "GrantList", "@CompleteYN", Element("Grant", "GrantID", "Acronym", "Agency", "Country", many=True)
)  # fmt: skip
_IDENTIFIER = Element("Identifier", "@Source", "#text", many=True)
_NAME = ("LastName", "ForeName", "Initials", Element("Suffix", markup=True))
_WHENCE = (
    _IDENTIFIER,
    Element("AffiliationInfo", Element("Affiliation", markup=True), _IDENTIFIER, many=True),
)
_AUTHORS = (
    "@CompleteYN",
    "@Type",
    Element(
        "Author",
        "@ValidYN",
        "@EqualContrib",
        *_NAME,
        Element("CollectiveName", "@Investigators", "#markup"),
        *_WHENCE,
        many=True,
    ),
)
_INVESTIGATORS = Element(
    "InvestigatorList", "@ID", Element("Investigator", "@ValidYN", *_NAME, *_WHENCE, many=True), many=True
)
_IDS = Element("ArticleIdList", Element("ArticleId", "@IdType", "#text", many=True))
_REFERENCES = Element(
    "ReferenceList",
    "Title",
    Element("Reference", Element("Citation", markup=True), _IDS, many=True),
    Element("ReferenceList", many=True, markup=True),
    many=True,
)
_DATA = (
    Element("History", Element("PubMedPubDate", "@PubStatus", *_DAY, "Hour", "Minute", "Second", many=True)),
    "PublicationStatus",
    _IDS,
    Element("ObjectList", Element("Object", "@Type", Element("Param", "@Name", "#markup", many=True), many=True)),
)

ARTICLES = Xml(
    row="PubmedArticle",
    fields=(
        Element(
            "MedlineCitation",
            "@Owner",
            "@Status",
            "@VersionID",
            "@VersionDate",
            "@IndexingMethod",
            _PMID,
            Element("DateCreated", *_DAY),  # until 2017
            Element("DateCompleted", *_DAY),
            Element("DateRevised", *_DAY),
            Element(
                "Article",
                "@PubModel",
                Element(
                    "Journal",
                    Element("ISSN", "@IssnType", "#text"),
                    Element(
                        "JournalIssue",
                        "@CitedMedium",
                        "Volume",
                        "Issue",
                        Element("PubDate", *_SEASON, "MedlineDate"),
                    ),
                    "Title",
                    "ISOAbbreviation",
                ),
                _TITLE,
                _PAGES,
                _LOCATION,
                Element("Abstract", *_ABSTRACT),
                Element("AuthorList", *_AUTHORS),
                Element("Language", many=True),
                Element(
                    "DataBankList",
                    "@CompleteYN",
                    Element(
                        "DataBank",
                        "DataBankName",
                        Element("AccessionNumberList", Element("AccessionNumber", many=True)),
                        many=True,
                    ),
                ),
                _GRANTS,
                Element("PublicationTypeList", _PUBLICATION_TYPE),
                _VERNACULAR_TITLE,
                Element("ArticleDate", "@DateType", *_DAY, many=True),
            ),
            Element("MedlineJournalInfo", "Country", "MedlineTA", "NlmUniqueID", "ISSNLinking"),
            Element(
                "ChemicalList",
                Element("Chemical", "RegistryNumber", Element("NameOfSubstance", "@UI", "#text"), many=True),
            ),
            Element("SupplMeshList", Element("SupplMeshName", "@Type", "@UI", "#text", many=True)),
            Element("CitationSubset", many=True),
            Element(
                "CommentsCorrectionsList",
                Element("CommentsCorrections", "@RefType", "RefSource", _PMID, "Note", many=True),
            ),
            Element("GeneSymbolList", Element("GeneSymbol", many=True)),
            Element(
                "MeshHeadingList",
                Element(
                    "MeshHeading",
                    Element("DescriptorName", "@UI", "@MajorTopicYN", "@AutoHM", "@Type", "#text"),
                    Element("QualifierName", "@UI", "@MajorTopicYN", "@AutoHM", "#text", many=True),
                    many=True,
                ),
            ),
            "NumberOfReferences",
            Element("PersonalNameSubjectList", Element("PersonalNameSubject", *_NAME, many=True)),
            Element("OtherID", "@Source", "#text", many=True),
            Element("OtherAbstract", "@Type", "@Language", *_ABSTRACT, many=True),
            _KEYWORDS,
            Element("CoiStatement", markup=True),
            Element("SpaceFlightMission", many=True),
            _INVESTIGATORS,
            Element("GeneralNote", "@Owner", "#text", many=True),
        ),
        Element("PubmedData", *_DATA, _REFERENCES),
    ),
)

BOOKS = Xml(
    row="PubmedBookArticle",
    fields=(
        Element(
            "BookDocument",
            _PMID,
            _IDS,
            Element(
                "Book",
                Element("Publisher", Element("PublisherName", markup=True), "PublisherLocation"),
                Element("BookTitle", *_BOOK_LINK, "#markup"),
                Element("PubDate", *_SEASON, "MedlineDate"),
                Element("BeginningDate", *_SEASON),
                Element("EndingDate", *_SEASON),
                Element("AuthorList", *_AUTHORS, many=True),
                _INVESTIGATORS,
                "Volume",
                Element("VolumeTitle", markup=True),
                "Edition",
                Element("CollectionTitle", *_BOOK_LINK, "#markup"),
                Element("Isbn", many=True),
                _LOCATION,
                "Medium",
                "ReportNumber",
            ),
            Element("LocationLabel", "@Type", "#text", many=True),
            _TITLE,
            _VERNACULAR_TITLE,
            _PAGES,
            Element("Language", many=True),
            Element("AuthorList", *_AUTHORS, many=True),
            _INVESTIGATORS,
            _PUBLICATION_TYPE,
            Element("Abstract", *_ABSTRACT),
            Element("Sections", markup=True),
            _KEYWORDS,
            Element("ContributionDate", *_SEASON),
            Element("DateRevised", *_DAY),
            Element("CitationString", markup=True),  # until 2018
            _GRANTS,
            Element("ItemList", "@ListType", Element("Item", many=True), many=True),
            _REFERENCES,
        ),
        Element("PubmedBookData", *_DATA),
    ),
)

DELETIONS = Xml(row="DeleteCitation", fields=(Element("PMID", "@Version", "#text", many=True),))
