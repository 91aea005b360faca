"""From a row of Raw back to the bytes that it came from: where each part begins, kept beside the drop's manifest."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import zstandard
from pydantic import BaseModel

from blocks.errors import Conflict
from blocks.lake import Lake
from spark.parts import StagedFile
from tasks.drop import Drop
from tasks.manifest import folder


class Begin(NamedTuple):
    """Where a part begins: the ordinal of its first record, and its byte in the file's plaintext."""

    record: int
    offset: int


class Index(BaseModel, frozen=True):
    """Where the parts of a drop begin, by dataset and file; `fingerprint` is that of what Raw was made from."""

    fingerprint: str
    datasets: dict[str, dict[str, tuple[Begin, ...]]]


class Found(NamedTuple):
    """A record: it is the `nth`, from 1, of those that begin at byte `offset` of its file's plaintext."""

    offset: int
    nth: int


def keep(lake: Lake, drop: Drop, fingerprint: str, datasets: Mapping[str, Sequence[StagedFile]]) -> None:
    """Write a drop's index; files that were not cut have none, as their format says where a row is."""
    index = Index(
        fingerprint=fingerprint,
        datasets={
            name: {
                file.file: tuple(Begin(part.first_record, part.offset) for part in file.parts)
                for file in files
                if all(part.records is not None for part in file.parts)
            }
            for name, files in datasets.items()
        },
    )
    data = zstandard.compress(index.model_dump_json().encode())
    found = lake.read(_path(lake, drop.source, drop.key))
    try:
        lake.put(_path(lake, drop.source, drop.key), data, found[1] if found else None)
    except Conflict:  # another run indexes the same drop: the one that commits last is asked for by its fingerprint
        keep(lake, drop, fingerprint, datasets)


def find(lake: Lake, source: str, drop: str, dataset: str, file: str, record: int, fingerprint: str) -> Found | None:
    """Where the record is that a row of Raw names by `_file` and `_record`; None where the file was not cut.

    `fingerprint` is that of the mark in Raw: None also where the index was made from something else.
    """
    found = lake.read(_path(lake, source, drop))
    index = Index.model_validate_json(zstandard.decompress(found[0])) if found else None
    if index is None or index.fingerprint != fingerprint:
        return None
    begins = index.datasets.get(dataset, {}).get(file, ())
    at = bisect_right([begin.record for begin in begins], record) - 1
    return Found(begins[at].offset, record - begins[at].record + 1) if at >= 0 else None


def _path(lake: Lake, source: str, drop: str) -> str:
    return lake.path(*folder(source, drop), "_parts.json.zst")
