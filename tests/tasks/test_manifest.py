"""The record of what has landed: names as paths, conditional writes, what is finished."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from blocks.errors import Conflict
from blocks.lake import Lake
from flows.nppes import NPPES
from tasks import manifest
from tasks.manifest import LandedFile, Manifest, Revision, encoded, settle

THEN = datetime(2026, 11, 8, 5, tzinfo=UTC)


def of(key: str = "2026-11", revisions: int = 1, **more: object) -> Manifest:
    file = LandedFile(name="a", path="landed/nppes/a", size=1, mtime=THEN, sha256="0" * 64)
    made = tuple(
        Revision(number=n, as_of=THEN, kind="full", offered=(), files=(file,), run="run", landed_at=THEN)
        for n in range(1, revisions + 1)
    )
    return Manifest.model_validate({"source": "nppes", "drop": key, "revisions": made, **more})


@pytest.mark.parametrize("name", ["a", "a b", "a/b", "/", ".", "..", "...", "a\nb", "ü", "%2F", "a%", "~", "?#&+="])
def test_a_name_is_one_step_of_a_path_and_comes_back(lake: Lake, name: str) -> None:
    assert unquote(encoded(name)) == name
    assert "/" not in encoded(name)
    path = lake.path("landed", "x", encoded(name))  # which refuses steps that lead elsewhere
    lake.put(path, b"x", None)
    assert lake.read(path) is not None
    assert lake.fs().find(lake.path("landed")) == [path]


def test_the_first_to_write_wins(lake: Lake) -> None:
    manifest.write(lake, of(), None)
    with pytest.raises(Conflict):
        manifest.write(lake, of(revisions=2), None)
    manifest.write(lake, of(), None)  # the same once more: the answer to the first was lost on the way
    found, version = manifest.read(lake, "nppes", "2026-11") or (None, None)
    assert found == of()
    manifest.write(lake, of(revisions=2), version)
    with pytest.raises(Conflict):
        manifest.write(lake, of(revisions=3), version)


def test_landed_knows_whole_manifests_and_nothing_else(lake: Lake) -> None:
    assert manifest.landed(lake, NPPES) == {}
    keys = ["2026-11", "..", "a b", "ü/x\n"]
    for key in keys:
        manifest.write(lake, of(key), None)
    lake.put(lake.path("landed", "nppes", "_seen.json.zst"), b"{}", None)
    lake.put(lake.path("landed", "nppes", "half", "r1-00000000", "file"), b"not listed yet", None)
    assert manifest.landed(lake, NPPES) == {key: of(key) for key in keys}
    lake.put(lake.path("landed", "nppes", "broken", "_manifest.json"), b"{", None)
    with pytest.raises(ValueError, match="Manifest"):
        manifest.landed(lake, NPPES)


def test_what_landed_before_parts_were_known_reads() -> None:
    made = of()
    assert made.as_drop().part == ""
    old = made.model_dump(mode="json")
    for revision in old["revisions"]:
        del revision["part"]
    assert Manifest.model_validate(old) == made


@pytest.mark.parametrize(
    ("revisions", "offered", "error", "finished"),
    [
        (1, 1, None, 1),
        (2, 2, None, 2),
        (1, 2, None, 1),  # the bytes offered as new had landed: no revision was made
        (2, 1, None, 1),  # another run has landed the next one meanwhile: that is not finished
        (1, 1, "Damaged: x", 0),
    ],
)
def test_settle_notes_how_far_a_drop_went(
    local_lake: Lake, revisions: int, offered: int, error: str | None, finished: int
) -> None:
    manifest.write(local_lake, of(revisions=revisions, failed="an earlier error"), None)
    settle(local_lake, of().as_drop().model_copy(update={"revision": offered}), error=error)
    found = manifest.landed(local_lake, NPPES)["2026-11"]
    assert (found.finished, found.failed) == (finished, error)


def test_settle_of_what_never_landed_is_nothing(local_lake: Lake) -> None:
    settle(local_lake, of().as_drop(), error="Unreachable: x")
    assert manifest.landed(local_lake, NPPES) == {}


def test_runs_that_settle_at_once_do_not_fail(lake: Lake) -> None:
    manifest.write(lake, of(), None)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: settle(lake, of().as_drop(), error=str(n) if n else None), range(4)))
    assert manifest.landed(lake, NPPES)["2026-11"].finished == 1
