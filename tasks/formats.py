"""Which reader a file has: declared by a name and options as text, or found by its content and its name."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from string import ascii_letters, digits
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin
from urllib.parse import parse_qsl
from xml.parsers import expat

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from spark.detect import DOUBTFUL, detect
from spark.errors import UnknownFormat, Unreadable
from spark.readers import READERS, AnyReader, Fixed, Layout
from spark.readers.x12_envelope import ROLES, SEGMENTS, first_set

HEAD = 256 * 1024
"""Bytes of a file's beginning that tell its format."""

SURE = 0.7
"""The confidence from which text is taken for delimited where neither `--format` nor the name says that it is."""

ENDINGS = {
    "csv": "csv tsv tab psv txt dat asc",
    "excel": "xlsx xlsm xlsb xls ods",
    "sas": "sas7bdat xpt",
    "xml": "xml",
    "json": "json jsonl ndjson",
    "parquet": "parquet pq",
    "avro": "avro",
    "orc": "orc",
    "x12": "x12 edi 835 837",
}
"""The endings that names of a format's files have. `.txt` and `.dat` say no more than that it is text."""

_BINARY = [
    ("sas", rb"\0{12}\xc2\xea\x81\x60|HEADER RECORD\*{7}LIB|\*\*COMPRESSED\*\*|LIB CONTROL"),
    ("parquet", rb"PAR1[\0-\x1f]|PARE"),
    ("orc", rb"(?s)ORC.*[\0-\x08]"),
    ("avro", rb"Obj\x01"),
    ("excel", rb"PK\x03\x04|\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
]
_NOT_READ = (
    ("a Stata file", rb"<stata_dta>|[\x69-\x73][\x01\x02]\x01\0"),
    ("an SPSS file", rb"\$FL[23]@\(#\)"),
    ("an SQLite database", rb"SQLite format 3\0"),
    ("an Access database", rb"\0\x01\0\0Standard (?:Jet|ACE) DB\0"),
    ("a dBase table", rb"[\x03\x30\x31\x83\x8b\xf5][\x00-\xff][\x01-\x0c][\x01-\x1f].{8}\0"),
    ("of R", rb"RD[AX]2\n|X\n\0\0\0[\x02\x03]"),
)
"""Formats of tables that are named, for who is to ask for another, by how they begin."""
_TEXT = [
    ("xml", r"<(\?xml\s|!DOCTYPE\s|!--|[^\W\d][\w.:-]*[\s/>])"),
    ("json", r'\{\s*("|\}|$)|\[\s*([\[{"\]]|-?\d|true\b|false\b|null\b|$)'),
    # An interchange, or, without its envelope, a group or a transaction: ASC X12.5.
    (
        "x12",
        r"ISA([^\w\s])\d\d\1[^\r\n]{5,12}\1\d\d\1|GS([^\w\s])[A-Z]{2}\2[^\r\n]{2,15}\2|ST([^\w\s])\d{3}\3\d{4,9}\b",
    ),
]
_EBCDIC = frozenset(f"{ascii_letters}{digits} .,-/:'&()\n\x85".encode("cp037"))
_WEB_PAGE = re.compile(r"(?is)(<\?xml.*?\?>|<!--.*?-->|\s)*<(!doctype\s+html|html[\s>])")
_DELIMITED = (".csv", ".tsv", ".tab", ".psv")
_MARKS = ("delimiter", "quote", "escape", "comment")
_HEADINGS = ("name", "start", "end", "length", "type", "decimals", "missing", "label")


class Choice(NamedTuple):
    """A reader, and what speaks for it: nothing where it was declared, no confidence where the content is plain."""

    format: str
    reader: AnyReader
    evidence: tuple[str, ...] = ()
    confidence: float | None = None


def choose(name: str, head: bytes, *, whole: bool, fmt: str | None = None, options: Sequence[str] = ()) -> Choice:
    """The reader of a file that begins with `head`, its first `HEAD` bytes, or is that as a `whole`.

    `fmt` and `options` (each `name=value`) are what is known of it; the rest is found. Content goes before the name's
    ending. Raises `UnknownFormat` where nothing fits, or nothing for sure, and for options that the reader lacks.
    """
    given = _pairs(name, options)
    evidence: tuple[str, ...] = ()
    declared = fmt is not None
    if fmt is None:
        fmt, said = ("fixed", "") if "layout" in given or "layouts" in given else _format(name, head)
        evidence = (said,) if said else ()
    if fmt not in READERS:
        raise UnknownFormat(f"{name}: no reader for {fmt!r}; there are {', '.join(READERS)}")
    values = _fixed(name, given) if fmt == "fixed" else _values(name, fmt, given)
    if fmt == "csv" and "delimiter" not in values:
        return _detected(name, head, values, whole=whole, declared=declared)
    if fmt == "xml" and "row" not in values and "row" in READERS[fmt].model_fields:
        values["row"], said = _row(name, head)
        evidence = (*evidence, said)
    if fmt == "x12" and "kind" not in values and (found := first_set(head)) not in (None, *ROLES):
        values["kind"] = SEGMENTS
        evidence = (*evidence, f"transaction set {found}: a row a segment")
    year = values.pop("year", None) if fmt == "fixed" else None
    reader = _made(name, fmt, values)
    return Choice(fmt, reader.of(year) if isinstance(reader, Fixed) and year else reader, evidence)


def shown(choice: Choice) -> dict[str, object]:
    """A reader as JSON: its format, and its options where they are not the default ones."""
    return {"format": choice.format, **choice.reader.model_dump(mode="json", exclude_defaults=True)}


def _format(name: str, head: bytes) -> tuple[str, str]:
    """A file's format by its content, or else by its name, and what says so."""
    ending = name.rpartition(".")[2].lower()
    by_name = next((fmt for fmt, endings in ENDINGS.items() if ending in endings.split()), None)
    if not head and (by_name == "json" or name.lower().endswith(_DELIMITED)):
        return by_name or "csv", "it is empty"
    if not head:
        raise UnknownFormat(f"{name} is empty, so that nothing tells its format")
    if found := next((fmt for fmt, magic in _BINARY if re.match(magic, head)), None):
        return found, f"it begins as {found} does"
    if of := next((of for of, begins in _NOT_READ if re.match(begins, head, re.DOTALL)), None):
        raise UnknownFormat(f"{name} is {of}, which no reader reads: ask the party for delimited text or Parquet")
    text = _decoded(head)
    if _WEB_PAGE.match(text):
        what = "a table in HTML" if by_name == "excel" else "as a server sends it for a file that it does not have"
        raise UnknownFormat(f"{name} is a web page, {what}")
    if head.startswith(b"%PDF"):
        raise UnknownFormat(f"{name} is a PDF")
    if re.match(r"(?:FHS\W|BHS\W|MSH\W)", text):
        raise UnknownFormat(
            f"{name} is of HL7 version 2, which no reader reads. Ask the party for FHIR or delimited text, or have an "
            "integration engine make JSON of it"
        )
    if found := next((fmt for fmt, begins in _TEXT if re.match(begins, text)), None):
        return found, f"it begins as {found} does"
    text_as_workbook = by_name == "excel" and text and not _is_binary(head, text)
    if by_name and by_name != "csv" and not text_as_workbook:
        return by_name, f"its name ends in .{ending}"  # its reader says what is wrong with it
    if _is_ebcdic(head):
        raise UnknownFormat(
            f"{name} is EBCDIC, as mainframes write it. Where its records are lines, give a layout by -o layout=FILE "
            "and -o encoding=cp037; where they have no line ends, or packed numbers, ask the party for text"
        )
    if _is_binary(head, text):
        raise UnknownFormat(f"{name} is no text, and begins as no format that is known")
    return "csv", "it is text"


def _decoded(head: bytes) -> str:
    """The beginning of a text without its byte order mark and blanks, characters beyond ASCII whatever they are."""
    marks = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    encoding = next((known for mark, known in marks.items() if head.startswith(mark)), "latin-1")
    return head.removeprefix(b"\xef\xbb\xbf").decode(encoding, "ignore").lstrip()


def _is_binary(head: bytes, text: str) -> bool:
    """Whether characters that no text has are many. \\x01 and \\x1c to \\x1f delimit fields; a stray NUL occurs."""
    if 0.3 < head.count(0) / len(head) < 0.6 and not (head[::2].strip(b"\0") and head[1::2].strip(b"\0")):
        return False  # UTF-16 without a mark
    return len(re.findall(r"[\0\x02-\x08\x0e-\x1b]", text)) > 0.02 * len(text)


def _is_ebcdic(head: bytes) -> bool:
    """Whether nearly all is what EBCDIC has for letters, digits, blanks and usual marks."""
    some = head[:4096]
    return not some.isascii() and sum(byte in _EBCDIC for byte in some) > 0.9 * len(some)


def _detected(name: str, head: bytes, values: dict[str, Any], *, whole: bool, declared: bool) -> Choice:
    """The dialect of delimited text as its content shows it, but for what is given."""
    found = detect(head, whole=whole)
    least = 0.0 if declared else DOUBTFUL if name.lower().endswith(_DELIMITED) else SURE
    if found.confidence < least:
        raise UnknownFormat(
            f"{name}: delimited text, if at all, but only {found.confidence:.0%} sure ({'; '.join(found.evidence)}). "
            "Where it is, say so by --format csv, and how by -o delimiter=…; where columns have fixed places, give a "
            "layout by -o layout=FILE",
            of="text",
        )
    own = found.reader.model_dump(exclude_unset=True)
    return Choice("csv", _made(name, "csv", {**own, **values}), found.evidence, round(found.confidence, 3))


def _row(name: str, head: bytes) -> tuple[str, str]:
    """The tag of an XML file's rows: that of the root's children, where all that repeat have the same."""
    counts: Counter[tuple[str, ...]] = Counter()
    path: list[str] = []

    def start(tag: str, _attributes: dict[str, str]) -> None:
        path.append(tag.rpartition(":")[2])
        counts[tuple(path)] += 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, lambda _tag: path.pop()
    with suppress(expat.ExpatError):  # the beginning alone is not well-formed, and its reader says what is wrong
        parser.Parse(head)
    many = [path for path, count in counts.items() if count > 1]
    children = [path for path in many if len(path) == 2]
    if len(children) == 1 and sum(path[-1] == children[0][-1] for path in counts) == 1:
        return children[0][-1], f"<{children[0][-1]}> is what <{children[0][0]}> repeats"
    likely = sorted(many or counts, key=lambda path: (len(path), -counts[path]))[:10]
    tags = ", ".join(f"{path[-1]} ({counts[path]:,} × /{'/'.join(path)})" for path in likely)
    raise UnknownFormat(
        f"{name}: which elements are its rows? Say it by -o row=TAG; there are {tags or 'none'}", of="xml"
    )


def _pairs(name: str, options: Iterable[str]) -> dict[str, list[str]]:
    """Options by name; `layout` may stand several times."""
    pairs: dict[str, list[str]] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise UnknownFormat(f"{name}: an option is name=value, and {option!r} is not")
        if key in pairs and key != "layout":
            raise UnknownFormat(f"{name}: the option {key} stands there twice")
        pairs.setdefault(key, []).append(value)
    return pairs


def _values(name: str, fmt: str, given: dict[str, list[str]]) -> dict[str, Any]:
    """Options as their fields want them; what a reader does not know stays for it to refuse."""
    fields = READERS[fmt].model_fields
    return {key: _value(name, key, value, fields.get(key)) for key, (value,) in given.items()}


def _value(name: str, key: str, text: str, field: FieldInfo | None) -> Any:  # noqa: ANN401  # JSON
    """Text as it stands where the field is text, else JSON; `@path` for what is in a file, nothing for none."""
    if text.startswith("@") and len(text) > 1:
        text = _read(text[1:])
    if text == "":
        return None
    if field is not None and _is_text(field.annotation):
        if key not in _MARKS or len(text) < 2:
            return text
        try:
            return text.encode("latin-1", "backslashreplace").decode("unicode_escape")
        except UnicodeDecodeError:
            raise UnknownFormat(f"{name}: {key}={text!r} ends within an escape") from None
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if field is None or field.annotation is None or text[0] in '[{"':
        return value
    try:
        TypeAdapter[Any](field.annotation).validate_python(value)
    except ValidationError:  # a sheet may be called 1e3
        return text
    return value


def _is_text(annotation: object) -> bool:
    """Whether a field holds text and nothing else."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _is_text(inner[0])
    if origin in (Union, UnionType):
        return all(kind is NoneType or _is_text(kind) for kind in inner)
    return annotation is str or origin is Literal


def _made(name: str, fmt: str, values: dict[str, Any]) -> AnyReader:
    kind = READERS[fmt]
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or fmt}: {e['msg']}" for e in error.errors())
        known = ", ".join((*kind.model_fields, *(("layout", "year") if fmt == "fixed" else ())))
        raise UnknownFormat(f"{name}: {fmt} cannot be read with these options ({wrong}); it knows {known}") from None


def _fixed(name: str, given: dict[str, list[str]]) -> dict[str, Any]:
    """Options of `Fixed`, whose layouts may come from files: `layout=FILE`, several times, and `year`."""
    files = given.pop("layout", [])
    (year,) = given.pop("year", ["0"])
    values = _values(name, "fixed", given)
    if files:
        values["layouts"] = tuple(layout(file) for file in files)
    if "layouts" not in values:
        raise UnknownFormat(f"{name}: fixed width needs a layout, by -o layout=FILE")
    if not year.isdigit():
        raise UnknownFormat(f"{name}: year={year!r} is no year")
    return {**values, "year": int(year)}


def layout(spec: str) -> Layout:
    """A layout from a file: JSON, a table of fields, a SAS or HCUP program, or a definition of Texas' PUDF.

    What is said of it stands behind the file's name as in a URL: `layout.csv?record_type=10&since=2012&name=Label`.
    `record_type`, `since`, `data`, `delimiter`, `record_length` and headings are those of `Layout.from_csv` and
    `from_sas`; `format` is json, csv, sas, hcup or texas, where the content does not show it. Raises `UnknownFormat`
    and `Unreadable`.
    """
    path, _, query = spec.partition("?")
    said: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    text = _read(path.removeprefix("@"))
    form = said.pop("format", None) or _layout_form(text)
    headings = {key: said.pop(key) for key in _HEADINGS if key in said}
    for key in ("since", "record_length"):
        if key in said:
            said[key] = int(said[key]) if said[key].isdigit() else said[key]
    try:
        match form:
            case "json":
                return Layout.model_validate({**json.loads(text), **said})
            case "csv":
                said.setdefault("delimiter", max(",;\t|", key=text.partition("\n")[0].count))
                return Layout.from_csv(text, headings, **said)
            case "sas":
                return Layout.from_sas(text, **said)
            case "hcup":
                return Layout.from_hcup(text, **said)
            case "texas":
                return Layout.from_texas(text, **said)
            case _:
                raise UnknownFormat(
                    f"{path}: no layout is in the format {form!r}; there are json, csv, sas, hcup, texas"
                )
    except Unreadable as error:
        raise Unreadable(f"{path}: {error.what}") from error
    except TypeError as error:
        unknown = str(error).rpartition("argument ")[2]
        raise UnknownFormat(f"{path}: a layout in the format {form} knows no {unknown}") from None
    except ValueError as error:
        raise Unreadable(f"{path}: no layout: {error}") from None


def _layout_form(text: str) -> str:
    if text.lstrip().startswith("{"):
        return "json"
    if re.search(r"(?im)(^|;)\s*input\b", text) and ";" in text:
        return "hcup" if re.search(r"(?i)\bHCUP\b|\b_?N\d+P\w*F\b", text) else "sas"
    return "texas" if re.search(r"(?m)^\s*\d+[a-z]?\s+\S.*\s\d+\s+\d+\s+[A-Za-z][A-Za-z/-]*\s*$", text) else "csv"


def _read(path: str) -> str:
    """A small text file, in UTF-8 or else what Windows makes."""
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
