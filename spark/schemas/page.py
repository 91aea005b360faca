"""docs/schemas.md, which says what every common schema holds: `python -m spark.schemas.page > docs/schemas.md`."""

import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

from spark.schemas import (
    Schema,
    adverse_event,
    base,
    claim,
    diagnosis,
    drug,
    encounter,
    observation,
    organization,
    patient,
    payment,
    provider,
    publication,
    survey_participant,
    trial,
)

MODULES = (
    provider,
    organization,
    payment,
    patient,
    survey_participant,
    encounter,
    diagnosis,
    observation,
    claim,
    drug,
    adverse_event,
    trial,
    publication,
)
"""The files of `spark/schemas` that declare schemas, in the order of the page."""

_HEAD = f"""\
# Common schemas

Every source on one subject is mapped to the same table. This page is made from `spark/schemas` by `make docs`.

- A row that lacks a value in a required column is held, with the reason. A value that does not convert, or that the
  column may not hold, is null and counted.
- Days and instants lie between {base.EARLIEST} and {base.LATEST}: 0001-01-01 and 9999-12-31 mean nothing and are lost.
- *FHIR date* is a text that says no more than the source does: `2019`, `2019-05` or `2019-05-12`.
- Codes have one form: see `spark/codes.py`.
- "→ claim.claim_id" is where the value stands in another table, for the same source: in the same drop, or in what is
  current. A drop in which too many lead nowhere fails its checks (`spark/checks.py`).
- Of several rows of a key in one drop that are alike one stays; where a table names a column whose greatest value
  counts, those below it go. Rows that still contradict each other are held, but for the first, and fail the drop
  unless its flow lets a few be (`Checks(conflicting=…)`), or of a party that writes changes down one after another the
  last counts (`Mapping(later="wins")`).
- *Identifies* names the identifier of a person that the column is under HIPAA's safe harbour,
  45 CFR 164.514(b)(2)(i): `date` is a day or an age, `geography` is smaller than a state.
- Every table also has `{"`, `".join(base.ORIGIN)}`, which lead a row back to its record,
  and `_deleted`, which is inlet's own.
- A column may be added; it is null in older files. Another type or key makes a new table: `claim_v2` beside `claim`.
"""


def page() -> str:
    """The page, in Markdown."""
    families = (line for module in MODULES for line in _family(module))
    return "\n".join([_HEAD, *families])


def _family(module: ModuleType) -> Iterator[str]:
    title, _, about = (inspect.getdoc(module) or "").partition("\n")
    yield from (f"## {title.rstrip('.')}", about, "")
    for schema in vars(module).values():
        if isinstance(schema, Schema):
            yield from _table(schema)


def _table(schema: Schema) -> Iterator[str]:
    latest = f" Of several rows in a drop that with the greatest `{schema.latest}` counts." if schema.latest else ""
    yield from (f"### `{schema}`", "", f"{schema.doc} Key: `{'`, `'.join(schema.key)}`.{latest}", "")
    yield from ("| column | type | required | meaning | may hold | identifies |", "|---|---|---|---|---|---|")
    for column in schema.columns:
        required = "key" if column.name in schema.key else "yes" if column.required else ""
        cells = (f"`{column.name}`", f"`{column.type}`", required, column.doc, _holds(column), column.phi or "")
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _holds(column: base.Column) -> str:
    if column.references:
        return f"→ {column.references}"
    if column.most is not None:
        return f"{column.least} to {column.most}"
    return f"from {column.least}" if column.least is not None else ", ".join(column.values)


if __name__ == "__main__":
    sys.stdout.write(page())
