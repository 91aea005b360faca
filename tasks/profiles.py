"""What each drop's datasets hold, by their profiles, kept beside the drop's manifest: values are in them as in Raw."""

import zstandard
from pydantic import BaseModel

from blocks.errors import Conflict
from blocks.lake import Lake
from spark.profiling.profiles import DatasetProfile
from tasks.drop import Drop
from tasks.manifest import folder


class Kept(BaseModel, frozen=True):
    """The profiles of a drop by dataset; `fingerprint` is that of what Raw was made from."""

    fingerprint: str
    datasets: dict[str, DatasetProfile]


def keep(lake: Lake, drop: Drop, fingerprint: str, profiles: dict[str, DatasetProfile]) -> None:
    """Write a drop's profiles, in place of those that are there."""
    data = zstandard.compress(Kept(fingerprint=fingerprint, datasets=profiles).model_dump_json().encode())
    found = lake.read(_path(lake, drop))
    try:
        lake.put(_path(lake, drop), data, found[1] if found else None)
    except Conflict:  # another run converts the same drop, and its rows are as these
        keep(lake, drop, fingerprint, profiles)


def read(lake: Lake, drop: Drop, fingerprint: str | None = None) -> dict[str, DatasetProfile]:
    """A drop's profiles by dataset; none where they were not kept, or were made from something else."""
    found = lake.read(_path(lake, drop))
    if found is None:
        return {}
    kept = Kept.model_validate_json(zstandard.decompress(found[0]))
    return kept.datasets if fingerprint in {None, kept.fingerprint} else {}


def _path(lake: Lake, drop: Drop) -> str:
    return lake.path(*folder(drop.source, drop.key), "_profile.json.zst")
