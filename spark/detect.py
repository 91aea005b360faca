"""How a delimited file is written, told by its beginning: for `Csv` without options.

Every delimiter that could be one is tried with every quote and escape, and what they make of the sample is compared by
three questions, multiplied: have the records the same number of fields, is every cell of a kind (a number, a date, a
word; not one that holds another delimiter or half a quote), and is the delimiter a usual one. The first two are the
idea of van den Burg, Nazabal and Sutton, "Wrangling messy CSV files by detecting row and type patterns" (2019).
A field is only taken for quoted where its quotes are closed at its end, so that one stray quote decides nothing.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from pydantic import BaseModel

from spark.charsets import Charset, charset
from spark.readers.csv import Csv

_STRONG = (
    ",",
    "\t",
    ";",
    "|",
    "\x01",
    "\x1f",
    "\x1e",
    "\x1c",
    "\x02",
    "\x07",
    "^",
    "~",
    "\u00a6",
    "\u00ac",
    "\u00a7",
    "\u00fe",
)
_WEAK = (":", "@", "$", "#", "&", "!", "*", "=", " ")
_PAIRS = (", ", "; ", "||", "\t\t", "::", "|~|", "~|~", "|^|", "^|^", "|#|", "#|#", "@|@", " | ")
_PRIOR = {" ": 0.7, ", ": 0.95, "; ": 0.95, " | ": 0.95, **dict.fromkeys(_WEAK[:-1], 0.85)}
_RARE_QUOTES = ("~", "^", "|")  # where they stand on both sides of a delimiter
_RUN = re.compile(r"[^\w\s\"'.()\[\]{}<>/\\-]{2,5}")
_STAND_IN = "\ue000"  # for a delimiter of several characters, while it is tried

_ENOUGH = 64 * 1024  # characters that candidates are tried on, if they are `_LINES`
_LINES = 20
_ABOVE, _BELOW = 30, 5  # lines above the header, records below the table
_NO_CHANCE = 5  # records, from which on a trailer's equal number, or that types tell numbers of fields, is none
_MOST_TYPES = 12
_TYPE = re.compile(r"\w{1,10}")
_LONG = 200  # characters beyond which a cell is text
_COMMENTS = ("#", "//", "--", "%", "*", "!")
_LINE_END = re.compile(r"\r\n|\n|\r")

_NULL = re.compile(r"(?i)\s*(?:|-+|\.|\?|n/?a|nan|null|none|missing|unknown|\\n)\s*")
_KINDS = (
    (
        "number",
        r"[-+(]?\s*[$\u20ac\u00a3]?\s*[-+]?(?:\d{1,3}(?:[,.' \u00a0]\d{3})+|\d+|(?=[.,]\d))(?:[.,]\d*)?"
        r"(?:[eE][-+]?\d+)?\s*[%)\u20ac]?|[-+]?(?i:inf)",
    ),
    ("date", r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ]+\d{1,2}:\d\d.*)?|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2,4}"),
    ("time", r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?\s*(?:[AaPp]\.?[Mm]\.?)?(?:Z|[-+]\d\d:?\d\d)?"),
    ("truth", r"(?i:true|false|yes|no|[tfyn])"),
    ("url", r"(?i:[a-z]{2,6}://\S+|www\.\S+)"),
    ("mail", r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    ("uuid", r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"),
    ("code", r"(?=.*\d)[A-Za-z0-9][\w.:/-]*"),
)
_KIND = re.compile("|".join(f"(?P<{name}>(?:{pattern})\\s*$)" for name, pattern in _KINDS))
_TRAILER = re.compile(
    r"(?i)\W*(?:(?:sub|grand )?totals?|sum|trl|trailer|tr|trlr|eof|end(?: of (?:file|report|data|record)s?)?|footers?|"
    r"footnotes?|count|(?:record|row)s?(?: ?count)?|sources?|notes?|generated|report|copyright|\d+ (?:row|record)s?)\b"
)
_LEADER = re.compile(r"(?i)\W*(?:hdr|head|header|hd|h|fhs|bhs|fh|fhdr|bof|begin|start|file|00?)\b")
"""Begins a line that says what file this is, in place of names: records begin with a type then."""
_NOT_CSV = (
    (
        re.compile(r"\s*<(?:!doctype|html|head|body|\?xml|[a-z][\w:-]*(?:\s[^<>]*)?/?>)", re.I),
        "it looks like HTML or XML",
    ),
    (re.compile(r"\s*\{\s*(?:\"|\}\s*$)|\s*\[\s*(?:[\[{\"\d]|\]\s*$)"), "it looks like JSON"),
    (re.compile(r"ISA[^A-Za-z0-9\s]"), "it looks like X12"),
    (re.compile(r"HEADER RECORD\*{7}(?:LIBRARY|LIBV8)"), "it looks like a SAS transport file"),
)
_MAGIC = (
    b"PAR1",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"%PDF",
    b"Obj\x01",
    b"ORC",
    b"\x89PNG",
    b"\xd0\xcf\x11\xe0",
    b"BZh",
    b"\xfd7zXZ",
)


class Detected(BaseModel, frozen=True):
    """How a file is to be read.

    `confidence` ranks from 0 to 1; below `DOUBTFUL` it is likelier that the file is none that `Csv` reads. `evidence`
    says what it rests on, and shows no value of the file. `share` of the first records have `width` fields.
    """

    reader: Csv
    confidence: float
    evidence: tuple[str, ...]
    width: int = 1
    share: float = 0.0


DOUBTFUL = 0.3
"""Confidence below which somebody should look."""


def detect(sample: bytes, *, whole: bool) -> Detected:
    """Find encoding, delimiter, quote, escape, comments, lines above the header, header rows and footer.

    `sample` is a file's beginning, or all of it where `whole`: only then can a footer be told from a cut-off record.
    64 to 256 KiB are enough. Raises nothing, whatever the bytes. Records that have another number of fields than the
    rest do not make a dialect wrong: the reader rejects them.
    """
    found = charset(sample)
    text = found.text.removeprefix("\ufeff")
    if wrong := _no_text(sample, found):
        return Detected(reader=Csv(), confidence=0.0, evidence=(wrong,))
    if not whole:  # the last line may be cut
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    layout = _layout(text, whole)
    told: dict[str, object] = {"encoding": found.encoding, "fallback": found.fallback, **layout.options}
    evidence = [found.evidence, *layout.evidence]
    confidence = layout.confidence * found.sure
    for pattern, wrong in _NOT_CSV:
        if pattern.match(text):
            evidence.append(wrong)
            confidence = min(confidence, 0.1)
    try:
        reader = Csv.model_validate(told)
    except ValueError:  # a delimiter that cannot be written in the encoding, or the like
        return Detected(reader=Csv(), confidence=0.0, evidence=(*evidence, "no dialect fits that can be read"))
    return Detected(
        reader=reader,
        confidence=round(confidence, 3),
        evidence=tuple(evidence),
        width=layout.width,
        share=round(layout.share, 2),
    )


class _Layout(NamedTuple):
    options: dict[str, object]
    confidence: float
    evidence: list[str]
    width: int = 1
    share: float = 0.0


class _Marks(NamedTuple):
    """A candidate: what separates fields, and what quotes and escapes within them."""

    delimiter: str
    quote: str | None
    escape: str | None


class _Rows(NamedTuple):
    """What a candidate makes of a text: its records that are not blank.

    `lines` are the physical lines above each; `doubtful` the sum of what its cells are short of being of a kind.
    """

    cells: list[list[str]]
    lines: list[int]
    doubtful: list[float]


class _Fit(NamedTuple):
    """How well a candidate fits: `width` fields, in the `share` of records; `kinds` of cells that are of one."""

    score: float
    width: int
    share: float
    kinds: float


def _no_text(sample: bytes, found: Charset) -> str | None:
    if sample.startswith(_MAGIC):
        return "it begins as a binary format does: no CSV"
    controls = sum(found.text.count(chr(code)) for code in (0, 3, 4, 5, 6, 8, 14, 15, 16, 17, 18, 19, 20))
    if controls > 0.02 * len(found.text) + 1 and controls > 4:
        return "it holds control characters as a binary file does: no CSV"
    return None


def _layout(text: str, whole: bool) -> _Layout:
    declared = re.match(r'"?sep=(.)"?(?:\r\n|\n|\r)', text)  # Excel's own way to say it
    text = text[declared.end() :] if declared else text
    if not text.strip("\r\n"):
        return _Layout({}, 0.5 if whole else 0.1, ["there is no record"])
    line_end, text, marks, fit = _by_line_end(text, declared)
    rows = _parsed(text, marks)
    if not rows.cells:
        return _Layout({}, 0.1, ["there is no record"])
    if fit.width == 1:
        return _one_column(text, rows, fit, marks, whole)
    named = {" ": "blank", "\t": "tab"}.get(marks.delimiter, marks.delimiter)
    evidence = [f"{fit.width} fields by {named!r} in {fit.share:.0%} of the first records"]
    options: dict[str, object] = {"delimiter": marks.delimiter, "quote": marks.quote, "escape": marks.escape}
    confidence = min(1.0, fit.share * fit.kinds * _PRIOR.get(marks.delimiter, 1.0)) * _by_number(len(rows.cells))
    if kinds := _record_types(rows):
        width = max(map(len, rows.cells))
        options |= {"header": False, "pad": True, "columns": tuple(f"column_{n + 1}" for n in range(width))}
        evidence[-1] = f"records of {kinds} kinds, told by their first fields: shorter ones are padded"
        confidence = fit.kinds * _PRIOR.get(marks.delimiter, 1.0)
    else:
        confidence *= _around(rows, fit.width, whole, options, evidence)
    if declared:
        options["skip"] = int(str(options.get("skip", 0))) + 1
        evidence.append("its first line names the delimiter")
    if line_end != "any":
        options["line_end"] = line_end
        evidence.append(f"lines end by {line_end.upper()}; other line ends are data")
    if _is_prose(text, marks.delimiter):
        evidence.append("its lines are sentences, no records")
        confidence *= 0.2
    if len(rows.cells) == 1 and marks.delimiter in _WEAK:
        confidence *= 0.4
    if marks.delimiter == " " and _is_fixed(text):
        evidence.append("all lines are equally long and blanks stand below each other: perhaps of fixed width")
        confidence *= 0.3
    return _Layout(options, confidence, evidence, fit.width, fit.share)


def _record_types(rows: _Rows) -> int:
    """How many types the records' first fields name, where these are few and tell how many fields follow; else 0."""
    widths: dict[str, set[int]] = {}
    for cells in rows.cells:
        widths.setdefault(cells[0], set()).add(len(cells))
        if len(widths) > _MOST_TYPES or len(widths[cells[0]]) > 1 or not _TYPE.fullmatch(cells[0]):
            return 0
    often = Counter(cells[0] for cells in rows.cells)
    several = {next(iter(widths[name])) for name, n in often.items() if n > 1}
    return len(widths) if len(several) > 1 and len(rows.cells) >= _NO_CHANCE else 0


def _by_line_end(text: str, declared: re.Match[str] | None) -> tuple[str, str, _Marks, _Fit]:
    """What ends a line, the text with other line ends as data, and the best candidate.

    A line end is data where that makes two records fewer of another number of fields, at least.
    """
    best, fit, wrong = _best(text, declared)
    found = "any", text, best, fit
    for line_end, bare in (("crlf", r"(?<!\r)\n|\r(?!\n)"), ("lf", r"\r(?!\n)")):
        if not wrong or (line_end == "crlf" and "\r\n" not in text):
            continue
        if (other := re.sub(bare, "x", text)) != text and "\n" in other.strip():
            best, fit, still = _best(other, declared)
            if fit.width > 1 and still < wrong - 1:
                found, wrong = (line_end, other, best, fit), still
    return found


def _best(text: str, declared: re.Match[str] | None) -> tuple[_Marks, _Fit, int]:
    """The candidate that fits best, the first of equals, and how many records then have another number of fields."""
    head = _head(text)
    fits = [
        (marks, rows, _fit(rows, marks)) for marks in _candidates(head, declared) for rows in [_parsed(head, marks)]
    ]
    marks, rows, fit = max(fits, key=lambda one: one[2].score)
    return marks, fit, sum(len(cells) != fit.width for cells in rows.cells)


def _is_prose(text: str, delimiter: str) -> bool:
    """Whether most lines end as sentences do, the first as well."""
    lines = [line.rstrip() for line in _LINE_END.split(text)[:500] if line.strip()]
    sentences = [line.endswith((".", "!", "?")) and len(line.split()) > 5 for line in lines]
    return delimiter in {",", ";", ":", " ", ", "} and sentences[0] and sum(sentences) > 0.6 * len(lines)


def _by_number(records: int) -> float:
    return {0: 0.5, 1: 0.6, 2: 0.8, 3: 0.9}.get(records, 1.0)


def _head(text: str) -> str:
    """The first lines: as many characters as are enough, if they are lines enough."""
    if len(text) <= _ENOUGH:
        return text
    lines, at = 0, 0
    for match in _LINE_END.finditer(text):
        lines, at = lines + 1, match.end()
        if at >= _ENOUGH and lines >= _LINES:
            return text[:at]
    return text


def _candidates(head: str, declared: re.Match[str] | None) -> Iterator[_Marks]:
    lines = [line for line in _LINE_END.split(head)[:500] if line.strip()]
    runs = Counter(run for line in lines[:50] for run in set(_RUN.findall(line)))
    found = [run for run, often in runs.most_common(6) if often >= 0.8 * min(len(lines), 50)]
    single = [mark for mark in (*_STRONG, *_WEAK) if mark in head]
    least = max(1, 0.3 * len(lines))
    delimiters = [
        mark
        for mark in dict.fromkeys((*single, *_PAIRS, *found))
        if sum(mark in line for line in lines) >= least and not _is_empty_fields(mark, head)
    ]
    if declared:
        delimiters = [declared[1]]
    for delimiter in delimiters or [","]:
        for quote in _quotes(delimiter, head, lines):
            yield _Marks(delimiter, quote, None)
            if "\\" in head and len(delimiter) == 1:
                yield _Marks(delimiter, quote, "\\")
    yield _Marks("\n", '"', None)  # one column


def _quotes(delimiter: str, head: str, lines: list[str]) -> Iterator[str | None]:
    """What may quote, beside this delimiter."""
    yield '"'
    if "'" in head:
        yield "'"
    for mark in _RARE_QUOTES:
        around = f"{mark}{delimiter}{mark}" in head and mark not in delimiter
        if around and sum(_is_quoted(line, mark, delimiter) for line in lines) >= 0.5 * len(lines):
            yield mark
    yield None


def _is_quoted(line: str, quote: str, delimiter: str) -> bool:
    """Whether a mark stands on both sides of the delimiter, and around the first cell, if at all."""
    first = line.partition(delimiter)[0]
    closed = len(first) > 1 and first[0] == first[-1] == quote
    return f"{quote}{delimiter}{quote}" in line and (closed or quote not in first)


def _is_empty_fields(mark: str, head: str) -> bool:
    """Whether a mark such as `||` is one of `|` with nothing between: most of its runs are not made up of it."""
    if len(mark) == 1 or len(set(mark)) > 1:
        return False
    runs = re.findall(f"{re.escape(mark[0])}+", head)
    return sum(len(run) % len(mark) == 0 for run in runs) < 0.5 * len(runs)


def _parsed(text: str, marks: _Marks) -> _Rows:
    """The records of a text; quoted is a field whose quotes are closed, and so a stray quote spoils its own field."""
    delimiter = marks.delimiter
    if len(delimiter) > 1:
        text, delimiter = text.replace(delimiter, _STAND_IN), _STAND_IN
    text += "\n\n" if marks.escape else "\n"  # so that every field ends, also behind an escape
    stop = "" if delimiter == "\n" else re.escape(delimiter)
    quote, escape = re.escape(marks.quote or ""), re.escape(marks.escape or "")
    pair = f"|{escape}(?s:.)" if escape else ""
    bare = f"((?:[^{stop}{escape}\\r\\n]++{pair})*+)"
    end = f"({stop}|\\r\\n|\\n|\\r)" if stop else "(\\r\\n|\\n|\\r)"
    inside = f"{quote}((?:[^{quote}{escape}]++|{quote}{quote}{pair})*+){quote}{bare}|" if quote else "()()"
    field = re.compile(f"(?:{inside}{bare}){end}")
    suspect = _suspect(marks)
    rows = _Rows([], [], [])
    cells: list[str] = []
    line = first = 0
    doubt = 0.0
    for value, tail, plain, stopped in field.findall(text):
        if value:
            line += len(_LINE_END.findall(value)) if "\n" in value or "\r" in value else 0
            doubt += bool(tail)
            cells.append(value)
        else:
            cells.append(plain or tail)
            if plain and suspect(plain):
                doubt += 1.0 if quote and plain[0] == marks.quote else 0.6
        if stopped != delimiter or delimiter == "\n":
            line += 1
            if len(cells) > 1 or cells[0]:
                rows.cells.append(cells)
                rows.lines.append(first)
                rows.doubtful.append(doubt)
            cells, first, doubt = [], line, 0.0
    return rows


def _suspect(marks: _Marks) -> Callable[[str], bool]:
    """Whether a bare cell holds what belongs outside of cells: another delimiter, part of its own, or quotes around."""
    others = "".join(mark for mark in ",;\t|" if mark != marks.delimiter)
    apart = re.compile(rf"[{others}\x00-\x08\x0e-\x1f]")

    def suspect(cell: str) -> bool:
        value = cell.strip()
        quoted = '"' in {value[:1], value[-1:]} or (len(value) > 1 and value[0] == value[-1] and value[0] in "'~^|")
        return (quoted or apart.search(value) is not None) and _kind(value) in {"", "text"}

    return suspect


def _fit(rows: _Rows, marks: _Marks) -> _Fit:
    """See the module."""
    records = len(rows.cells)
    if not records:
        return _Fit(0.0, 1, 0.0, 0.0)
    if marks.delimiter == "\n":
        typed = sum(_kind(cells[0]) not in {"", "text", "code"} for cells in rows.cells) / records
        return _Fit(0.3 + 0.5 * typed, 1, 1.0, typed)
    widths = Counter(map(len, rows.cells))
    width = max(widths, key=lambda one: widths[one] * (one > 1))
    if width == 1:
        return _Fit(0.0, 1, 0.0, 0.0)
    which = [i for i, cells in enumerate(rows.cells) if len(cells) == width]
    apart = min(which[0], _ABOVE) + min(records - 1 - which[-1], _BELOW)
    share = min(
        1.0,
        (len(which) + 0.3 * sum(n for w, n in widths.items() if w not in {1, width}))
        / (records - 0.9 * min(apart, len(which))),
    )
    empty = sum(_says_nothing(column) for column in zip(*(rows.cells[i] for i in which), strict=True))
    if marks.quote in _RARE_QUOTES:
        empty = 0  # as they say in quotes
    kinds = max(0.0, 1 - (sum(rows.doubtful[i] for i in which) / len(which) + max(0, empty - 1)) / width)
    header = 1.0 if which[0] == 0 else 0.8
    first = rows.cells[0]
    if which[0] == 1 and width == 2 and rows.lines[1] == 1 and len(first) == 1 and re.fullmatch(r"\w+", first[0]):
        header = 0.3  # rather the name of one column than a title
    prior = _PRIOR.get(marks.delimiter, 1.0)
    return _Fit(share * kinds * header * prior * (1 - 0.3 / width), width, share, kinds)


def _says_nothing(column: tuple[str, ...]) -> bool:
    """Whether a column has one value, no letter or digit, also in the header: it may be part of a delimiter."""
    return len(set(column)) == 1 and not any(character.isalnum() for character in column[0])


def _one_column(text: str, rows: _Rows, fit: _Fit, marks: _Marks, whole: bool) -> _Layout:
    values = [cells[0] for cells in rows.cells]
    absent = next((mark for mark in (",", "\t", "|", ";", "\x1f", "\x01") if mark not in text), "\x1f")
    options: dict[str, object] = {"delimiter": absent}
    evidence = ["one column: no delimiter makes records of it"]
    words = sum(len(value.split()) for value in values) / len(values)
    if _is_fixed(text):
        evidence.append("all lines are equally long and blanks stand below each other: perhaps of fixed width")
        return _Layout(options, 0.15, evidence)
    if words > 6 and fit.kinds < 0.5:
        evidence.append("its lines are sentences, no values")
        return _Layout(options, 0.15, evidence)
    confidence = (0.5 + 0.4 * fit.kinds) * (0.8 + 0.2 * _by_number(len(values)))
    confidence *= _around(rows, 1, whole, options, evidence)
    return _Layout(options, confidence, evidence)


def _is_fixed(text: str) -> bool:
    """Whether lines are equally long and have blanks at the same places, as records of fixed width do."""
    lines = [line for line in _LINE_END.split(text[:_ENOUGH]) if line.strip()][:200]
    if len(lines) < 3 or len({len(line) for line in lines}) > 1 or len(lines[0]) < 20:
        return False
    blank = [all(line[at] == " " for line in lines) for at in range(len(lines[0]))]
    digits = sum(line[at].isdigit() for line in lines for at in range(len(line))) / (len(lines) * len(lines[0]))
    return sum(blank) >= 2 or digits > 0.5


def _kind(cell: str) -> str:
    """Of what kind a cell is: "" for null, "text" for any other."""
    cell = cell.strip()
    if len(cell) > _LONG:
        return "text"
    if _NULL.fullmatch(cell):
        return ""
    match = _KIND.match(cell)
    return match.lastgroup or "text" if match else "text"


def _is_sparse(cells: list[str]) -> bool:
    """Whether a record of several fields holds one value at most: a title written by a spreadsheet."""
    return len(cells) > 2 and sum(bool(cell.strip()) for cell in cells) <= 1


def _around(rows: _Rows, width: int, whole: bool, options: dict[str, object], evidence: list[str]) -> float:
    """Find what stands above, among and below the records of `width` fields: adds to options and evidence.

    What confidence is left of 1.
    """
    left = 1.0
    comment = _comment(rows, width) or _meta(rows, width)
    if comment:
        options["comment"] = comment
        evidence.append(f"lines that begin with {comment!r} are comments")
        rows = _Rows(
            *map(list, zip(*(row for row in zip(*rows, strict=True) if not row[0][0].startswith(comment)), strict=True))
        )
    table = [i for i, cells in enumerate(rows.cells) if len(cells) == width]
    top = next((i for i in table if not _is_sparse(rows.cells[i])), table[0])
    if top > _ABOVE or top >= max(2, len(table)):
        top = 0
    body = [rows.cells[i] for i in table if i >= top]
    headers = _headers(body)
    first = rows.cells[0]
    control = _LEADER.match(first[0]) and len({cells[0] for cells in body}) < len(body)
    if top and not control and not _is_sparse(first) and not headers and 2 * len(first) > width > 1:
        evidence.append("the header has another number of names than records have fields: declare `columns`")
        top, headers, left = 0, 1, 0.25
    if top:
        options["skip"] = rows.lines[top]
        evidence.append(f"{_number(rows.lines[top], 'line')} above the table")
        left *= 0.9
    if "skip" in options and not headers:
        left *= 0.5  # one of these lines may be the header, spoilt
    options["header"] = headers if headers > 1 else bool(headers)
    evidence.append({0: "no header", 1: "a header"}.get(headers, f"{headers} header rows"))
    if whole and (footer := _footer(rows, width, table, top + headers)):
        options["footer"] = footer
        evidence.append(f"{_number(footer, 'record')} below the table that are none of it")
    ragged = sum(len(cells) != width for cells in rows.cells[top:]) - int(str(options.get("footer", 0)))
    if options.get("footer") == 1 and not ragged:
        trailer = _counting(rows.cells[-1], len(body) - headers, str(options["delimiter"]))
        if trailer:
            options["trailer"] = trailer
            evidence.append("it says how many records there are")
    if ragged > 0 and not comment:
        evidence.append(f"{_number(ragged, 'record')} of another number of fields, to be rejected")
    return left


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _headers(body: list[list[str]]) -> int:
    """How many of the first records are a header.

    A header row holds text where the column below is of another kind. Where no column tells, there is one, unless the
    first record is of the same kinds as the second, and not of text alone.
    """
    first = body[0]
    repeats = next((i for i, cells in enumerate(body[1:6], 1) if cells != first), 0)
    if repeats > 1 and any(cell.strip() for cell in first):
        return repeats
    kinds: list[str] = []
    told = 0
    for i, cells in enumerate(body[: min(4, max(1, len(body) - 1))]):
        below = body[5:205] if len(body) > 10 else body[i + 1 :]
        if not kinds or len(body) <= 10:
            kinds = [_column_kind([_kind(other[at]) for other in below]) for at in range(len(first))]
        told = i + 1 if _is_header(cells, kinds, below, strict=i > 0) else told
    if told:
        return told
    if len(body) <= 10:
        kinds = [_column_kind([_kind(other[at]) for other in body[1:]]) for at in range(len(first))]
    own = [_kind(cell) for cell in first]
    same = sum(mine == kind != "text" for mine, kind in zip(own, kinds, strict=True) if mine and kind)
    if same or (len(body) == 1 and any(kind not in {"", "text", "code"} for kind in own)):
        return 0
    return 1 if any(own) else 0


def _column_kind(kinds: list[str]) -> str:
    """The kind of four values in five; "" where that is none."""
    told = Counter(kind for kind in kinds if kind)
    if not told:
        return ""
    kind, often = told.most_common(1)[0]
    return kind if often >= 0.8 * told.total() else "text"


def _is_header(cells: list[str], kinds: list[str], below: list[list[str]], *, strict: bool) -> bool:
    own = [_kind(cell) for cell in cells]
    loose = {"text", "code"}
    differ = [
        at
        for at, (mine, kind) in enumerate(zip(own, kinds, strict=True))
        if mine in loose and kind and kind not in loose and all(cells[at] != other[at] for other in below)
    ]
    same = [
        at for at, (mine, kind) in enumerate(zip(own, kinds, strict=True)) if mine == kind and kind not in {"", "text"}
    ]
    years = [cells[at] for at in range(len(cells)) if own[at] == "number"]
    whole = all(year.strip().isdigit() for year in years) and len(set(years)) == len(years)
    if strict:
        typed = sum(kind not in {"", "text", "code"} for kind in kinds)
        return bool(differ) and 2 * len(differ) >= typed and not same
    if differ and (len(differ) >= len(same) or (years and whole)):
        return True
    if own and all(kind == "number" for kind in own) and whole and len(years) > 1:  # years, or numbers as names
        steps = {int(b) - int(a) for a, b in pairwise(years)}
        return steps == {1} and all(1800 <= int(year) <= 2200 for year in years) and _are_no_years(below)
    if (
        own.count("number") > 1
        and whole
        and all(year.isdigit() and 1800 <= int(year) <= 2200 for year in map(str.strip, years))
    ):
        return _are_no_years(below)
    return False


def _are_no_years(below: list[list[str]]) -> bool:
    return any(
        not re.fullmatch(r"(?:1[89]|2[01])\d\d", cell.strip())
        for cells in below
        for cell in cells
        if _kind(cell) == "number"
    )


def _comment(rows: _Rows, width: int) -> str | None:
    """What begins lines among the records that are none; lines above the header alone are skipped, not taken for these.

    They have another number of fields, or the file begins with one.
    """
    for mark in _COMMENTS:
        odd = [i for i, cells in enumerate(rows.cells) if cells[0].startswith(mark)]
        right = [i for i, cells in enumerate(rows.cells) if len(cells) == width and not cells[0].startswith(mark)]
        among = odd and right and odd[-1] > right[0] and 2 * len(odd) < len(rows.cells)
        if among and (odd[0] == 0 or (width > 1 and all(len(rows.cells[i]) != width for i in odd))):
            return mark
    return None


def _meta(rows: _Rows, width: int) -> str | None:
    """What begins all lines above the table where the first has `##`, as in VCF and GFF, which have any number."""
    begins = [cells[0] for cells in rows.cells]
    top = next((i for i, cells in enumerate(rows.cells) if len(cells) == width and not begins[i].startswith("##")), 0)
    if not top or not begins[0].startswith("##"):
        return None
    mark = "##" if all(begin.startswith("##") for begin in begins[:top]) else "#"
    right = any(begin.startswith(mark) for begin, cells in zip(begins, rows.cells, strict=True) if len(cells) == width)
    return mark if all(begin.startswith(mark) for begin in begins[:top]) and not right else None


def _counting(cells: list[str], records: int, delimiter: str) -> str | None:
    """The pattern of a trailer that says how many records there are; of so many that it is no chance."""
    at = next((i for i, cell in enumerate(cells) if cell.strip().isdecimal() and int(cell) == records), None)
    if at is None or records < _NO_CHANCE:
        return None
    mark = re.escape(delimiter)
    first = re.sub(r"\d+", r"\\d+", re.escape(cells[0]))
    before = f"{first}{f'(?:{mark}.*?){{{at - 1}}}' if at > 1 else ''}{mark}" if at else ""
    return rf"{before}\W?\s*(?P<records>\d+)"


def _footer(rows: _Rows, width: int, table: list[int], first: int) -> int:
    """How many records at the end are a footer by what they say; a record that is merely short may be cut off."""
    last, among = table[-1], set(table)
    while last in among and _is_sparse(rows.cells[last]) and last > first:
        last -= 1
    below = [cells for cells in rows.cells[last + 1 :] if any(cells)]
    if not below or len(rows.cells) - last - 1 > _BELOW or last < first or width == 1:
        return 0
    data = [rows.cells[i] for i in table if first <= i <= last]
    one = below[0]
    counted = len(one) <= min(3, width - 1) and str(len(data)) in one
    named = _TRAILER.match(next(filter(None, one))) and not any(_TRAILER.match(cells[0]) for cells in data)
    return len(rows.cells) - last - 1 if counted or named else 0
