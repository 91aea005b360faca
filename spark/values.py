"""Values as Spark SQL: text, coded values, days, money. What every source's mapping is made of.

`column` is the name of a column in the lake or any other expression. No text makes an expression fail, under ANSI mode
either: what does not fit becomes null, and is counted as lost where something had been given.
"""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

MONEY = "decimal(18,2)"
QUANTITY = "decimal(18,4)"


_SHAPES = {
    "yyyy": "[0-9]{4}",
    "yy": "[0-9]{2}",
    "MM": "[0-9]{2}",
    "M": "[0-9]{1,2}",
    "dd": "[0-9]{2}",
    "d": "[0-9]{1,2}",
}


class Expression(NamedTuple):
    """A Spark SQL expression, and the one that says what it was given: a value that is lost on the way is counted."""

    sql: str
    given: str


def text(column: str) -> str:
    """The text without blanks around it; null where nothing is left."""
    return f"nullif(trim(BOTH ' \\t\\r\\n' FROM {column}), '')"


def markup(column: str) -> str:
    """The text of inner XML as it came, such as a title with `<i>`: without tags, references as what they stand for.

    Blanks and line ends in a row become one blank; null where nothing is left.
    """
    bare = f"regexp_replace(regexp_replace({column}, r'<!--(?s:.*?)-->|<[^<>]*>', ''), r'\\s+', ' ')"
    point = "CAST(if(r LIKE 'x%', conv(substr(r, 2), 16, 10), r) AS int)"
    character = (
        f"CASE WHEN {point} = 38 THEN '&amp;'"  # what follows it is no reference
        f" WHEN {point} BETWEEN 1 AND 55295 OR {point} BETWEEN 57344 AND 1114111"
        f" THEN decode(unhex(lpad(hex({point}), 8, '0')), 'UTF-32') ELSE concat('&#', r, ';') END"
    )
    numbers = f"array_distinct(regexp_extract_all({bare}, '&#(x[0-9A-Fa-f]{{1,6}}|[0-9]{{1,7}});', 1))"
    value = f"aggregate({numbers}, {bare}, (done, r) -> replace(done, concat('&#', r, ';'), {character}))"
    for name, means in {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}.items():
        value = f"replace({value}, '&{name};', {quoted(means)})"
    return text(f"CASE WHEN contains({column}, '&') THEN {value} ELSE {bare} END")


def unless(column: str, *marks: str) -> str:
    """The text, or null where it is one of a source's marks for nothing: `~`, `.`, `NULL`, `9999-12-31`.

    Such a mark is no value, so nothing is lost. A day that means nothing and is not named here stays a day, and is
    then outside of what a column of a common schema may hold: null and counted.
    """
    return f"CASE WHEN {text(column)} NOT IN ({', '.join(map(quoted, marks))}) THEN {text(column)} END"


def code(column: str, meanings: Mapping[str, str]) -> Expression:
    """A coded value by its meaning; a code without one becomes null and is counted."""
    whens = " ".join(f"WHEN {quoted(k)} THEN {quoted(v)}" for k, v in meanings.items())
    return Expression(f"CASE {text(column)} {whens} END", text(column))


def either(condition: str, then: Expression, otherwise: Expression) -> Expression:
    """One of two readings of a value, as where a column says of which edition a code is."""
    return Expression(
        f"CASE WHEN {condition} THEN {then.sql} ELSE {otherwise.sql} END",
        f"CASE WHEN {condition} THEN {then.given} ELSE {otherwise.given} END",
    )


def boolean(
    column: str,
    yes: Collection[str] = ("y", "yes", "t", "true", "1"),
    no: Collection[str] = ("n", "no", "f", "false", "0"),
) -> Expression:
    """Whether it is so, in words of any case; DE-SynPUF's flags are `yes=["1"], no=["2"]`."""
    value = f"lower({text(column)})"
    true, false = (", ".join(quoted(word.lower()) for word in words) for words in (yes, no))
    return Expression(f"CASE WHEN {value} IN ({true}) THEN true WHEN {value} IN ({false}) THEN false END", text(column))


def date(column: str, *patterns: str, latest: int | None = None) -> Expression:
    """A day written by one of `patterns`, in Spark's letters, the first that fits; else null and counted.

    A two-digit year lies in the hundred years that end with `latest`, 2099 at most: there is no reading of `01/02/45`
    without it. Raises `ValueError` where it is missing, or no pattern given.
    """
    if not patterns:
        raise ValueError(f"no pattern says how the days in {column} are written")
    value = text(column)
    days = [f"CASE WHEN {matches(value, _shape(p))} THEN {_day(value, p, latest)} END" for p in patterns]
    return Expression(days[0] if len(days) == 1 else f"coalesce({', '.join(days)})", value)


def _shape(pattern: str) -> str:
    """What a day written by the pattern looks like, as a failed match costs a tenth of a failed parse."""
    if "'" in pattern or "[" in pattern:
        return "[^+]+"  # a sign would make 12019 a year
    runs = [run[0] for run in re.finditer(r"([A-Za-z])\1*|.", pattern)]
    return "".join(_SHAPES.get(run, "[^+]+") if run.isalpha() else re.escape(run) for run in runs)


def _day(value: str, pattern: str, latest: int | None) -> str:
    day = f"CAST(try_to_timestamp({value}, {quoted(pattern)}) AS date)"
    if not re.search(r"(?<!y)yy(?!y)", pattern):
        return day
    if latest is None or latest > 2099:
        raise ValueError(f"{pattern} has a year of two digits: name the latest year that it may mean")
    # Spark reads 00 to 99 as 2000 to 2099, and a 29 February of 2000 has no like a century before
    back = f"(year({day}) - {latest} + 99) DIV 100 * 1200"
    return f"CASE WHEN day(add_months({day}, -({back}))) = day({day}) THEN add_months({day}, -({back})) END"


def sas_date(column: str) -> Expression:
    """A day as SAS counts it: the number of days since 1960-01-01, whole, as a number or its text."""
    number = f"try_cast({text(column)} AS double)"
    days = f"try_cast({number} AS int)"
    fits = f"{days} = {number} AND {days} BETWEEN -715509 AND 2936549"  # the years 1 to 9999
    return Expression(f"CASE WHEN {fits} THEN date_add(DATE'1960-01-01', {days}) END", text(column))


def partial_date(column: str) -> Expression:
    """A year, month or day as FHIR writes it (`2019`, `2019-05`, `2019-05-12`), as text: nothing is made up.

    Read with hyphens or without (`201905`), as ClinicalTrials.gov and FAERS write them; the years are 1800 to 2199.
    Spark casts the text to the first day that it may mean.
    """
    value = text(column)
    digits = f"replace({value}, '-', '')"
    year, month, day = "(?:1[89]|2[01])[0-9]{2}", "(?:0[1-9]|1[0-2])", "[0-3][0-9]"
    shape = f"{year}(?:{month}(?:{day})?|-{month}(?:-{day})?)?"
    return Expression(
        f"CASE WHEN {matches(value, shape)} THEN CASE length({digits}) WHEN 4 THEN {digits}"
        f" WHEN 6 THEN concat(left({digits}, 4), '-', right({digits}, 2))"
        f" ELSE CAST(CAST(try_to_timestamp({digits}, 'yyyyMMdd') AS date) AS string) END END",
        value,
    )


def instant(column: str) -> Expression:
    """An instant by ISO 8601, such as `2023-01-27T16:17:47Z`; UTC where no zone is said."""
    value = text(column)
    shape = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*"  # Spark takes `12:30` for today's
    return Expression(f"CASE WHEN {matches(value, shape)} THEN try_cast({value} AS timestamp) END", value)


def money(column: str, *, point: str = ".", implied: int = 0) -> Expression:
    """An amount of money, rounded half up to cents: `$1,234.50`, `-12.30`, `(12.30)`, `12.30-`, `1.2E+3`.

    `point=","` reads `1.234,50 €`. With `implied` decimals `123450` is 1234.50 for 2, and no point may be there.
    """
    return _decimal(column, MONEY, point, implied)


def quantity(column: str, *, point: str = ".", implied: int = 0) -> Expression:
    """A number of units, rounded half up to four decimals, written as `money` reads it."""
    return _decimal(column, QUANTITY, point, implied)


def _decimal(column: str, kind: str, point: str, implied: int) -> Expression:
    value = text(column)
    if point not in (".", ","):
        raise ValueError(f"decimals stand behind . or ,, not {point}")
    plain = value if point == "." else f"translate({value}, '.,', ',.')"
    sign, symbol = "[-+]", "[$€£]? ?"
    number = "[0-9]+" if implied else "(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:[.][0-9]*)?|[.][0-9]+)"
    forms = (
        f"{sign}?{symbol}{number} ?[$€£]?",
        f"{symbol}{sign}{number}",
        f"{symbol}{number}-",
        f"[(]{symbol}{number}[)]",
    )
    digits = f"translate({plain}, '-+()$€£, ', '')"
    if implied:
        digits = f"lpad({digits}, greatest(length({digits}), {implied + 1}), '0')"
        digits = f"concat(left({digits}, length({digits}) - {implied}), '.', right({digits}, {implied}))"
    scientific = (
        "" if implied else f" WHEN {matches(plain, '[-+]?[0-9]+(?:[.][0-9]+)?[eE][-+]?[0-9]{1,2}')} THEN {plain}"
    )
    written = (
        f"CASE WHEN {matches(plain, '|'.join(forms))}"
        f" THEN concat(CASE WHEN {plain} RLIKE '[-(]' THEN '-' ELSE '' END, {digits}){scientific} END"
    )
    return Expression(f"try_cast({written} AS {kind})", value)


def matches(value: str, shape: str) -> str:
    """A condition: the whole of the text has this shape, a regular expression of Java's without quotation marks."""
    return rf"{value} RLIKE r'^(?:{shape})\z'"  # `$` would let a line's end pass


def quoted(value: str) -> str:
    """A text as a Spark SQL literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
