"""Where a sample is: a file, a folder, a URL, or what a block of a party's place leads to."""

import posixpath
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import fsspec

from blocks.drive import Drive
from blocks.errors import NotThere
from blocks.place import Place, RemoteFile


class Sample(NamedTuple):
    """Files that a party delivers, by their names below its place; `title` names them all."""

    title: str
    files: tuple[RemoteFile, ...]
    open: Callable[[str], BinaryIO]


@contextmanager
def opened(sample: str) -> Iterator[Sample]:
    """List a sample. `sample` is a path, a URL, or a block's location, `sftp-server/nppes`; a path goes before that.

    Raises `NotThere` where nothing is, and what the place raises.
    """
    path = Path(sample).expanduser()
    if path.exists():
        path = path.resolve()
        with Drive(path=path if path.is_dir() else path.parent).connect() as remote:
            listed = remote.list() if path.is_dir() else (RemoteFile(name=path.name, size=path.stat().st_size),)
            yield _some(path.name, listed, remote.open, sample)
    elif "://" in sample:
        yield _at_url(sample)
    elif (block := _block(sample)) is not None:
        with block.connect() as remote:
            yield _some(sample.rpartition("/")[2], remote.list(), remote.open, sample)
    else:
        raise NotThere(f"{sample} is no file or folder here, and no block: one is named as in sftp-server/nppes")


def _some(title: str, files: Iterable[RemoteFile], open: Callable[[str], BinaryIO], sample: str) -> Sample:
    found = tuple(sorted(files, key=lambda file: file.name))
    if not found:
        raise NotThere(f"{sample} holds no file: put a few of those that the party delivers there")
    return Sample(title, found, open)


def _at_url(url: str) -> Sample:
    fs, path = fsspec.core.url_to_fs(url)
    whole = fs.isdir(path)
    root = path if whole else posixpath.dirname(path)
    paths = fs.find(path, detail=True) if whole else {path: fs.info(path)}
    files = (
        RemoteFile(name=name.removeprefix(root).lstrip("/"), size=info.get("size")) for name, info in paths.items()
    )
    return _some(posixpath.basename(path.rstrip("/")), files, lambda name: fs.open(f"{root}/{name}", "rb"), url)


def _block(location: str) -> Place | None:
    from tasks.run import PLACES  # as it loads Prefect, which a file on this machine does not need

    kind, _, name = location.partition("/")
    known = {str(place._block_type_slug): place for place in PLACES}
    if kind not in known or not name:
        return None
    try:
        return known[kind].load(name)  # type: ignore[return-value]
    except ValueError as error:
        raise NotThere(f"there is no block {location}: save it first, or give a file or folder") from error
