"""A drop's files while their wrappings come off, staged whole: what `decrypt` and `decompress` take and give."""

from contextlib import suppress

from pydantic import BaseModel

from blocks.lake import Lake
from tasks.manifest import encoded
from tasks.source import Drop
from tasks.transfer import Landed


class OpenedFile(BaseModel, frozen=True):
    """One file in the lake: `path` below its root; `names` go from the delivered file to the one that is there.

    `of` is the offered file that the delivered one is a page of. `size` is in bytes, `sha256` in hexadecimal.
    """

    names: tuple[str, ...]
    path: str
    size: int
    sha256: str
    of: str | None = None

    @property
    def delivered(self) -> str:
        """The file as the party delivers it."""
        return self.of or self.names[0]

    @property
    def name(self) -> str:
        """All names joined by `/`, as `Member.path`."""
        return "/".join(self.names)


class Opened(BaseModel, frozen=True):
    """A drop some of whose wrappings are off."""

    drop: Drop
    files: tuple[OpenedFile, ...]


def files(of: Landed | Opened) -> tuple[OpenedFile, ...]:
    """What a drop has in the lake, landed or opened further."""
    if isinstance(of, Opened):
        return of.files
    return tuple(OpenedFile(names=(f.name,), path=f.path, size=f.size, sha256=f.sha256, of=f.of) for f in of.files)


NOT_KEPT = "what it gives is not kept"
"""Why a stage is done whenever what follows it is asked for."""


def unknown(of: Landed | Opened) -> Opened:
    """What a dry run knows of a drop opened further: not what is inside, so that what follows is taken to be due."""
    return Opened(drop=of.drop, files=tuple(file.model_copy(update={"sha256": ""}) for file in files(of)))


def staged_folder(lake: Lake, drop: Drop, run: str) -> str:
    """Where a run stages a drop, as `lake.fs()` wants it: all that is below is the run's own and short-lived."""
    return lake.path("staged", drop.source, encoded(drop.key), run)


def remove(lake: Lake, folder: str) -> None:
    """Remove what stands below a staged folder, if it is there."""
    fs = lake.fs()
    if fs.exists(folder):
        with suppress(FileNotFoundError):  # somebody else removes it as well
            fs.rm(folder, recursive=True)
