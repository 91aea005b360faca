"""Synthetic PubMed: citations in the layout of NLM's yearly baseline and daily update files.

    articles(Path("pubmed.xml"), 500_000_000, seed=1)

Elements, their order and attributes are those of the DTD of 2025 (`pubmed_250101.dtd`); lines are indented and end in
LF. Every article is a pure function of (seed, its number), so that a longer file of the same seed begins with the same
articles. What varies as in the real ones: none to forty authors, with and without ORCID and affiliations, groups among
them; no abstract, one in one piece or in labelled sections; titles and abstracts with `<i>`, `<sub>` and `<sup>`
inside; `&amp;`, `&lt;` and numeric references; publication dates as numbers, month names or free text; no MeSH
headings, chemicals, grants, keywords or references.

    python -m bench.synthetic.pubmed --size 500000000 --seed 1 --out pubmed.xml
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from spark.readers.xml import Xml
from spark.readers.xml_fields import Element

_HEAD = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" \
"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">
<PubmedArticleSet>
"""

PUBMED = Xml(
    row="PubmedArticle",
    fields=(
        Element(
            "MedlineCitation",
            "@Status",
            "@Owner",
            "@IndexingMethod",
            Element("PMID", "@Version", "#text"),
            Element("DateCompleted", "Year", "Month", "Day"),
            Element("DateRevised", "Year", "Month", "Day"),
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
                        Element("PubDate", "Year", "Month", "Day", "MedlineDate"),
                        "Issue",
                    ),
                    "Title",
                    "ISOAbbreviation",
                ),
                Element("ArticleTitle", markup=True),
                Element("Pagination", "StartPage", "EndPage", "MedlinePgn"),
                Element("ELocationID", "@EIdType", "@ValidYN", "#text", many=True),
                Element(
                    "Abstract",
                    Element("AbstractText", "@Label", "@NlmCategory", "#markup", many=True),
                    "CopyrightInformation",
                ),
                Element(
                    "AuthorList",
                    "@CompleteYN",
                    Element(
                        "Author",
                        "@ValidYN",
                        "@EqualContrib",
                        "LastName",
                        "ForeName",
                        "Initials",
                        Element("Identifier", "@Source", "#text"),
                        Element("AffiliationInfo", "Affiliation", many=True),
                        "CollectiveName",
                        "Suffix",
                        many=True,
                    ),
                ),
                Element("Language", many=True),
                Element("PublicationTypeList", Element("PublicationType", "@UI", "#text", many=True)),
                Element("ArticleDate", "@DateType", "Year", "Month", "Day"),
                Element(
                    "GrantList", "@CompleteYN", Element("Grant", "GrantID", "Acronym", "Agency", "Country", many=True)
                ),
                Element(
                    "DataBankList",
                    "@CompleteYN",
                    Element("DataBank", "DataBankName", Element("AccessionNumberList", "AccessionNumber")),
                ),
                "VernacularTitle",
            ),
            Element("MedlineJournalInfo", "Country", "MedlineTA", "NlmUniqueID", "ISSNLinking"),
            Element("KeywordList", "@Owner", Element("Keyword", "@MajorTopicYN", "#markup", many=True)),
            Element("CitationSubset", many=True),
            Element(
                "MeshHeadingList",
                Element(
                    "MeshHeading",
                    Element("DescriptorName", "@UI", "@MajorTopicYN", "#text"),
                    Element("QualifierName", "@UI", "@MajorTopicYN", "#text", many=True),
                    many=True,
                ),
            ),
            Element(
                "ChemicalList",
                Element("Chemical", "RegistryNumber", Element("NameOfSubstance", "@UI", "#text"), many=True),
            ),
            Element("CoiStatement", markup=True),
            Element(
                "CommentsCorrectionsList",
                Element(
                    "CommentsCorrections", "@RefType", "RefSource", Element("PMID", "@Version", "#text"), many=True
                ),
            ),
        ),
        Element(
            "PubmedData",
            Element(
                "History", Element("PubMedPubDate", "@PubStatus", "Year", "Month", "Day", "Hour", "Minute", many=True)
            ),
            "PublicationStatus",
            Element("ArticleIdList", Element("ArticleId", "@IdType", "#text", many=True)),
            Element(
                "ReferenceList",
                Element(
                    "Reference",
                    Element("Citation", markup=True),
                    Element("ArticleIdList", Element("ArticleId", "@IdType", "#text")),
                    many=True,
                ),
            ),
        ),
    ),
)
"""The reader of these files: all fields that their articles have."""


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORDS = _split(
    "patients treatment clinical study group outcome risk associated with of the in and to a an as by was were "
    "expression receptor protein cells gene signaling pathway mutation tumour therapy response dose trial cohort "
    "randomized controlled significant increase decrease compared baseline follow-up mortality survival incidence "
    "prevalence hypertension diabetes asthma infection inflammation cardiac renal hepatic pulmonary neural cognitive "
    "imaging biomarkers diagnosis screening intervention placebo efficacy safety adverse events analysis regression "
    "model method results suggest evidence further research population children adults elderly women men years months"
)
_TERMS = _split(
    "Humans Female Male Adult Aged Animals Mice Rats Asthma Hypertension Neoplasms Obesity Pregnancy Kidney Liver "
    "Heart Brain Lung Insulin Glucose Cholesterol Antibodies Cytokines Apoptosis Mutation Phenotype Genotype"
)
_QUALIFIERS = ("drug therapy", "metabolism", "genetics", "epidemiology", "adverse effects", "diagnosis", "pathology")
_FAMILY = _split("Smith García Müller Nguyen O'Byrne Kowalski Rossi Tanaka Wang Li Kim Silva Øster Dvořák Ivanov Cohen")
_GIVEN = (
    "Anna",
    "José",
    "Wei",
    "Yuki",
    "Paul M",
    "Eric D",
    "Fatima",
    "Olga",
    "Lars",
    "Chloé",
    "Ravi",
    "J Mark",
    "Helen K",
)
_PLACES = (
    ("Department of Medicine, McMaster University", "Hamilton, ON, Canada"),
    ("Institut Pasteur", "Paris, France"),
    ("Department of Surgery &amp; Oncology, University of Cape Town", "Cape Town, South Africa"),
    ("Universitätsklinikum Köln", "Köln, Germany"),
    ("School of Public Health, Imperial College", "London, UK"),
    ("Department of Pharmacology, Osaka University", "Suita, Osaka, Japan"),
)
_JOURNALS = (
    ("1533-4406", "The New England journal of medicine", "N Engl J Med", "United States", "0255562", "0028-4793"),
    ("1476-4687", "Nature", "Nature", "England", "0410462", "0028-0836"),
    ("1932-6203", "PloS one", "PLoS One", "United States", "101285081", "1932-6203"),
    ("1460-2083", "Human molecular genetics", "Hum Mol Genet", "England", "9208958", "0964-6906"),
    (
        "1522-1466",
        "American journal of physiology. Renal &amp; urinary",
        "Am J Physiol",
        "United States",
        "100901990",
        "",
    ),
)
_SECTIONS = (
    ("BACKGROUND", "BACKGROUND"),
    ("METHODS", "METHODS"),
    ("RESULTS", "RESULTS"),
    ("CONCLUSION", "CONCLUSIONS"),
)
_TYPES = (("D016428", "Journal Article"), ("D016454", "Review"), ("D013485", "Research Support, Non-U.S. Gov't"))
_INLINE = (
    "<i>in vitro</i>", "<i>Escherichia coli</i>", "CO<sub>2</sub>", "Ca<sup>2+</sup>", "<b>n</b> = 12",
    "<i>IL<sub>6</sub></i>",
)  # fmt: skip
_ODD = ("p &lt; 0.05", "&#946;-blocker", "R&amp;D", "5 &#x3bc;g", "&gt;90%", '"so-called"', "naïve", "Δ9", "12 µg")


def articles(path: Path, size_bytes: int, seed: int) -> int:
    """Write a file of at least `size_bytes`, by less than one article more; how many articles it holds.

    Every file ends by a `DeleteCitation`, as the daily update files do.
    """
    count = 0
    tail = _deleted(seed).encode()
    with path.open("wb") as file:
        written = file.write(_HEAD.encode()) + len(tail)
        while written < size_bytes:
            count += 1
            written += file.write(article(seed, count).encode())
        file.write(tail)
    return count


def article(seed: int, number: int) -> str:
    """One `PubmedArticle`, indented, its number from 1."""
    return "".join(f"{line}\n" for line in _article(random.Random(f"{seed}:{number}"), 10_000_000 + number))


def _article(rng: random.Random, pmid: int) -> Iterator[str]:
    year = rng.randrange(1975, 2026)
    status = rng.choice(("MEDLINE", "MEDLINE", "MEDLINE", "PubMed-not-MEDLINE", "Publisher", "In-Process"))
    indexed = status == "MEDLINE"
    how = rng.choice(("", ' IndexingMethod="Automated"', ' IndexingMethod="Curated"')) if indexed else ""
    yield "  <PubmedArticle>"
    yield f'    <MedlineCitation Status="{status}" Owner="NLM"{how}>'
    yield f'      <PMID Version="{rng.choice("11112")}">{pmid}</PMID>'
    if indexed:
        yield from _date(rng, "DateCompleted", year)
    yield from _date(rng, "DateRevised", min(2025, year + rng.randrange(3)))
    journal = rng.choice(_JOURNALS)
    yield from _body(rng, year, journal)
    short, country, nlm, linking = journal[2:]
    yield "      <MedlineJournalInfo>"
    yield f"        <Country>{country}</Country>"
    yield f"        <MedlineTA>{short}</MedlineTA>"
    yield f"        <NlmUniqueID>{nlm}</NlmUniqueID>"
    if linking:
        yield f"        <ISSNLinking>{linking}</ISSNLinking>"
    yield "      </MedlineJournalInfo>"
    if indexed and rng.random() < 0.6:
        yield "      <ChemicalList>"
        for _ in range(rng.randrange(1, 7)):
            yield "        <Chemical>"
            yield f"          <RegistryNumber>{rng.choice(('0', f'{rng.randrange(10**5):05}RQ3'))}</RegistryNumber>"
            yield f'          <NameOfSubstance UI="D{rng.randrange(10**6):06}">{_title(rng, 2)}</NameOfSubstance>'
            yield "        </Chemical>"
        yield "      </ChemicalList>"
    for subset in rng.choice(((), ("IM",), ("AIM", "IM"))):
        yield f"      <CitationSubset>{subset}</CitationSubset>"
    if rng.random() < 0.15:
        yield "      <CommentsCorrectionsList>"
        for _ in range(rng.randrange(1, 4)):
            yield f'        <CommentsCorrections RefType="{rng.choice(("CommentIn", "ErratumIn", "Cites"))}">'
            volume, issue = rng.randrange(1, 400), rng.randrange(1, 30)
            yield f"          <RefSource>{short}. {year};{volume}({issue}):1-9</RefSource>"
            if rng.random() < 0.8:
                yield f'          <PMID Version="1">{rng.randrange(10**6, 4 * 10**7)}</PMID>'
            yield "        </CommentsCorrections>"
        yield "      </CommentsCorrectionsList>"
    if indexed:
        yield "      <MeshHeadingList>"
        for _ in range(rng.randrange(4, 24)):
            ui, major, term = f"D{rng.randrange(10**6):06}", rng.choice("YNNN"), rng.choice(_TERMS)
            yield "        <MeshHeading>"
            yield f'          <DescriptorName UI="{ui}" MajorTopicYN="{major}">{term}</DescriptorName>'
            for name in rng.sample(_QUALIFIERS, rng.choice((0, 0, 1, 1, 2, 3))):
                ui = f"Q{rng.randrange(10**6):06}"
                yield f'          <QualifierName UI="{ui}" MajorTopicYN="{rng.choice("YNN")}">{name}</QualifierName>'
            yield "        </MeshHeading>"
        yield "      </MeshHeadingList>"
    if rng.random() < 0.5:
        yield '      <KeywordList Owner="NOTNLM">'
        for _ in range(rng.randrange(3, 8)):
            word = rng.choice(_INLINE) if rng.random() < 0.05 else _title(rng, rng.randrange(1, 3))
            yield f'        <Keyword MajorTopicYN="N">{word}</Keyword>'
        yield "      </KeywordList>"
    if rng.random() < 0.3:
        yield f"      <CoiStatement>{_sentence(rng)}</CoiStatement>"
    yield "    </MedlineCitation>"
    yield from _data(rng, year, pmid)
    yield "  </PubmedArticle>"


def _body(rng: random.Random, year: int, journal: tuple[str, ...]) -> Iterator[str]:
    issn, title, short = journal[:3]
    doi = f"10.{rng.randrange(1000, 9999)}/{short.split()[0].lower()}.{rng.randrange(10**7)}"
    yield f'      <Article PubModel="{rng.choice(("Print", "Print-Electronic", "Electronic"))}">'
    yield "        <Journal>"
    yield f'          <ISSN IssnType="{rng.choice(("Electronic", "Print"))}">{issn}</ISSN>'
    yield f'          <JournalIssue CitedMedium="{rng.choice(("Internet", "Print"))}">'
    if rng.random() < 0.95:
        yield f"            <Volume>{rng.randrange(1, 400)}</Volume>"
    if rng.random() < 0.8:
        yield f"            <Issue>{rng.randrange(1, 30)}</Issue>"
    yield "            <PubDate>"
    if rng.random() < 0.05:
        yield f"              <MedlineDate>{year} {rng.choice(_MONTHS)}-{rng.choice(_MONTHS)}</MedlineDate>"
    else:
        yield f"              <Year>{year}</Year>"
        if rng.random() < 0.85:
            yield f"              <Month>{rng.choice(_MONTHS)}</Month>"
            if rng.random() < 0.5:
                yield f"              <Day>{rng.randrange(1, 29):02}</Day>"
    yield "            </PubDate>"
    yield "          </JournalIssue>"
    yield f"          <Title>{title}</Title>"
    yield f"          <ISOAbbreviation>{short}</ISOAbbreviation>"
    yield "        </Journal>"
    yield f"        <ArticleTitle>{_title(rng, rng.randrange(6, 18), 0.12)}.</ArticleTitle>"
    paged = rng.random() < 0.9
    if paged:
        start = rng.randrange(1, 3000)
        yield "        <Pagination>"
        yield f"          <StartPage>{start}</StartPage>"
        if rng.random() < 0.9:
            yield f"          <EndPage>{start + 8}</EndPage>"
        yield f"          <MedlinePgn>{start}-{(start + 8) % 100}</MedlinePgn>"
        yield "        </Pagination>"
    if not paged or rng.random() < 0.8:
        yield f'        <ELocationID EIdType="doi" ValidYN="Y">{doi}</ELocationID>'
    if rng.random() < 0.2:
        yield f'        <ELocationID EIdType="pii" ValidYN="Y">e{rng.randrange(10**6)}</ELocationID>'
    kind = rng.random()
    if kind < 0.85:
        yield "        <Abstract>"
        if kind < 0.4:
            for label, category in _SECTIONS:
                text = _text(rng, rng.randrange(1, 5))
                yield f'          <AbstractText Label="{label}" NlmCategory="{category}">{text}</AbstractText>'
        else:
            yield f"          <AbstractText>{_text(rng, rng.randrange(4, 12))}</AbstractText>"
        if rng.random() < 0.4:
            yield f"          <CopyrightInformation>© {year} The Author(s).</CopyrightInformation>"
        yield "        </Abstract>"
    if (authors := min(40, int(rng.expovariate(0.18)))) or rng.random() < 0.9:
        yield f'        <AuthorList CompleteYN="{"Y" if authors < 40 else "N"}">'
        yield from _authors(rng, max(1, authors), year)
        yield "        </AuthorList>"
    for language in rng.choice((("eng",), ("eng",), ("eng",), ("ger",), ("eng", "fre"))):
        yield f"        <Language>{language}</Language>"
    if rng.random() < 0.05:
        yield '        <DataBankList CompleteYN="Y">'
        yield "          <DataBank>"
        yield "            <DataBankName>ClinicalTrials.gov</DataBankName>"
        yield "            <AccessionNumberList>"
        yield f"              <AccessionNumber>NCT{rng.randrange(10**8):08}</AccessionNumber>"
        yield "            </AccessionNumberList>"
        yield "          </DataBank>"
        yield "        </DataBankList>"
    if rng.random() < 0.25:
        yield '        <GrantList CompleteYN="Y">'
        for _ in range(rng.randrange(1, 5)):
            yield "          <Grant>"
            if rng.random() < 0.9:
                yield f"            <GrantID>R01 HL{rng.randrange(10**6):06}</GrantID>"
            if rng.random() < 0.7:
                yield "            <Acronym>HL</Acronym>"
            yield "            <Agency>NHLBI NIH HHS</Agency>"
            yield "            <Country>United States</Country>"
            yield "          </Grant>"
        yield "        </GrantList>"
    yield "        <PublicationTypeList>"
    for ui, name in _TYPES[: rng.randrange(1, 4)]:
        yield f'          <PublicationType UI="{ui}">{name}</PublicationType>'
    yield "        </PublicationTypeList>"
    if rng.random() < 0.05:
        yield f"        <VernacularTitle>Über {_title(rng, 6)}.</VernacularTitle>"
    if rng.random() < 0.5:
        yield '        <ArticleDate DateType="Electronic">'
        yield from _ymd(rng, "          ", year)
        yield "        </ArticleDate>"
    yield "      </Article>"


def _authors(rng: random.Random, count: int, year: int) -> Iterator[str]:
    for _ in range(count):
        yield f'          <Author ValidYN="Y"{rng.choice(("", "", "", " EqualContrib=" + chr(34) + "Y" + chr(34)))}>'
        if rng.random() < 0.02:
            yield f"            <CollectiveName>{_title(rng, 3)} Study Group</CollectiveName>"
        else:
            given = rng.choice(_GIVEN)
            yield f"            <LastName>{rng.choice(_FAMILY)}</LastName>"
            if rng.random() < 0.97:
                yield f"            <ForeName>{given}</ForeName>"
                yield f"            <Initials>{''.join(part[0] for part in given.split())}</Initials>"
            if rng.random() < 0.01:
                yield "            <Suffix>Jr</Suffix>"
            if year > 2012 and rng.random() < 0.3:
                yield f'            <Identifier Source="ORCID">0000-0002-{rng.randrange(10**4):04}-1825</Identifier>'
        for place, city in rng.sample(_PLACES, rng.choice((0, 1, 1, 1, 2))):
            yield "            <AffiliationInfo>"
            yield f"              <Affiliation>{place}, {city}.</Affiliation>"
            yield "            </AffiliationInfo>"
        yield "          </Author>"


def _data(rng: random.Random, year: int, pmid: int) -> Iterator[str]:
    yield "    <PubmedData>"
    yield "      <History>"
    early = rng.sample(("received", "accepted", "revised"), rng.randrange(4))
    for status in (*early, "pubmed", "medline", "entrez"):
        yield f'        <PubMedPubDate PubStatus="{status}">'
        yield from _ymd(rng, "          ", year)
        if status in {"pubmed", "medline", "entrez"}:
            yield f"          <Hour>{rng.randrange(24)}</Hour>"
            yield f"          <Minute>{rng.randrange(60)}</Minute>"
        yield "        </PubMedPubDate>"
    yield "      </History>"
    yield f"      <PublicationStatus>{rng.choice(('ppublish', 'epublish', 'aheadofprint'))}</PublicationStatus>"
    yield "      <ArticleIdList>"
    yield f'        <ArticleId IdType="pubmed">{pmid}</ArticleId>'
    for kind in rng.sample(("doi", "pii", "pmc"), rng.randrange(4)):
        yield f'        <ArticleId IdType="{kind}">{kind.upper()}{rng.randrange(10**7)}</ArticleId>'
    yield "      </ArticleIdList>"
    if rng.random() < 0.3:
        yield "      <ReferenceList>"
        for _ in range(rng.randrange(5, 40)):
            yield "        <Reference>"
            yield f"          <Citation>{_title(rng, 9, 0.03)}. {rng.randrange(1950, year + 1)}.</Citation>"
            if rng.random() < 0.6:
                yield "          <ArticleIdList>"
                yield f'            <ArticleId IdType="pubmed">{rng.randrange(10**6, 4 * 10**7)}</ArticleId>'
                yield "          </ArticleIdList>"
            yield "        </Reference>"
        yield "      </ReferenceList>"
    yield "    </PubmedData>"


def _date(rng: random.Random, name: str, year: int) -> Iterator[str]:
    yield f"      <{name}>"
    yield from _ymd(rng, "        ", year)
    yield f"      </{name}>"


def _ymd(rng: random.Random, indent: str, year: int) -> Iterator[str]:
    yield f"{indent}<Year>{year}</Year>"
    yield f"{indent}<Month>{rng.randrange(1, 13):02}</Month>"
    yield f"{indent}<Day>{rng.randrange(1, 29):02}</Day>"


def _title(rng: random.Random, words: int, inline: float = 0.0) -> str:
    chosen = rng.choices(_WORDS, k=words)
    if inline and rng.random() < inline:
        chosen[rng.randrange(words)] = rng.choice(_INLINE)
    text = " ".join(chosen)
    return text[0].upper() + text[1:]


def _sentence(rng: random.Random) -> str:
    text = _title(rng, rng.randrange(10, 26), 0.08)
    return f"{text} ({rng.choice(_ODD)})." if rng.random() < 0.2 else f"{text}."


def _text(rng: random.Random, sentences: int) -> str:
    return " ".join(_sentence(rng) for _ in range(sentences))


def _deleted(seed: int) -> str:
    rng = random.Random(f"{seed}:deleted")
    pmids = "".join(f'    <PMID Version="1">{rng.randrange(10**6, 10**7)}</PMID>\n' for _ in range(3))
    return f"  <DeleteCitation>\n{pmids}  </DeleteCitation>\n</PubmedArticleSet>\n"


def main(
    out: Annotated[Path, typer.Option(help="the file to write")],
    size: Annotated[int, typer.Option(help="bytes")] = 500_000_000,
    seed: int = 1,
) -> None:
    """Write a file."""
    typer.echo(f"{articles(out, size, seed):,} articles")


if __name__ == "__main__":
    typer.run(main)
