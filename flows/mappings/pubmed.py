"""PubMed's articles, books and deletions as publications.

Marked-up texts lose their tags. An author's name or a DOI that is marked as wrong (`ValidYN="N"`, kept beside the
right one) is left out. What an article cites are its references that have a PubMed number and, as in older records,
those among its comments and corrections. A season is no date: `publication_date` then is the year, `medline_date` says
both.
"""

from calendar import month_abbr

from spark.mapping import Expression, Mapping, code, date, markup, partial_date, text

CITATION, ARTICLE, BOOK = "MedlineCitation", "MedlineCitation.Article", "BookDocument"

_MONTHS = {month.lower(): f"{number:02}" for number, month in enumerate(month_abbr[1:], 1)}


def texts(array: str, value: str, which: str = "true") -> str:
    """The texts that `value` makes of the elements `e` of an array that meet a condition; null where there are none."""
    found = f"filter(transform(filter({array}, e -> {which}), e -> {value}), e -> e IS NOT NULL)"
    return f"nullif({found}, CAST(array() AS array<string>))"


def flat(arrays: str) -> str:
    """The elements of all arrays in one; some may be null."""
    return f"flatten(filter({arrays}, e -> e IS NOT NULL))"


def day(struct: str) -> Expression:
    """A year, month and day in elements of their own, as numbers."""
    return date(f"concat_ws('-', {struct}.Year, {struct}.Month, {struct}.Day)", "yyyy-M-d")


def issue_date(struct: str) -> Expression:
    """A year, perhaps a month, by its name or number, and a day; one that cannot be read is lost as a whole."""
    year, month, day_ = (f"{struct}.{part}" for part in ("Year", "Month", "Day"))
    by_name = code("lower(left(e, 3))", _MONTHS).sql
    months = (
        f"transform(array({text(month)}), e -> CASE WHEN e RLIKE '^[A-Za-z]+$' THEN {by_name} ELSE lpad(e, 2, '0') END)"
    )
    behind = f"concat('-', coalesce(get({months}, 0), '?'), coalesce(concat('-', lpad({text(day_)}, 2, '0')), ''))"
    written = f"concat({year}, CASE WHEN {text(month)} IS NULL THEN '' ELSE {behind} END)"
    # named e, as what is written would otherwise stand a dozen times in one expression
    read = f"get(transform(array({written}), e -> {partial_date('e').sql}), 0)"
    return Expression(read, text(f"concat_ws(' ', {year}, {month}, {day_})"))


def no_date(struct: str) -> str:
    """What stands for a date where it is none: free text, or a season."""
    season = text(f"{struct}.Season")
    of_year = f"CASE WHEN {season} IS NOT NULL THEN concat_ws(' ', {struct}.Year, {season}) END"
    return f"coalesce({text(f'{struct}.MedlineDate')}, {of_year})"


def pages(struct: str) -> str:
    """As given together, else from the first to the last."""
    apart = text(f"concat_ws('-', {struct}.StartPage, {struct}.EndPage)")
    return f"coalesce({text(f'{struct}.MedlinePgn')}, {apart})"


def abstract(parts: str) -> str:
    """The parts of an abstract, a line each, behind their labels."""
    lines = texts(parts, f"nullif(concat_ws(': ', {text('e.Label')}, {markup('e.markup')}), '')")
    return f"array_join({lines}, '\\n')"


def authors(array: str) -> str:
    """`Last, First` or a group's name, in order."""
    person = text(f"concat_ws(', ', {text('e.LastName')}, coalesce({text('e.ForeName')}, {text('e.Initials')}))")
    return texts(array, f"coalesce({person}, {markup('e.CollectiveName.markup')})", "coalesce(e.ValidYN, 'Y') <> 'N'")


def identifier(data: str, kind: str) -> str:
    """An article's identifier of one kind in its PubMed data."""
    found = texts(f"{data}.ArticleIdList.ArticleId", text("e.text"), f"e.IdType = '{kind}'")
    return f"get({found}, 0)"


def doi(locations: str, data: str) -> str:
    """The digital object identifier, by the article or by PubMed."""
    valid = "e.EIdType = 'doi' AND coalesce(e.ValidYN, 'Y') <> 'N'"
    return f"coalesce(get({texts(locations, text('e.text'), valid)}, 0), {identifier(data, 'doi')})"


def cited(lists: str) -> str:
    """PubMed's numbers in lists of references, and in lists within them, which are XML; an array, maybe empty."""
    ids = texts("e.ArticleIdList.ArticleId", text("e.text"), "coalesce(e.IdType, 'pubmed') = 'pubmed'")
    inner = f"array_join({flat(f'{lists}.ReferenceList')}, ' ')"
    found = (
        flat(f"transform({flat(f'{lists}.Reference')}, e -> {ids})"),
        f"""regexp_extract_all({inner}, r'IdType="pubmed"[^>]*>\\s*([0-9]+)', 1)""",
    )
    return f"concat({', '.join(f'coalesce({array}, array())' for array in found)})"


def named(array: str) -> str:
    """The texts of elements that have attributes too."""
    return texts(array, text("e.text"))


def corrections(kind: str) -> str:
    """PubMed's numbers of the comments and corrections of one kind."""
    return texts(f"{CITATION}.CommentsCorrectionsList.CommentsCorrections", "e.PMID.text", f"e.RefType = '{kind}'")


TO_PUBLICATION = Mapping(
    columns={
        "pmid": text(f"{CITATION}.PMID.text"),
        "version": text(f"{CITATION}.PMID.Version"),
        "title": markup(f"{ARTICLE}.ArticleTitle.markup"),
        "vernacular_title": markup(f"{ARTICLE}.VernacularTitle"),
        "abstract": abstract(f"{ARTICLE}.Abstract.AbstractText"),
        "journal_title": text(f"{ARTICLE}.Journal.Title"),
        "journal_abbreviation": text(f"{CITATION}.MedlineJournalInfo.MedlineTA"),
        "nlm_unique_id": text(f"{CITATION}.MedlineJournalInfo.NlmUniqueID"),
        "issn": text(f"{CITATION}.MedlineJournalInfo.ISSNLinking"),
        "volume": text(f"{ARTICLE}.Journal.JournalIssue.Volume"),
        "issue": text(f"{ARTICLE}.Journal.JournalIssue.Issue"),
        "pages": pages(f"{ARTICLE}.Pagination"),
        "publication_date": issue_date(f"{ARTICLE}.Journal.JournalIssue.PubDate"),
        "medline_date": no_date(f"{ARTICLE}.Journal.JournalIssue.PubDate"),
        "electronic_date": day(f"get({ARTICLE}.ArticleDate, 0)"),
        "completed_date": day(f"{CITATION}.DateCompleted"),
        "revised_date": day(f"{CITATION}.DateRevised"),
        "publication_status": text("PubmedData.PublicationStatus"),
        "doi": doi(f"{ARTICLE}.ELocationID", "PubmedData"),
        "pmc_id": identifier("PubmedData", "pmc"),
        "languages": texts(f"{ARTICLE}.Language", text("e")),
        "country": text(f"{CITATION}.MedlineJournalInfo.Country"),
        "authors": authors(f"{ARTICLE}.AuthorList.Author"),
        "publication_types": named(f"{ARTICLE}.PublicationTypeList.PublicationType"),
        "mesh_ids": texts(f"{CITATION}.MeshHeadingList.MeshHeading", "e.DescriptorName.UI"),
        "mesh_terms": texts(f"{CITATION}.MeshHeadingList.MeshHeading", text("e.DescriptorName.text")),
        "keywords": texts(flat(f"{CITATION}.KeywordList.Keyword"), markup("e.markup")),
        "chemicals": texts(f"{CITATION}.ChemicalList.Chemical", text("e.NameOfSubstance.text")),
        "grants": texts(f"{ARTICLE}.GrantList.Grant", text("e.GrantID")),
        "nct_ids": texts(
            flat(
                f"transform(filter({ARTICLE}.DataBankList.DataBank, e -> e.DataBankName = 'ClinicalTrials.gov'),"
                " e -> e.AccessionNumberList.AccessionNumber)"
            ),
            text("e"),
        ),
        "references_pmids": texts(
            f"array_distinct(concat({cited('PubmedData.ReferenceList')}, coalesce({corrections('Cites')}, array())))",
            "e",
        ),
        "retracts_pmids": corrections("RetractionOf"),
        "retracted_by_pmids": corrections("RetractionIn"),
    },
    later="wins",  # a file writes down what happened one after another
)

BOOK_TO_PUBLICATION = Mapping(
    columns={
        "pmid": text(f"{BOOK}.PMID.text"),
        "version": text(f"{BOOK}.PMID.Version"),
        "title": f"coalesce({markup(f'{BOOK}.ArticleTitle.markup')}, {markup(f'{BOOK}.Book.BookTitle.markup')})",
        "vernacular_title": markup(f"{BOOK}.VernacularTitle"),
        "abstract": abstract(f"{BOOK}.Abstract.AbstractText"),
        "volume": text(f"{BOOK}.Book.Volume"),
        "pages": pages(f"{BOOK}.Pagination"),
        "publication_date": issue_date(f"{BOOK}.Book.PubDate"),
        "medline_date": no_date(f"{BOOK}.Book.PubDate"),
        "revised_date": day(f"{BOOK}.DateRevised"),
        "publication_status": text("PubmedBookData.PublicationStatus"),
        "doi": f"coalesce({doi(f'{BOOK}.Book.ELocationID', BOOK)}, {identifier('PubmedBookData', 'doi')})",
        "pmc_id": f"coalesce({identifier(BOOK, 'pmc')}, {identifier('PubmedBookData', 'pmc')})",
        "languages": texts(f"{BOOK}.Language", text("e")),
        "authors": f"coalesce({', '.join(authors(flat(f'{of}.AuthorList.Author')) for of in (BOOK, f'{BOOK}.Book'))})",
        "publication_types": named(f"{BOOK}.PublicationType"),
        "keywords": texts(flat(f"{BOOK}.KeywordList.Keyword"), markup("e.markup")),
        "grants": texts(f"{BOOK}.GrantList.Grant", text("e.GrantID")),
        "references_pmids": texts(f"array_distinct({cited(f'{BOOK}.ReferenceList')})", "e"),
    },
    later="wins",
)

GONE = Mapping(each="PMID", columns={"pmid": text("_each.text")}, deleted="true")
"""A deletion is of all versions: it says one, but `current` has only the latest."""
