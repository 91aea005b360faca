"""Numbers and sentences of a report, for a reader who knows the data and no software."""

from collections.abc import Iterator, Sequence

from spark.profiling.findings import Finding, Kind
from spark.profiling.report.content import OFTEN, Refused, Report, Unfit
from spark.schemas.base import REQUIRED

ASKS: dict[Kind, str] = {
    "rows": "Please confirm that the file is whole, and that this number of records is meant.",
    "missing column": "Please send the column again, or tell us that it has ended and what takes its place.",
    "new column": "Please tell us what the new column means.",
    "type": "Please tell us whether the column's type was changed on purpose.",
    "nulls": "Please tell us why values are missing, and send the file again if they should be there.",
    "distribution": "Please tell us what changed on your side: a system, a coding, a population, a unit.",
    "new values": "Please tell us what the new values mean, or correct them.",
    "vanished values": "Please confirm that the values that are gone are not used any more.",
    "vanished keys": "Please confirm that the records that are gone were removed on purpose.",
    "patterns": "Please keep to one form of writing, or tell us of the new one.",
    "lengths": "Please check whether values were cut off, or two were written as one.",
    "date format": "Please go back to the former form of dates, or tell us from which day on the new one is meant.",
    "dates": "Please check the dates that are far from all others.",
}
"""What is asked of the source, by what was found."""

KINDS = {"full": "full file", "incremental": "increment", "deletions": "list of deletions"}

WORDS = {"problem": "problem", "warning": "warning", "info": "note"}


def asks(report: Report) -> Iterator[tuple[str, Sequence[str]]]:
    """What we ask for, the gravest first: a sentence, and the columns that it is about."""
    if report.refused:
        yield (
            f"Please correct the {plural(report.refused_records, 'record')} that could not be read, and send"
            f" {'it' if report.refused_records == 1 else 'them'} again.",
            (),
        )
    if lacking := [path for unfit in report.unfit for held in unfit.held for path in lacks(held, unfit)]:
        yield (
            "Please fill in what these records must have and lack, or tell us why they lack it.",
            [*dict.fromkeys(lacking)],
        )
    if any(not lacks(held, unfit) for unfit in report.unfit for held in unfit.held):
        yield "Please tell us which is right of records that contradict each other.", ()
    if often := [path for lost in report.often_lost for path in lost.made_of or (lost.column,)]:
        yield "Please correct the values that cannot be used, or tell us how they are meant.", [*dict.fromkeys(often)]
    about: dict[str, list[str]] = {}
    for finding in report.findings:
        if finding.severity != "info" or finding.kind == "new column":
            about.setdefault(ASKS[finding.kind], []).extend([finding.column] if finding.column else [])
    yield from about.items()


def verdict(report: Report) -> str:
    """The page in a sentence."""
    found = [finding.severity for finding in report.findings]
    counts = [plural(n, WORDS[kind]) for kind in ("problem", "warning") if (n := sum(f == kind for f in found))]
    if report.often_lost:
        counts.insert(0, f"{plural(len(report.often_lost), 'column')} with values that cannot be used")
    if report.unfit_records:
        counts.insert(0, f"{plural(report.unfit_records, 'record')} that cannot be used")
    if report.refused:
        counts.insert(0, f"{plural(report.refused_records, 'record')} that could not be read")
    return f"We found {listed(counts)}." if counts else "Nothing is wrong that we can see."


def lacks(held: Refused, unfit: Unfit) -> list[str]:
    """The columns that records should have a value in, and do not; none of such as are held for something else."""
    names = [part.removesuffix(REQUIRED) for part in held.reason.split("; ") if part.endswith(REQUIRED)]
    return [path for name in names for path in unfit.made_of.get(name) or (name,)]


def made_of(column: str, paths: Sequence[str]) -> str:
    """What to say behind a common column's name of those of the file, where these are not called like it."""
    return f" (made of {listed(paths)})" if paths and tuple(paths) != (column,) else ""


def why_held(held: Refused, unfit: Unfit) -> str:
    """Such as: without a valid npi (made of provider_npi)."""
    if not held.reason.endswith(REQUIRED):
        return f"each {held.reason}"
    names = [part.removesuffix(REQUIRED) for part in held.reason.split("; ")]
    return f"without a valid {listed([f'{name}{made_of(name, unfit.made_of.get(name, ()))}' for name in names])}"


def plural(n: int, word: str) -> str:
    """Such as 1 record, 1,200 records."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Such as a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def percent(share: float) -> str:
    """A share that is neither 0 nor 1 never looks as if it were."""
    if 0 < share < 0.001:
        return "< 0.1%"
    if 0.999 < share < 1:
        return "> 99.9%"
    return f"{share:.0%}" if share in (0, 1) else f"{share:.1%}"


def short(n: float) -> str:
    """A number in few characters: 12.5, 950, 12.3k, 4.1M."""
    for unit, sign in ((1, ""), (1e3, "k"), (1e6, "M")):
        if abs(n) < 999.5 * unit:
            return f"{n / unit:.4g}{sign}" if unit == 1 else f"{n / unit:.3g}{sign}"
    return f"{n / 1e9:,.3g}B" if abs(n) < 999.5e9 else f"{n:.2e}"


def size(n: int) -> str:
    """Bytes, by powers of 1,000."""
    for unit, sign in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n >= unit:
            return f"{n / unit:.1f} {sign}"
    return plural(n, "byte")


def named(finding: Finding) -> str:
    """A finding's sentence with a capital and a stop."""
    return f"{finding.sentence[:1].upper()}{finding.sentence[1:]}."


def markdown(report: Report, link: str) -> str:
    """The page in short, with a link to it; no value of any column."""
    grave = [finding for finding in report.findings if finding.severity != "info"]
    lines = [f"## {report.dataset}", f"{verdict(report)} [The report]({link})"]
    if report.refused:
        lines.append("\n".join(f"- {plural(one.records, 'record')}: {_plain(one.reason)}" for one in report.refused))
    for unfit in report.unfit:
        held = [f"- {plural(one.records, 'record')}: {_plain(why_held(one, unfit))}" for one in unfit.held]
        lost = [
            f"- {one.values:,} of {one.given:,} values of {one.column}{made_of(one.column, one.made_of)} cannot be used"
            for one in unfit.values
            if one.share >= OFTEN
        ]
        lines += ["\n".join(some) for some in (held, lost) if some]
    if grave:
        lines.append("\n".join(["| | column | what |", "|---|---|---|", *map(_row, grave)]))
    if asked := list(asks(report)):
        ask = [f"1. {sentence}{f' ({listed(columns)})' if columns else ''}" for sentence, columns in asked]
        lines.append("\n".join(["What we ask for:", "", *ask]))
    return "\n\n".join(lines)


def _row(finding: Finding) -> str:
    return f"| {WORDS[finding.severity]} | {finding.column or ''} | {_plain(named(finding))} |"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
