"""Synthetic PubMed: citations in the layout of NLM's yearly baseline and daily update files.

    articles(Path("pubmed.xml"), 500_000_000, seed=1)

Elements, their order and attributes are those of the DTD of 2025 (`pubmed_250101.dtd`); lines are indented and end in
LF. Every article is a pure function of (seed, its number), so that a longer file of the same seed begins with the same
articles. What varies as in the real ones: none to forty authors, with and without ORCID and affiliations, groups among
them; no abstract, one in one piece or in labelled sections; titles and abstracts with `<i>`, `<sub>` and `<sup>`
inside; `&amp;`, `&lt;` and numeric references; publication dates as numbers, month names or free text; no MeSH
headings, chemicals, grants, keywords or references.

    python -m bench.synthetic.pubmed --size 500000000 --seed 1 --out pubmed.xml

`World` is years of PubMed as NLM's server has them, baselines and update files with their MD5 sums, and knows what is
true after them.
"""

import gzip
import hashlib
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from lxml import etree

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


@dataclass(frozen=True)
class Citation:
    """A citation in a file, its number, and its version."""

    pmid: int
    version: int
    text: str


@dataclass(frozen=True)
class File:
    """A file of a year: its number, whether it is one of the baseline, and what it says, in order."""

    year: int
    number: int
    baseline: bool
    citations: tuple[Citation, ...]
    deleted: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Its path below the server's folder."""
        folder = "baseline" if self.baseline else "updatefiles"
        return f"{folder}/pubmed{self.year % 100:02}n{self.number:04}.xml.gz"

    @property
    def xml(self) -> bytes:
        """What is in it, before it is packed."""
        head = _HEAD.replace("2025", f"{self.year}").replace("_250101", f"_{self.year % 100:02}0101")
        pmids = "".join(f'    <PMID Version="1">{pmid}</PMID>\n' for pmid in self.deleted)
        tail = f"  <DeleteCitation>\n{pmids}  </DeleteCitation>\n" if pmids else ""
        return "".join([head, *(one.text for one in self.citations), tail, "</PubmedArticleSet>\n"]).encode()


class World:
    """Baselines and update files below a folder, as NLM's server has them, of made-up citations.

    Files are made in their order, and put on the server in any. Citations are those of `article`, and some have what
    these lack: retractions, seasons and months as numbers, names that are marked as wrong, lists of references within
    one another, investigators. From 2026 on articles have an attribute that no DTD up to 2025 has. `truth` says what
    is current after the files that were put, where all between the first and the last were.
    """

    def __init__(self, folder: Path, seed: int, citations: int) -> None:
        self._folder, self._rng, self._seed = folder, random.Random(f"{seed}:world"), seed
        self._now = {number: self._citation(2025, number) for number in range(10_000_001, 10_000_001 + citations)}
        self._highest = max(self._now)
        self._year = self._number = 0
        self._put: dict[str, File] = {}

    def baseline(self, year: int, files: int, *, maintained: int = 0, vanished: int = 0) -> list[File]:
        """The next baseline: what is current, some of it changed, and without some that nobody says are gone."""
        for pmid in self._some(vanished):
            del self._now[pmid]
        for pmid in self._some(maintained):
            self._now[pmid] = self._citation(year, pmid, self._now[pmid].version)
        self._year, self._number = year, files
        every = list(self._now.values())
        return [File(year, n + 1, True, tuple(every[n::files])) for n in range(files)]

    def update(self, *, new: int, revised: int, repeated: int, deleted: int) -> File:
        """The next update file.

        Of `repeated` citations there are three, of which the first two differ and the last is what the second was or
        else a third one. Half of the `deleted` are first revised in the file; one number that is deleted never was.
        """
        self._number += 1
        gone = self._some(deleted)
        changed = self._some(revised, but=gone)
        twice = self._some(repeated, but=[*gone, *changed])
        said = [self._citation(self._year, self._highest + n) for n in range(1, new + 1)]
        self._highest += new
        said += [self._next(pmid) for pmid in [*changed, *gone[::2]]]
        self._rng.shuffle(said)
        for pmid in twice:
            first, second, third = (self._citation(self._year, pmid, self._now[pmid].version) for _ in range(3))
            said += [first, second, self._rng.choice((second, third))]
        file = File(self._year, self._number, False, tuple(said), (*gone, 99_999_999))
        self._now = _after(self._now, file)
        return file

    def corrected(self, file: File) -> File:
        """An update file as it is published again: one of its citations that is still current says another thing."""
        at = max(n for n, one in enumerate(file.citations) if self._now.get(one.pmid) is one)
        old = file.citations[at]
        new = self._now[old.pmid] = self._citation(file.year, old.pmid, old.version)
        return replace(file, citations=(*file.citations[:at], new, *file.citations[at + 1 :]))

    def put(self, *files: File, damage: Callable[[bytes], bytes] | None = None, md5: bytes | None = None) -> None:
        """Put files on the server, each with its MD5 sum, or the sum of `md5` instead.

        The first of a year's baseline clears those away that were there before. One that is damaged does not count.
        """
        for file in files:
            path = self._folder / file.name
            if file.baseline and not any(put.year == file.year for put in self._put.values()):
                for folder in ("baseline", "updatefiles"):
                    shutil.rmtree(self._folder / folder, ignore_errors=True)
                    (self._folder / folder).mkdir(parents=True)
                    (self._folder / folder / "README.txt").write_text("What these files are.\n")
            data = gzip.compress(file.xml, mtime=0)
            data = damage(data) if damage else data
            path.write_bytes(data)
            digest = hashlib.md5(data if md5 is None else md5, usedforsecurity=False).hexdigest()
            path.with_name(f"{path.name}.md5").write_text(f"MD5({path.name})= {digest}\n")
            if not file.baseline:
                path.with_name(path.name.replace(".xml.gz", "_stats.html")).write_text("<html>counts</html>")
            if damage is None and md5 is None:
                self._put[file.name] = file

    def truth(self) -> dict[str, dict[str, object]]:
        """What is current after all files that were put, by PMID: the columns of a publication."""
        now: dict[int, Citation] = {}
        for file in sorted(self._put.values(), key=_at):
            if file.baseline and file.number == 1:
                now = {}
            now = _after(now, file)
        return {f"{pmid}": publication(one.text) for pmid, one in now.items()}

    def _some(self, count: int, but: "list[int] | tuple[int, ...]" = ()) -> list[int]:
        return self._rng.sample(sorted(self._now.keys() - {*but}), count)

    def _next(self, pmid: int) -> Citation:
        """A citation revised, now and then as a new version."""
        return self._citation(self._year, pmid, self._now[pmid].version + (self._rng.random() < 0.2))

    def _citation(self, year: int, pmid: int, version: int = 1) -> Citation:
        rng = random.Random(f"{self._seed}:{pmid}:{self._rng.random()}")
        return Citation(
            pmid, version, _varied(rng, "".join(f"{line}\n" for line in _article(rng, pmid)), year, version)
        )


def _at(file: File) -> tuple[int, int]:
    return file.year, file.number


def _after(now: dict[int, Citation], file: File) -> dict[int, Citation]:
    """What is current after a file: of several citations of one number the highest version, and the last of it."""
    said: dict[int, Citation] = {}
    for one in file.citations:
        if one.pmid not in said or one.version >= said[one.pmid].version:
            said[one.pmid] = one
    return {pmid: one for pmid, one in {**now, **said}.items() if pmid not in file.deleted}


def _varied(rng: random.Random, text: str, year: int, version: int) -> str:
    """An article with what those of `article` lack."""
    text = re.sub(r'<PMID Version="\d">', f'<PMID Version="{version}">', text, count=1)
    if rng.random() < 0.15:
        season = f"<Year>{rng.randrange(1975, 2026)}</Year><Season>{rng.choice(('Spring', 'Winter'))}</Season>"
        text = re.sub(r"(?s)<PubDate>.*?</PubDate>", f"<PubDate>{season}</PubDate>", text)
    if rng.random() < 0.2:
        text = re.sub(r"<Month>([A-Z]..)</Month>", lambda m: f"<Month>{_MONTHS.index(m[1]) + 1}</Month>", text)
    if rng.random() < 0.2:
        text = text.replace('<Author ValidYN="Y"', '<Author ValidYN="N"', 1)
    kinds = ("RetractionOf", "RetractionIn", "Cites")
    text = re.sub(r'RefType="(CommentIn|Cites)"', lambda _: f'RefType="{rng.choice(kinds)}"', text)
    ids = f'<ArticleIdList><ArticleId IdType="pubmed">{rng.randrange(10**6, 10**7)}</ArticleId></ArticleIdList>'
    cited = f"<Reference><Citation>A.</Citation>{ids}</Reference>"
    inner = f"<ReferenceList><Title>Further</Title>{cited}</ReferenceList>"
    if rng.random() < 0.5:
        text = text.replace("      </ReferenceList>", f"{inner}      </ReferenceList>")
    if rng.random() < 0.2:
        more = "<InvestigatorList><Investigator><LastName>Xu</LastName></Investigator></InvestigatorList>"
        text = text.replace(
            "    </MedlineCitation>", f"{more}<GeneralNote>A note.</GeneralNote>\n    </MedlineCitation>"
        )
    if year > 2024:
        text = re.sub(r"<DescriptorName ", '<DescriptorName AutoHM="Y" ', text, count=1)
    return text.replace("<Article ", '<Article Preprint="N" ') if year > 2025 else text


def publication(article: str) -> dict[str, object]:
    """The columns of a publication that an article says, as lxml reads it."""
    root = etree.fromstring(article)

    def every(path: str, of: "etree._Element" = root) -> list[str]:
        found = (" ".join("".join(map(str, node.itertext())).split()) for node in of.iterfind(path))
        return [text for text in found if text]

    def one(path: str, of: "etree._Element" = root) -> str | None:
        return next(iter(every(path, of)), None)

    def day(path: str) -> date | None:
        parts = [one(f"{path}/{part}") for part in ("Year", "Month", "Day")]
        return date(*map(int, filter(None, parts))) if all(parts) else None

    citation, data = "MedlineCitation", "PubmedData"
    about, journal = f"{citation}/Article", f"{citation}/MedlineJournalInfo"
    issued = f"{about}/Journal/JournalIssue/PubDate"
    year, month, day_of, season = (one(f"{issued}/{part}") for part in ("Year", "Month", "Day", "Season"))
    number = f"{_MONTHS.index(month) + 1 if month in _MONTHS else int(month):02}" if month else None
    persons = [who for who in root.iterfind(f"{about}/AuthorList/Author") if who.get("ValidYN") != "N"]
    names = [", ".join(filter(None, (one("LastName", who), one("ForeName", who)))) for who in persons]
    sections = [
        ": ".join(filter(None, (part.get("Label"), one(".", part))))
        for part in root.iterfind(f"{about}/Abstract/AbstractText")
    ]
    banks = [
        bank
        for bank in root.iterfind(f"{about}/DataBankList/DataBank")
        if one("DataBankName", bank) == "ClinicalTrials.gov"
    ]
    corrections = {
        kind: every(f"{citation}/CommentsCorrectionsList/CommentsCorrections[@RefType='{kind}']/PMID")
        for kind in ("Cites", "RetractionOf", "RetractionIn")
    }
    own = [
        f"{data}/ReferenceList{inner}/Reference/ArticleIdList/ArticleId[@IdType='pubmed']"
        for inner in ("", "/ReferenceList")
    ]
    return {
        "pmid": one(f"{citation}/PMID"),
        "version": int(root.findall(f"{citation}/PMID")[0].get("Version", "")),
        "title": one(f"{about}/ArticleTitle"),
        "vernacular_title": one(f"{about}/VernacularTitle"),
        "abstract": "\n".join(sections) or None,
        "journal_title": one(f"{about}/Journal/Title"),
        "journal_abbreviation": one(f"{journal}/MedlineTA"),
        "nlm_unique_id": one(f"{journal}/NlmUniqueID"),
        "issn": one(f"{journal}/ISSNLinking"),
        "volume": one(f"{about}/Journal/JournalIssue/Volume"),
        "issue": one(f"{about}/Journal/JournalIssue/Issue"),
        "pages": one(f"{about}/Pagination/MedlinePgn"),
        "publication_date": "-".join(filter(None, (year, number, day_of))) or None,
        "medline_date": one(f"{issued}/MedlineDate") or (f"{year} {season}" if season else None),
        "electronic_date": day(f"{about}/ArticleDate"),
        "completed_date": day(f"{citation}/DateCompleted"),
        "revised_date": day(f"{citation}/DateRevised"),
        "publication_status": one(f"{data}/PublicationStatus"),
        "doi": one(f"{about}/ELocationID[@EIdType='doi']") or one(f"{data}/ArticleIdList/ArticleId[@IdType='doi']"),
        "pmc_id": one(f"{data}/ArticleIdList/ArticleId[@IdType='pmc']"),
        "languages": every(f"{about}/Language") or None,
        "country": one(f"{journal}/Country"),
        "authors": [name or one("CollectiveName", who) for name, who in zip(names, persons, strict=True)] or None,
        "publication_types": every(f"{about}/PublicationTypeList/PublicationType") or None,
        "mesh_ids": [name.get("UI") for name in root.iterfind(f"{citation}/MeshHeadingList/MeshHeading/DescriptorName")]
        or None,
        "mesh_terms": every(f"{citation}/MeshHeadingList/MeshHeading/DescriptorName") or None,
        "keywords": every(f"{citation}/KeywordList/Keyword") or None,
        "chemicals": every(f"{citation}/ChemicalList/Chemical/NameOfSubstance") or None,
        "grants": every(f"{about}/GrantList/Grant/GrantID") or None,
        "nct_ids": [id_ for bank in banks for id_ in every("AccessionNumberList/AccessionNumber", bank)] or None,
        "references_pmids": list(dict.fromkeys([*every(own[0]), *every(own[1]), *corrections["Cites"]])) or None,
        "retracts_pmids": corrections["RetractionOf"] or None,
        "retracted_by_pmids": corrections["RetractionIn"] or None,
    }


def main(
    out: Annotated[Path, typer.Option(help="the file to write")],
    size: Annotated[int, typer.Option(help="bytes")] = 500_000_000,
    seed: int = 1,
) -> None:
    """Write a file."""
    typer.echo(f"{articles(out, size, seed):,} articles")


if __name__ == "__main__":
    typer.run(main)
