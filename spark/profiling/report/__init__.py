"""The report on a dataset of a drop, for who sends it: one HTML page that needs nothing from elsewhere."""

from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from spark.profiling.estimates import missing
from spark.profiling.findings import Finding
from spark.profiling.report.cards import by_column, cards, multiples, strips
from spark.profiling.report.content import Earlier, File, Refused, Report, Unfit
from spark.profiling.report.words import (
    KINDS,
    WORDS,
    asks,
    listed,
    made_of,
    named,
    percent,
    plural,
    size,
    verdict,
    why_held,
)
from spark.profiling.shown import Example, shown, shows_values

__all__ = ["Earlier", "Example", "File", "Finding", "Refused", "Report", "Unfit", "render"]


def render(report: Report) -> str:
    """The page: styles and pictures stand in it, it has no script, and the same report gives the same page.

    No value stands in it unless the source's `phi` is "no": what may be seen is asked of `spark.profiling.shown`.
    """
    now, before = report.now, report.before
    severities = {finding.severity for finding in report.findings}
    all_records = now.rows + report.refused_records
    lines = strips(report)
    empty = [name for name, column in now.columns.items() if column.rows and missing(column) == 1]
    history = [*((earlier.drop, earlier.profile.rows) for earlier in report.earlier), (report.drop, now.rows)]
    return _template().render(
        css=Markup(_text("page.css")),  # noqa: S704
        report=report,
        kind=KINDS.get(report.kind, report.kind),
        earlier=report.earlier,
        shows=shows_values(report.phi),
        verdict=verdict(report),
        worst="problem"
        if "problem" in severities or report.refused
        else "warning"
        if "warning" in severities or report.unfit_records or report.often_lost
        else "good",
        change=_change(now.rows, before.rows) if before else None,
        refused_share=report.refused_records / all_records if all_records else 0.0,
        empty=empty,
        filled=_filled(report),
        history=[(drop, rows, rows / (max(rows for _, rows in history) or 1)) for drop, rows in history],
        grave=by_column([finding for finding in report.findings if finding.severity != "info"]),
        notes=by_column([finding for finding in report.findings if finding.severity == "info"]),
        asks=list(asks(report)),
        multiples=multiples(report),
        strips=lines,
        cards=cards(report),
        words=WORDS,
        named=named,
        percent=percent,
        plural=plural,
        size=size,
        listed=listed,
        made_of=made_of,
        why_held=why_held,
        chips=lambda finding: dict.fromkeys(shown(value, report.phi) for value in finding.values),
        located=lambda finding: report.located.get(str(finding), ()),
    )


def _change(now: int, before: int) -> str:
    if now == before:
        return "as many as before"
    more = "more" if now > before else "fewer"
    return f"{abs(now - before):,} {more} than before" + (f" ({abs(now - before) / before:.1%})" if before else "")


def _filled(report: Report) -> str:
    full = sum(missing(column) == 0 for column in report.now.columns.values())
    if full == len(report.now.columns):
        return "Every column is filled in every record."
    all_ = f"{plural(full, 'column')} of {len(report.now.columns):,}"
    return f"{all_} {'is' if full == 1 else 'are'} filled in every record."


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text("page.html.j2"))


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
