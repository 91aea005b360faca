"""Layouts of fixed width records as data, read from what parties publish: a table of fields or a SAS program."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple, Self

import pydantic
from pydantic import BaseModel

from spark.errors import Unreadable

Type = Literal["text", "number", "date", "time", "datetime"]

_HEADINGS = {
    "name": ("name", "fieldname", "variable", "variablename", "column", "columnname", "field"),
    "start": ("start", "startposition", "startcolumn", "position", "begin", "from", "columns"),
    "end": ("end", "endposition", "endcolumn", "stop", "to"),
    "length": ("length", "datalength", "fieldlength", "width", "size"),
    "type": ("type", "fieldtype", "datatype", "format", "informat", "picture"),
    "decimals": ("decimals", "implieddecimals", "decimalplaces"),
    "missing": ("missing", "missingcodes", "missingvalues"),
    "label": ("label", "description", "fieldlabel"),
}
"""Headings by which a table of fields says what a column is, in lower case and letters only."""


class Field(BaseModel, frozen=True, extra="forbid"):
    """One field of a record: `start` is its first column, from 1, `length` its columns.

    The rest says what a mapping may make of the text, which stays text in Raw: `decimals` are digits behind a decimal
    point that is not written (where one is written, it holds); `missing` are codes that stand for no value.
    """

    name: str
    start: int = pydantic.Field(ge=1)
    length: int = pydantic.Field(ge=1)
    type: Type = "text"
    decimals: int = pydantic.Field(default=0, ge=0)
    missing: tuple[str, ...] = ()
    label: str = ""

    @property
    def end(self) -> int:
        """Its last column, from 1."""
        return self.start + self.length - 1


class Layout(BaseModel, frozen=True, extra="forbid"):
    """The fields of one kind of record. Fields may overlap and leave gaps, whose text is in no column.

    `record_length`, in columns, is that of a record with its filler; by default the last field's end. `record_type` is
    the value by which a file of several kinds tells this one, `since` the first year in which the layout holds.
    """

    fields: tuple[Field, ...] = pydantic.Field(min_length=1)
    record_length: int = 0
    record_type: str | None = None
    since: int | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _as_long_as_its_fields(cls, given: object) -> object:
        if not isinstance(given, dict) or given.get("record_length") or not given.get("fields"):
            return given
        fields = [Field.model_validate(field) for field in given["fields"]]
        return {**given, "fields": fields, "record_length": max(field.end for field in fields)}

    @pydantic.model_validator(mode="after")
    def _holds_its_fields(self) -> Self:
        if self.end > self.record_length:
            raise ValueError(f"fields reach to column {self.end}, the record only to {self.record_length}")
        return self

    @property
    def end(self) -> int:
        """The last column of any field, from 1."""
        return max(field.end for field in self.fields)

    @classmethod
    def from_csv(
        cls,
        text: str,
        columns: Mapping[str, str] | None = None,
        *,
        delimiter: str = ",",
        record_length: int = 0,
        record_type: str | None = None,
        since: int | None = None,
    ) -> "Layout":
        """A table with a header and a row a field.

        `columns` says which heading names what, as {"name": "field_label"}, where that does not show by itself: name,
        start, end, length, type, decimals, missing, label. Of start, end and length two are enough, and a start may be
        a range (7-12); without start and end a field begins where the one before ends. A type is a word, a COBOL
        picture (9(7)V99), a mask (YYYY-MM-DD) or a SAS informat; missing codes stand between blanks or semicolons.
        Raises `Unreadable`.
        """
        reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)
        headings = _headings(reader.fieldnames or (), columns or {})
        fields: list[Field] = []
        for row in reader:
            cells = {key: (row.get(heading) or "").strip() for key, heading in headings.items()}
            if any(cells.values()):
                fields.append(_field(cells, next_start=fields[-1].end + 1 if fields else 1))
        return _layout(fields, record_length, record_type, since)

    @classmethod
    def from_texas(cls, text: str, *, record_type: str | None = None, since: int | None = None) -> "Layout":
        """A definition of Texas' Public Use Data File: number, name, position, length and type, by tabs or blanks.

        What stands behind a name is a note. Raises `Unreadable`.
        """
        fields = []
        for number, line in enumerate(text.splitlines(), 1):
            if found := _TEXAS.fullmatch(line):
                name, note, start, length, kind = found.groups()
                cells = {"name": name, "start": start, "length": length, "type": kind, "label": note}
                fields.append(_field(cells, next_start=1))
            elif line.strip() and not line.lower().startswith("number"):
                raise Unreadable(f"line {number} of the definition is no field: {line.strip()!r}")
        return _layout(fields, 0, record_type, since)

    @classmethod
    def from_sas(
        cls, program: str, *, data: str | None = None, record_type: str | None = None, since: int | None = None
    ) -> "Layout":
        """The INPUT statement of a SAS program, such as MEPS' SU.TXT.

        Read besides: LRECL of INFILE, LENGTH, LABEL, ATTRIB and INFORMAT, and the informats that PROC FORMAT defines,
        whose values for SAS' missing are the missing codes. `data` names the DATA step where several have an INPUT.
        Raises `Unreadable` for what a layout cannot say: list input, several lines a record, packed numbers.
        """
        return _layout_of_step(_step(program, data, {}), record_type, since)

    @classmethod
    def from_hcup(cls, program: str, *, record_type: str | None = None, since: int | None = None) -> "Layout":
        """A SAS load program of HCUP; see `from_sas`.

        Programs of the 1990s leave out the PROC FORMAT, whose informats say by their names how they read: N12P2F are 12
        columns, two of them decimals. Their missing codes fill the columns with 9 (missing), 8 (invalid), 7 or 6
        (inconsistent), in two columns also 5 (not applicable), behind a minus.
        """
        return _layout_of_step(_step(program, None, _hcup_informats(program)), record_type, since)


def _layout_of_step(step: "_Step", record_type: str | None, since: int | None) -> Layout:
    fields = list(_inputs(step))
    # LRECL is how much SAS reads at most; where it is less than the fields, SAS takes the rest for blank
    length = max([step.record_length, *(field.end for field in fields)])
    return _layout(fields, length, record_type, since)


def _layout(fields: Sequence[Field], record_length: int, record_type: str | None, since: int | None) -> Layout:
    if not fields:
        raise Unreadable("the layout has no fields")
    if record_length and record_length < max(field.end for field in fields):
        raise Unreadable(f"fields reach beyond a record of {record_length}")
    return Layout(fields=tuple(fields), record_length=record_length, record_type=record_type, since=since)


# ---- tables of fields

_TEXAS = re.compile(r"\s*\d+[a-z]?\s+(\S+)(.*?)\s(\d+)\s+(\d+)\s+([A-Za-z][A-Za-z/-]*)\s*")


def _headings(given: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Which heading says what; raises `Unreadable` where name or place are said by none."""
    plain = {re.sub(r"[^a-z]", "", heading.lower()): heading for heading in reversed(given)}
    found = {
        key: heading
        for key, known in _HEADINGS.items()
        if (heading := next((plain[name] for name in known if name in plain), None))
    } | dict(columns)
    if unknown := [key for key in columns if key not in _HEADINGS]:
        raise Unreadable(f"a layout has no {unknown[0]!r}; it has {', '.join(_HEADINGS)}")
    if absent := [heading for heading in columns.values() if heading not in given]:
        raise Unreadable(f"the layout has no heading {absent[0]!r}; it has {', '.join(given)}")
    if "name" not in found or not {"length", "end", "start"} & found.keys():
        raise Unreadable(f"the headings {', '.join(given)} do not say which holds name, start, end or length")
    return found


def _field(cells: Mapping[str, str], next_start: int) -> Field:
    """A row of a table of fields; raises `Unreadable` naming the field."""
    name = _name(cells["name"])
    try:
        start, end, length = (int(cells[key]) if cells.get(key, "").isdigit() else None for key in _PLACE)
        if found := re.fullmatch(r"(\d+)\s*[-\N{EN DASH}:]\s*(\d+)", cells.get("start", "")):
            start, end = int(found[1]), int(found[2])
        elif any(cells.get(key, "").strip("0123456789") for key in _PLACE):
            raise ValueError("its place is no number")
        if start is None:
            start = end - length + 1 if end and length else next_start
        if length is None:
            length = end - start + 1 if end else 1
        if end not in (None, start + length - 1):
            raise ValueError(f"columns {start} to {end} are not {length}")
        type_, decimals = _type(cells.get("type", ""))
        return Field(
            name=name,
            start=start,
            length=length,
            type=type_,
            decimals=int(cells.get("decimals") or decimals),
            missing=tuple(re.split(r"[\s;]+", cells["missing"]) if cells.get("missing") else ()),
            label=" ".join(cells.get("label", "").split()),
        )
    except ValueError as error:  # pydantic's is one
        raise Unreadable(f"field {name!r} of the layout: {error}") from error


_PLACE = ("start", "end", "length")


def _name(text: str) -> str:
    """The name in a cell; blanks in an identifier come from a PDF that broke the line there."""
    return re.sub(r"\s+", "" if "_" in text else " ", text.strip())


_WORDS: dict[str, Type] = {
    "numeric": "number",
    "number": "number",
    "num": "number",
    "n": "number",
    "int": "number",
    "integer": "number",
    "decimal": "number",
    "float": "number",
    "double": "number",
    "date": "date",
    "time": "time",
    "datetime": "datetime",
    "timestamp": "datetime",
}


def _type(text: str) -> tuple[Type, int]:
    """What a type's word, COBOL picture, mask or SAS informat says: the type, and the implied decimals.

    What nobody knows is text, which loses nothing. Raises `Unreadable` for what is no text in the file.
    """
    plain = re.sub(r"\s+", "", text).upper()
    if "COMP" in plain:
        raise Unreadable(f"{text!r} is a packed or binary number, which is no text")
    if kind := _WORDS.get(plain.lower()):
        return kind, 0
    if re.fullmatch(r"[YMDC/.:-]*Y[YMDC/.:-]*M[YMDC/.:-]*|M[YMD/.-]*Y[YMD/.-]*|D[YMD/.-]*Y[YMD/.-]*", plain):
        return "date", 0
    repeated = re.sub(r"(.)\((\d+)\)", lambda found: found[1] * int(found[2]), plain)
    if found := re.fullmatch(r"[-+S]?[9Z]+(?:V(9+)|\.9+)?[-+]?", repeated):
        return "number", len(found[1] or "")
    if found := _INFORMAT.fullmatch(plain):
        informat = _informat(found, {})
        return informat.type, informat.decimals
    return "text", 0


# ---- SAS programs


class _Informat(NamedTuple):
    """How SAS reads a field; `length` None where the informat leaves it open."""

    type: Type
    length: int | None
    decimals: int = 0
    missing: tuple[str, ...] = ()


class _Step(NamedTuple):
    """What a DATA step says of the file that it reads, names in lower case; `formats` are the program's.

    `branches` are the conditions that it makes, as how many INPUT statements stood before each.
    """

    name: str
    inputs: list[str]
    branches: list[int]
    formats: dict[str, _Informat]
    texts: set[str]
    labels: dict[str, str]
    informats: dict[str, _Informat]
    lengths: list[int]

    @property
    def record_length(self) -> int:
        return max(self.lengths, default=0)


_STRING = r"'(?:[^'\n]|'')*'|\"(?:[^\"\n]|\"\")*\""
_PIECE = re.compile(rf"/\*.*?\*/|{_STRING}|;|[^/'\";]+|.", re.DOTALL)
_COMMENT = re.compile(r"\s*%?\*[^;]*;?")
_INFORMAT = re.compile(r"(?P<text>\$?)(?P<name>(?:[A-Z_]\w*?)?)(?P<length>\d*)\.(?P<decimals>\d*)", re.IGNORECASE)
_DATES = re.compile(r"(?:DATE|MMDDYY|DDMMYY|YYMMDD|YYMMN?|MMYY|MONYY|JULIAN|ANYDTDTE|E8601DA|B8601DA)", re.IGNORECASE)
_MOMENTS = re.compile(r"(?:DATETIME|ANYDTDTM|E8601DT|B8601DT|MDYAMPM)", re.IGNORECASE)
_TIMES = re.compile(r"(?:TIME|ANYDTTME|E8601TM|B8601TM|HHMMSS|STIMER)", re.IGNORECASE)
_PACKED = re.compile(r"(?:P[DKI]B?R?|[IR]BR?|PIBR?|S370F\w*|VAXRB|\$?EBCDIC|\$?HEX|\$?BINARY|BITS)", re.IGNORECASE)


def _statements(program: str) -> Iterator[str]:
    """The program's statements without comments; a string, within its line, may hold semicolons."""
    at, statement = 0, ""
    while at < len(program):
        if not statement.strip() and (comment := _COMMENT.match(program, at)):
            at = comment.end()
            continue
        found = _PIECE.match(program, at)
        assert found  # noqa: S101  # the pattern takes any character
        at = found.end()
        if found[0] == ";":
            yield statement.strip()
            statement = ""
        else:
            statement += " " if found[0].startswith("/*") else found[0]
    if statement.strip():
        yield statement.strip()


def _step(program: str, data: str | None, formats: dict[str, _Informat]) -> _Step:
    """The DATA step that has an INPUT, by its name where one is given; raises `Unreadable` unless it is one."""
    steps = [step for step in _steps(program, formats) if step.inputs]
    if data is not None:
        steps = [step for step in steps if step.name.lower() == data.lower()]
    if len(steps) != 1:
        there = ", ".join(step.name for step in steps) or "none"
        raise Unreadable(f"the program needs one DATA step with an INPUT statement, or its name; there is {there}")
    return steps[0]


def _steps(program: str, formats: dict[str, _Informat]) -> list[_Step]:
    """The DATA steps; the program's own informats are added to `formats`."""
    steps: list[_Step] = []
    inside = False
    for statement in _statements(program):
        word = (re.match(r"\w*", statement) or [""])[0]
        rest = statement[len(word) :].strip()
        match word.upper():
            case "DATA":
                name = re.split(r"[\s(]", rest or "_null_")[0].rpartition(".")[2]
                steps.append(_Step(name, [], [], formats, set(), {}, {}, []))
                inside = True
            case "PROC" | "RUN":
                inside = False
            case "INVALUE":
                formats.update(_invalue(rest))
            case _ if inside:
                _take(steps[-1], word.upper(), rest)
    return steps


def _take(step: _Step, word: str, rest: str) -> None:
    """One statement of a DATA step."""
    match word:
        case "INPUT":
            step.inputs.append(rest)
        case "IF" | "ELSE" | "SELECT" | "WHEN" | "OTHERWISE":
            step.branches.append(len(step.inputs))
            if found := re.search(r"\bINPUT\s+([^(\s].*)", rest, re.IGNORECASE | re.DOTALL):
                step.inputs.append(found[1])
        case "INFILE":
            step.lengths.extend(int(length) for length in re.findall(r"(?i)\bLRECL\s*=\s*(\d+)", rest))
        case "LENGTH":
            step.texts.update(_texts(rest))
        case "INFORMAT":
            for names, informat in re.findall(r"([\w\s-]+?)\s+(\$?\w*\.\d*)", rest):
                step.informats.update(dict.fromkeys(_names(names), _known(informat, step.formats)))
        case "LABEL":
            for name, label in re.findall(rf"(\w+)\s*=\s*({_STRING})", rest):
                step.labels[name.lower()] = _unquoted(label)
        case "ATTRIB":
            _attributes(step, rest)


def _texts(lengths: str) -> Iterator[str]:
    """The names that LENGTH says are text, as in `A B $ 4 C 8`."""
    names: list[str] = []
    text = False
    for name, dollar, _length in re.findall(r"([A-Za-z_]\w*(?:\s*-\s*[A-Za-z_]\w*)?)|(\$)|(\d+)", lengths):
        if name:
            names += _names(name)
        elif dollar:
            text = True
        else:
            yield from names if text else ()
            names, text = [], False


def _attributes(step: _Step, rest: str) -> None:
    names: list[str] = []
    fresh = True
    for key, value, name in re.findall(
        rf"(?i)(LENGTH|LABEL|FORMAT|INFORMAT)\s*=\s*({_STRING}|\$?[\w.]+)|([\w-]+)", rest
    ):
        if name:
            names = [*([] if fresh else names), *_names(name)]
            fresh = False
            continue
        fresh = True
        match key.upper():
            case "LENGTH" if value.startswith("$"):
                step.texts.update(names)
            case "LABEL":
                step.labels.update(dict.fromkeys(names, _unquoted(value)))
            case "INFORMAT":
                step.informats.update(dict.fromkeys(names, _known(value, step.formats)))


_ITEM = re.compile(
    r"""\s*(?:
        @\s*(?P<at>\d+)
        | \+\s*(?P<skip>\d+)
        | (?P<hold>@@?)\s*$
        | \((?P<names>[\w\s-]+)\)\s*\((?P<informats>[\w\s$.,]+)\)
        | (?P<name>[A-Za-z_]\w*)(?:
            (?:\s+|\s*(?P<text>\$)\s*)(?P<first>\d+)(?:\s*-\s*(?P<last>\d+))?(?![\w.])(?:\s+\.(?P<decimals>\d+))?
            | \s*\?{0,2}\s*(?P<informat>\$?\w*\.\d*)
          )?
    )""",
    re.VERBOSE,
)
"""What may stand in an INPUT statement: a pointer, a group, or a name with its columns or its informat."""


def _inputs(step: _Step) -> Iterator[Field]:
    """The fields that INPUT reads; raises `Unreadable`."""
    *held, last = step.inputs
    if any(branch < len(step.inputs) for branch in step.branches):
        raise Unreadable(f"DATA step {step.name} reads by conditions; make a layout of each kind of record")
    if not all(statement.rstrip().endswith("@") for statement in held):
        raise Unreadable(f"DATA step {step.name} reads several lines a record")
    column = 1
    for statement in (*held, last):
        at = 0
        while statement[at:].strip():
            found = _ITEM.match(statement, at)
            if not found:
                raise Unreadable(f"no layout can say what INPUT reads at {statement[at:].strip()[:40]!r}")
            at = found.end()
            if found["at"]:
                column = int(found["at"])
            elif found["skip"]:
                column += int(found["skip"])
            elif found["name"] or found["names"]:
                for field in _read_as(found, column, step):
                    yield field
                    column = field.end + 1


def _read_as(found: re.Match[str], column: int, step: _Step) -> Iterator[Field]:
    """The fields of one item, which begin at `column` unless they say where themselves."""
    if found["first"]:
        name = found["name"]
        first, last = int(found["first"]), int(found["last"] or found["first"])
        if last < first:
            raise Unreadable(f"INPUT reads {name} from column {first} to {last}")
        text = found["text"] or name.lower() in step.texts
        informat = _Informat("text" if text else "number", last - first + 1, 0 if text else int(found["decimals"] or 0))
        yield _as_field(name, first, informat, step)
        return
    names = [found["name"]] if found["name"] else _spelt(found["names"])
    informats = [found["informat"]] if found["name"] else re.split(r"[\s,]+", found["informats"].strip(" ,"))
    for position, name in enumerate(names):
        text = informats[position % len(informats)]
        informat = _known(text, step.formats) if text else step.informats.get(name.lower(), _Informat("text", None))
        field = _as_field(name, column, informat, step)
        yield field
        column = field.end + 1


def _as_field(name: str, start: int, informat: _Informat, step: _Step) -> Field:
    if not informat.length or start < 1:
        raise Unreadable(f"the program does not say how many columns INPUT reads for {name}")
    return Field(
        name=name,
        start=start,
        length=informat.length,
        type=informat.type,
        decimals=informat.decimals,
        missing=informat.missing,
        label=step.labels.get(name.lower(), ""),
    )


def _known(text: str, formats: Mapping[str, _Informat]) -> _Informat:
    found = _INFORMAT.fullmatch(text.strip())
    if not found:
        raise Unreadable(f"{text!r} is no informat")
    return _informat(found, formats)


def _informat(found: re.Match[str], formats: Mapping[str, _Informat]) -> _Informat:
    """SAS' own informats, and those in `formats`; raises `Unreadable` for packed numbers, which are no text."""
    name = found["text"] + found["name"]
    length = int(found["length"]) if found["length"] else None
    if own := formats.get(name.lower()):
        return own._replace(length=length or own.length)
    if _PACKED.fullmatch(name):
        raise Unreadable(f"informat {found[0]} reads bytes that are no text")
    for pattern, kind in _CLOCK:
        if pattern.fullmatch(name):
            return _Informat(kind, length)
    if found["text"] or name.upper().startswith("ZD"):  # the sign of a zoned number is part of a digit
        return _Informat("text", length)
    return _Informat("number", length, int(found["decimals"] or 0))


_CLOCK: tuple[tuple[re.Pattern[str], Type], ...] = ((_DATES, "date"), (_MOMENTS, "datetime"), (_TIMES, "time"))


def _invalue(rest: str) -> dict[str, _Informat]:
    """The informat that INVALUE defines: its length by that of OTHER, else by its longest value."""
    name, _, body = re.sub(r"\s+", " ", rest).partition(" ")
    other = re.search(r"(?i)\bOTHER\s*=\s*(?:\(\||\[)\s*(\$?\w*\.\d*)\s*(?:\|\)|\])", body)
    base = _known(other[1], {}) if other else _Informat("text" if name.startswith("$") else "number", None)
    sides = re.findall(rf"((?:(?:{_STRING}|[-\w.]+)\s*,?\s*)+?)=\s*({_STRING}|\(\||\[|[-\w.]+)", body)
    values = [(re.findall(rf"{_STRING}|[-\w.]+", left), right) for left, right in sides]
    missing = tuple(
        _unquoted(value)
        for left, right in values
        if re.fullmatch(r"(?i)\.[a-z_]?", right)
        for value in left
        if value.upper() != "OTHER"
    )
    longest = max((len(_unquoted(value)) for value in chain(*(left for left, _ in values))), default=None)
    return {name.lower(): base._replace(length=base.length or longest, missing=missing)}


def _hcup_informats(program: str) -> dict[str, _Informat]:
    """HCUP's informats that `program` uses, by what their names say."""
    found = {}
    for name, length, decimals in re.findall(r"(?i)\b(N(\d+)P(\d*)F)\.", program):
        whole, behind = int(length) - 1 - bool(decimals), int(decimals or 0)
        missing = [
            f"-{digit * (whole - behind)}.{digit * behind}" if behind else f"-{digit * whole}"
            for digit in ("98765" if length == "2" else "9876")
        ]
        found[name.lower()] = _Informat("number", int(length), behind, tuple(missing))
    dates = {f"date{length}f": _Informat("date", int(length)) for length in re.findall(r"(?i)\bDATE(\d+)F\.", program)}
    return found | dates


def _spelt(text: str) -> list[str]:
    """The names in a list, ranges (DX1-DX25) written out; raises `Unreadable`."""
    names = []
    for word in re.sub(r"\s*-\s*", "-", text).split():
        if found := re.fullmatch(r"(\w*?)(\d+)-(\w*?)(\d+)", word):
            if found[1].lower() != found[3].lower():
                raise Unreadable(f"{word} is no range of names")
            names += [f"{found[1]}{number}" for number in range(int(found[2]), int(found[4]) + 1)]
        else:
            names.append(word)
    return names


def _names(text: str) -> list[str]:
    return [name.lower() for name in _spelt(text)]


def _unquoted(text: str) -> str:
    quote = text[:1]
    return " ".join(text[1:-1].replace(quote * 2, quote).split()) if quote in ("'", '"') and text[1:] else text
