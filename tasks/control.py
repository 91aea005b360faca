"""control: what a party's control files - done-files, lists, checksums - say of the files of a drop.

They are no data and do not land: what they say is kept in the drop's manifest, beside the file that it is said of. So
unwrapping never meets them, and a MD5SUMS that grows with every drop makes no new revision of the earlier ones.
"""

import csv
import json
import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from blocks.place import Remote, RemoteFile
from tasks.delivery import Delivery, FileList

MOST = 16 << 20
"""Bytes of one control file at most: sums of 100,000 files take some 10 MB."""

_ALGORITHMS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_SIDECAR = re.compile(r"(.+)\.(?:md5|sha1|sha224|sha256|sha384|sha512)(?:sum)?", re.I | re.S)
_SUMS = re.compile(r"(?:md5|sha1|sha224|sha256|sha384|sha512)sums?(?:\.txt)?|checksums?\.(?:md5|sha\d+)", re.I)
_GNU = re.compile(r"\\?([0-9a-f]{32,128})(?:\s+\*?(.+))?", re.I)
_BSD = re.compile(r"[A-Z0-9-]+ ?\((.+)\) ?= ?([0-9a-f]{32,128})", re.I)  # OpenSSL has no blanks


class Incomplete(Exception):
    """A drop is not whole yet: the message is the reason."""


class Said(NamedTuple):
    """What control files say of one file; `checksum` is like md5:900150…"""

    size: int | None = None
    records: int | None = None
    checksum: str | None = None


class Controls:
    """The control files in one listing, whose `names` they are; `remote` is where they are read, each once."""

    def __init__(self, deliveries: Sequence[Delivery], names: Collection[str], remote: Remote | None = None) -> None:
        self._names = names
        self._beside: dict[str, list[str]] = {}
        self._over: dict[str, list[str]] = {}
        self._joins = {(d.names, pattern): _Join(pattern, d) for d in deliveries for pattern in _patterns(d)}
        self.all: set[str] = set()
        for name in names:
            folder, _, own = name.rpartition("/")
            if (found := _SIDECAR.fullmatch(name)) and found[1] in names:
                self._beside.setdefault(found[1], []).append(name)
                self.all.add(name)
            elif _SUMS.fullmatch(own):
                self._over.setdefault(folder, []).append(name)
                self.all.add(name)
            if [join for join in self._joins.values() if join.takes(name)]:
                self.all.add(name)
        self._text = cache(lambda name: _read(remote, name))
        self._sums = cache(lambda name: dict(sums(self._text(name))))

    def about(self, delivery: Delivery, name: str) -> set[str]:
        """Every control file there is that may speak of a file."""
        joined = (self._joins[delivery.names, pattern].of(name) for pattern in _patterns(delivery))
        return {*self._beside.get(name, ()), *(of for of, _ in self._sums_over(name)), *filter(None, joined)}

    def said(self, delivery: Delivery, files: Sequence[RemoteFile], belongs: Callable[[str], bool]) -> dict[str, Said]:
        """What is said of each file of a drop, by its name; `belongs` tells whether a name is one of the drop's.

        Raises `Incomplete` where a done-file or list is not there or does not agree with the files, or where a control
        file cannot be understood, and what the place raises.
        """
        try:
            if delivery.done:
                for file in files:
                    if not self._joins[delivery.names, delivery.done].of(file.name):
                        raise Incomplete(f"no done-file ({delivery.done}) for {file.name} is there yet")
            listed = self._listed(delivery, delivery.manifest, files, belongs) if delivery.manifest else {}
            said = {file.name: listed.get(file.name, Said()) for file in files}
            return {name: it._replace(checksum=self._checksum(name) or it.checksum) for name, it in said.items()}
        except ValueError as error:
            raise Incomplete(str(error)) from error

    def _listed(
        self, delivery: Delivery, spec: FileList, files: Sequence[RemoteFile], belongs: Callable[[str], bool]
    ) -> dict[str, Said]:
        """What the party's lists say of each file; they name all of the drop's files, and none that is not there."""
        join = self._joins[delivery.names, spec.names]
        lists: dict[str, str] = {}
        owns: dict[str, list[str]] = {}
        for file in files:
            if (found := join.of(file.name)) is None:
                raise Incomplete(f"no list ({spec.names}) that names {file.name} is there yet")
            lists[file.name] = found
            owns.setdefault(posixpath.basename(file.name), []).append(file.name)
        said = {}
        for of in sorted(set(lists.values())):
            for entry, says in file_list(self._text(of), spec, of):
                tail = posixpath.normpath(entry.replace("\\", "/")).lstrip("/")
                paths = (posixpath.join(posixpath.dirname(of), tail), tail)
                alike = owns.get(posixpath.basename(tail), ())
                name = next((path for path in paths if path in lists), alike[0] if len(alike) == 1 else None)
                if name:
                    said[name] = says
                elif not any(path in self._names for path in paths) and (join.shares or belongs(paths[0])):
                    raise Incomplete(f"{of} names {entry}, which is not there")
        for file in files:
            if file.name not in said:
                raise Incomplete(f"{lists[file.name]} does not name {file.name}")
            size = said[file.name].size
            if size is not None and file.size is not None and size != file.size:
                raise Incomplete(f"{file.name} has {file.size:,} bytes, {lists[file.name]} says {size:,}")
        return said

    def _checksum(self, name: str) -> str | None:
        """The strongest of the checksums that stand beside a file or in the sums of a folder that it is in."""
        found = [self._sums(of).get(relative) for of, relative in self._sums_over(name)]
        for of in self._beside.get(name, ()):
            said = self._sums(of)
            found.append(said.get(posixpath.basename(name)) or (next(iter(said.values())) if len(said) == 1 else None))
            if not found[-1]:
                raise Incomplete(f"{of} holds no checksum of {name} yet")
        return max(filter(None, found), key=len, default=None)

    def _sums_over(self, name: str) -> Iterator[tuple[str, str]]:
        """Sums in the folders that a file is in, each with the file's path below that folder."""
        folder = name if self._over else ""
        while folder:
            folder = folder.rpartition("/")[0]
            for of in self._over.get(folder, ()):
                yield of, name.removeprefix(f"{folder}/")


class _Join:
    """The control files that a pattern matches, found by what they share with the files of a delivery."""

    def __init__(self, pattern: str, delivery: Delivery) -> None:
        self._pattern, self._whole, self._delivery = re.compile(pattern), "/" in pattern, delivery
        self.shares = sorted(self._pattern.groupindex.keys() & {*delivery.group_names, "name"})
        self._found: dict[tuple[str | None, ...], str] = {}

    def takes(self, name: str) -> bool:
        """Whether the file is one of the control files; it is then known."""
        if found := self._pattern.fullmatch(self._own(name)):
            self._found[self._key(name, found.groupdict())] = name
        return found is not None

    def of(self, name: str) -> str | None:
        """The control file that is about a file of the delivery."""
        return self._found.get(self._key(name, {**(self._delivery.groups(name) or {}), "name": self._own(name)}))

    def _own(self, name: str) -> str:
        return name if self._whole else posixpath.basename(name)

    def _key(self, name: str, groups: Mapping[str, str]) -> tuple[str | None, ...]:
        return (None if self._whole else posixpath.dirname(name), *(groups.get(group) for group in self.shares))


def _patterns(delivery: Delivery) -> list[str]:
    return [pattern for pattern in (delivery.done, delivery.manifest and delivery.manifest.names) if pattern]


def _read(remote: Remote | None, name: str) -> str:
    if remote is None:
        raise ValueError(f"{name} cannot be read without a connection")
    with remote.open(name) as stream:
        data = stream.read(MOST + 1)
    if len(data) > MOST:
        raise ValueError(f"{name} has more than {MOST:,} bytes, which is no control file")
    return data.decode("utf-8-sig", "replace")


def sums(text: str) -> Iterator[tuple[str, str]]:
    """Names, as they stand there, and checksums in the lines of md5sum and its kin, of BSD and OpenSSL, or a bare hash.

    >>> list(sums("MD5(pubmed26n0001.xml.gz)= 900150983cd24fb0d6963f7d28e17f72"))
    [('pubmed26n0001.xml.gz', 'md5:900150983cd24fb0d6963f7d28e17f72')]
    """
    for line in map(str.strip, text.splitlines()):
        if found := _BSD.fullmatch(line):
            name, digest = found.groups()
        elif found := _GNU.fullmatch(line):
            digest, name = found.groups(default="")
        else:
            continue
        if algorithm := _ALGORITHMS.get(len(digest)):
            yield posixpath.normpath(name), f"{algorithm}:{digest.lower()}"


def file_list(text: str, spec: FileList, of: str) -> Iterator[tuple[str, Said]]:
    """The names in a party's list and what it says of each; raises `ValueError` where it does not read as declared."""
    if text.lstrip()[:1] in {"[", "{"}:
        found = json.loads(text)
        if isinstance(found, dict):  # the list stands in it
            found = next((value for value in found.values() if isinstance(value, list)), [found])
        rows = [{str(key): str(value) for key, value in row.items() if value is not None} for row in found]
    else:
        lines = (line for line in text.splitlines() if line.strip())
        reader = csv.DictReader(lines, spec.header or None, delimiter=spec.delimiter, skipinitialspace=True)
        rows = [{str(key).strip(): str(value).strip() for key, value in row.items() if value} for row in reader]
    for row in rows:
        if spec.name not in row:
            raise ValueError(f"{of} has no {spec.name} where it names a file (there is {', '.join(row) or 'nothing'})")
        digest = row.get(spec.checksum or "", "").lower()
        if digest and len(digest) not in _ALGORITHMS:
            raise ValueError(f"{of}: {digest} is no checksum")
        yield (
            row[spec.name],
            Said(
                size=_number(row, spec.size, of),
                records=_number(row, spec.records, of),
                checksum=f"{_ALGORITHMS[len(digest)]}:{digest}" if digest else None,
            ),
        )


def _number(row: Mapping[str, str], column: str | None, of: str) -> int | None:
    if column is None:
        return None
    if not (text := row.get(column, "").replace(",", "")).isdecimal():
        raise ValueError(f"{of}: {text or 'nothing'} stands as {column} of a file")
    return int(text)
