"""Where in Raw a finding shows: the first records that are not as they should be, by file and number."""

from collections.abc import Callable, Iterator, Sequence

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spark.profiling.findings import Finding
from spark.profiling.report.content import Refused
from spark.profiling.shown import Example, Phi, shown

ORIGIN = ("_drop", "_file", "_record")
"""Columns that say where a record came from."""

FIRST = 5
"""Records that are named, at most."""

LOOKED = 64
"""Row groups that are looked through for them: a report needs no record so rare that it is in none."""


def located(
    findings: Sequence[Finding], files: Sequence[str], drop: str, fs: fsspec.AbstractFileSystem
) -> dict[str, tuple[Example, ...]]:
    """Records of a drop at which findings show, by what each says of itself; of such as one record can show.

    Those are values that are missing, new, too short or too long. `files` are Raw's, the first ones are looked at.
    """
    some = [
        f for f in findings if f.column and f.severity != "info" and _wrong(f, pa.nulls(0, pa.string())) is not None
    ]
    found: dict[str, list[Example]] = {str(finding): [] for finding in some}

    def sought() -> list[Finding]:
        return [finding for finding in some if len(found[str(finding)]) < FIRST]

    for rows in _groups(files, lambda: [*ORIGIN, *(f.column or "" for f in sought())], fs):
        for finding in sought():
            if finding.column in rows.column_names:
                wrong = _wrong(finding, rows[finding.column])
                here = rows.filter(pc.and_(pc.equal(rows["_drop"], drop), pc.fill_null(wrong, False)))
                more = here.select(["_file", "_record"]).slice(0, FIRST - len(found[str(finding)]))
                found[str(finding)] += [Example(file=row["_file"], record=row["_record"]) for row in more.to_pylist()]
        if not sought():
            break
    return {said: tuple(examples) for said, examples in found.items() if examples}


def refused(
    files: Sequence[str], drop: str, counts: dict[str, int], phi: Phi, fs: fsspec.AbstractFileSystem
) -> tuple[Refused, ...]:
    """Why records of a drop were rejected, most frequent first, how many, and the first ones as they may be seen."""
    found: dict[str, list[Example]] = {reason: [] for reason in counts}
    for rows in _groups(files, lambda: [*ORIGIN, "_reason", "_text"], fs):
        here = rows.filter(pc.equal(rows["_drop"], drop))
        for reason in pc.unique(here["_reason"]).to_pylist():
            some = found.setdefault(reason, [])
            if len(some) < FIRST:
                of_it = here.filter(pc.equal(here["_reason"], reason)).slice(0, FIRST - len(some))
                some += [
                    Example(file=row["_file"], record=row["_record"], text=shown(row["_text"] or "", phi))
                    for row in of_it.to_pylist()
                ]
        if all(len(some) >= min(FIRST, counts.get(reason, 0)) for reason, some in found.items()):
            break
    by_number = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Refused(reason=reason, records=n, examples=tuple(found[reason])) for reason, n in by_number)


def _wrong(finding: Finding, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """Which of a column's values are as the finding says; None where no one value shows that."""
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if finding.kind == "nulls" and finding.measured > 0:
        empty = pc.is_null(values)
        return pc.or_(empty, pc.fill_null(pc.equal(values, ""), False)) if text else empty
    if finding.kind == "new values" and finding.values:
        return pc.is_in(values.cast(pa.string()), pa.array(finding.values, pa.string()))
    if finding.kind == "lengths" and text:
        long = finding.measured > finding.limit
        return (pc.greater if long else pc.less)(pc.utf8_length(values), int(finding.limit))
    return None


def _groups(
    files: Sequence[str], columns: Callable[[], Sequence[str]], fs: fsspec.AbstractFileSystem
) -> Iterator[pa.Table]:
    """Row groups one after the other, of each the columns that are asked for when it is read."""
    left = LOOKED
    for url in files:
        with fs.open(url, "rb") as stream:
            file = pq.ParquetFile(stream)
            there = set(file.schema_arrow.names)
            for group in range(min(left, file.num_row_groups)):
                yield file.read_row_group(group, columns=[name for name in dict.fromkeys(columns()) if name in there])
            left -= min(left, file.num_row_groups)
        if not left:
            return
