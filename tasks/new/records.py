"""Where a file's records are, where its format alone does not say: which elements, array, sheets or columns."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from xml.parsers import expat

from spark.readers import Csv, Excel, Field, Fixed, Json, Layout, Xml
from spark.readers.excel import Row

_MOST_FIELDS = 500
_LINES = 2_000
_LISTED = 20  # characters of one thing in a list at most
_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|99991231")
_ABOVE = 30  # lines in which a ruled table begins
_RULE = re.compile(r" *-{2,}(?: +-+)+ *")
_ROWS_BELOW = re.compile(r"(?i)^\W*\d+ (?:row|record|line)s?\b")
_MARKS = ({"."}, {"-"}, {"/"}, {":"})
_FRAMED = 20  # lines of which what one lacks, or all have, is no chance


def xml_rows(head: bytes) -> tuple[Xml, ...]:
    """Readers of an XML file by its beginning: of the elements that repeat, as near to the root as there are such.

    From the root on down: where some of the children repeat, each of these is a kind of rows; where one child holds
    nearly all, it is looked into; else the element is a record of its own, as an article or a clinical document is.
    """
    paths = _paths(head)
    at: tuple[str, ...] | None = next((path for path in paths if len(path) == 1), None)
    while at is not None:
        children = {path: n for path, n in paths.items() if path[:-1] == at}
        repeated = [path for path, n in children.items() if n > 1]
        if repeated:
            return tuple(Xml(row=path[-1]) for path in repeated)
        inside = {child: sum(n for path, n in paths.items() if path[: len(child)] == child) for child in children}
        largest = max(inside, key=lambda child: inside[child], default=None)
        if largest is None or inside[largest] < 0.8 * sum(inside.values()) or not _has_children(largest, paths):
            return (Xml(row=at[-1]),)
        at = largest
    return ()


def _has_children(of: tuple[str, ...], paths: Counter[tuple[str, ...]]) -> bool:
    return any(path[:-1] == of for path in paths)


def _paths(head: bytes) -> Counter[tuple[str, ...]]:
    """How often elements stand at each path, by their names without prefixes."""
    counts: Counter[tuple[str, ...]] = Counter()
    path: list[str] = []

    def start(tag: str, _attributes: dict[str, str]) -> None:
        path.append(tag.rpartition(":")[2])
        counts[tuple(path)] += 1

    parser = expat.ParserCreate("utf-8")  # expat knows few encodings, Python nearly all
    parser.StartElementHandler, parser.EndElementHandler = start, lambda _tag: path.pop()
    with suppress(expat.ExpatError):  # the beginning alone is not well-formed; its reader says what else is wrong
        parser.Parse(_as_utf8(head))
    return counts


def _as_utf8(head: bytes) -> bytes:
    """The beginning of an XML file as UTF-8, whatever its mark or its declaration says that it is."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "ignore").encode()
    declared = re.match(rb"""(?s)(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""", head)
    try:
        return head.decode(declared[1].decode() if declared else "utf-8", "ignore").encode()
    except LookupError:
        return head


def json_rows(head: bytes) -> dict[str, Json]:
    """Readers of a JSON file by its beginning: of the arrays that make up an object, by their keys; {} where none do.

    An array counts that holds objects and a tenth of the text; where together they are not four fifths of it, the
    object is a record that has lists.
    """
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return {}
    spans = _arrays(text)
    large = {key: n for key, n in spans.items() if n >= 0.1 * len(text)}
    if sum(large.values()) < 0.8 * len(text) or any(not re.fullmatch(r"[^\W\d][\w-]*", key) for key in large):
        return {}
    return {key: Json(at=f"$.{key}") for key in large}


def _arrays(text: str) -> dict[str, int]:
    """The characters of each array of objects right below the first object, as far as the text goes; one that goes on
    behind its end, as NDJSON does, has none.
    """
    found: dict[str, int] = {}
    depth, key, begin = 0, "", -1
    for match in re.finditer(r'"((?:[^"\\]|\\.)*)"\s*(:?)|[\[\]{}]', text):
        if match[0][0] == '"':
            if depth == 1 and match[2]:
                key = match[1]
            continue
        if match[0] in "[{":
            if depth == 1 and match[0] == "[" and re.match(r"\[\s*\{", text[match.start() : match.start() + 200]):
                begin = match.start()
            depth += 1
            continue
        depth -= 1
        if depth == 1 and begin >= 0:
            found[key] = match.end() - begin
            begin = -1
        if depth == 0:
            return found if not text[match.end() :].strip() else {}
    if begin >= 0:
        found[key] = len(text) - begin
    return found


def tables(sheets: Mapping[str, Sequence[Row]]) -> dict[str, Excel]:
    """Readers of a workbook's sheets that hold tables, by what they are called; `sheets` are the first rows of all.

    A table begins where a row fills most of the columns that rows usually fill: above it are titles. Its first row
    holds the names, unless there is a number in it that is no year.
    """
    found = {}
    for number, (name, rows) in enumerate(sheets.items()):
        if at := _begins(rows):
            numbers = [cell for cell in rows[at - 1] if isinstance(cell, int | float)]
            is_named = all(1900 <= number <= 2100 for number in numbers)
            found[name] = Excel(sheet=number, header_row=at if at > 1 else None, header=int(is_named))
    if len(found) < 2:
        return found
    return {name: reader.model_copy(update={"sheet": name}) for name, reader in found.items()}


def _begins(rows: Sequence[Row]) -> int:
    """The row in which a table of two columns or more begins, from 1; 0 where there is none."""
    filled = [sum(cell != "" for cell in row) for row in rows]
    widths = Counter(n for n in filled if n > 1)
    usual = max(widths, key=lambda n: (widths[n], n), default=0)
    at = next((at for at, n in enumerate(filled) if n >= max(2, 0.7 * usual)), None)
    return at + 1 if at is not None and any(n > 1 for n in filled[at + 1 :]) else 0


def ruled_columns(head: bytes, *, whole: bool) -> Fixed | None:
    """The layout that a line of dashes below the names rules, as reports of SQL clients have it; None without one.

    What is counted below the table, such as `(100 rows affected)`, is its footer.
    """
    text, encoding = _decoded(head)
    lines = text.splitlines()
    at = next((n for n, line in enumerate(lines[:_ABOVE]) if n and _RULE.fullmatch(line)), None)
    if at is None:
        return None
    spans = [match.span() for match in re.finditer("-+", lines[at])]
    names = ["_".join(lines[at - 1][start:end].split()) for start, end in spans]
    if not all(re.search(r"[^\W\d_]", name) for name in names) or len({name.lower() for name in names}) < len(names):
        return None
    fields = tuple(
        Field(name=name, start=start + 1, length=end - start) for name, (start, end) in zip(names, spans, strict=True)
    )
    below = [line for line in lines[at + 1 :] if line.strip()]
    footer = int(whole and len(below) > 1 and _ROWS_BELOW.search(below[-1]) is not None)
    return Fixed(layouts=(Layout(fields=fields),), trim="both", pad=True, encoding=encoding, skip=at + 1, footer=footer)


def _decoded(head: bytes) -> tuple[str, str]:
    """A text, and what it is encoded by."""
    try:
        return head.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return head.decode("latin-1"), "latin-1"


def columns_of_lines(head: bytes, *, whole: bool) -> Fixed | None:
    """A draft of a fixed width layout, from the columns that are blank in every line or change from letters to digits.

    A first or last line without which more of them do is a header or trailer. None where there are fewer than two
    lines, they differ in length by more than blanks at their ends, or nothing tells fields apart. A draft cuts where a
    sample shows a boundary: the party's layout is to take its place.
    """
    text, encoding = _decoded(head)
    lines = [line for line in text.splitlines() if line.strip()]
    if not whole:
        lines = lines[:-1][:_LINES]
    elif len(lines) > _LINES:
        lines = lines[: _LINES // 2] + lines[-_LINES // 2 :]
    skip, footer = _frame(lines, whole=whole)
    lines = lines[skip : len(lines) - footer]
    width = max(map(len, lines), default=0)
    usual, often = Counter(map(len, lines)).most_common(1)[0] if lines else (0, 0)
    if len(lines) < 2 or not 2 <= width <= 32_000 or (often < 0.9 * len(lines) and usual != width):
        return None
    if any(ord(c) < 32 for line in lines for c in line):
        return None
    starts = _starts(lines)
    if not 2 <= len(starts) <= _MOST_FIELDS:
        return None
    ends = [*starts[1:], width]
    fields = tuple(
        Field(name=f"column_{start + 1}", start=start + 1, length=end - start)
        for start, end in zip(starts, ends, strict=True)
    )
    padded = len(set(map(len, lines))) > 1
    return Fixed(layouts=(Layout(fields=fields),), pad=padded, encoding=encoding, skip=skip, footer=footer)


def _frame(lines: list[str], *, whole: bool) -> tuple[int, int]:
    """How many lines at the top and at the end are no records: none or one, of so many that it is no chance."""
    if len(lines) < _FRAMED:
        return 0, 0
    inner = lines[1:-1] if whole else lines[1:]
    fields = len(_starts(inner))
    return int(len(_starts([lines[0], *inner])) < fields), int(whole and len(_starts([*inner, lines[-1]])) < fields)


def _starts(lines: list[str]) -> list[int]:
    """Where fields begin: behind columns that are blank in all lines, where digits and letters meet, and at days."""
    width = max(map(len, lines), default=0)
    lines = [line.ljust(width) for line in lines]
    columns = [{line[at] for line in lines} for at in range(width)]
    kinds = ["blank" if cells == {" "} else "digit" if all(c.isdigit() for c in cells) else "text" for cells in columns]
    filled = ["digit" if all(c.isdigit() or c == " " for c in cells) else "text" for cells in columns]
    starts = [0]
    for at in range(1, width):
        if kinds[at] == "blank":
            continue
        if _joins(columns, filled, at) or _joins(columns, filled, at - 1):
            continue
        if kinds[at - 1] == "blank" or (filled[at] != filled[at - 1] and "digit" in (kinds[at], kinds[at - 1])):
            starts.append(at)
    return sorted({*starts, *_days(lines, "".join(kind[0] for kind in kinds))})


def _joins(columns: list[set[str]], filled: list[str], at: int) -> bool:
    """Whether a column has one mark in all lines, and digits on both sides, as in 12.50 and 2024-01-31."""
    inside = 0 < at < len(columns) - 1
    return (
        inside and columns[at] in _MARKS and filled[at - 1] == filled[at + 1] == "digit" and " " not in columns[at + 1]
    )


def _days(lines: list[str], kinds: str) -> Iterator[int]:
    """Where days begin and end among digits, in all lines, the year first; `kinds` has a letter for each column's."""
    if len(lines) < _FRAMED:
        return
    for digits in re.finditer("d{9,}", kinds):
        at, end = digits.span()
        while at + 8 <= end:
            if all(_DAY.match(line, at) for line in lines):
                yield at
                at += 7
                if at + 1 < end:
                    yield at + 1
            at += 1


def list_of_lines(head: bytes) -> Csv | None:
    """A list of one kind of thing, one a line, as of members' numbers; None where lines are long or differ in shape."""
    lines = [line for line in head.decode("latin-1").splitlines()[:_LINES] if line]
    shapes = Counter(re.sub("[A-Za-z]", "a", re.sub(r"\d", "9", line)) for line in lines[1:])
    if len(lines) < 4 or len(shapes) != 1 or not re.fullmatch(rf"[\w.-]{{1,{_LISTED}}}", next(iter(shapes))):
        return None
    headed = re.sub("[A-Za-z]", "a", re.sub(r"\d", "9", lines[0])) not in shapes
    return Csv(quote=None, header=headed)
