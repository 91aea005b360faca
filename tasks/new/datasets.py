"""Which of a sample's plain files are one dataset, what it is called, and the pattern that its files' names match."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from spark.names import normalise
from spark.readers import AnyReader
from tasks.new.names import STAMPS, alternatives, bare, free, kind_of, member_pattern
from tasks.new.sample import Plain

_SHORT = 3
"""Letters of a word, at most, in which names of one dataset's files may differ, as a state's or a part's."""


class Found(NamedTuple):
    """A dataset of the sample: its name, how its files are named and read, and those that were looked at."""

    name: str
    members: str
    reader: AnyReader
    plains: tuple[Plain, ...]

    @property
    def rejected(self) -> float:
        """The largest share of records, of one of its files, that do not parse."""
        return max(plain.share for plain in self.plains)

    @property
    def columns(self) -> dict[str, str]:
        """The party's names of its columns, by those in the lake, of all files looked at."""
        fields = [field for plain in self.plains for field in list(plain.schema)[3:]]
        return {field.name: field.metadata[b"name"].decode() for field in fields if field.name != "_special"}


def datasets(plains: Sequence[Plain], slug: str) -> tuple[Found, ...]:
    """The datasets in plain files: by the words of their names, and by the kind of their rows."""
    groups: dict[tuple[str, str, str], list[Plain]] = defaultdict(list)
    for plain in plains:
        groups[_words(plain.member.name), plain.kind, type(plain.reader).__name__].append(plain)
    made = [tuple(part) for group in _joined(list(groups.values())) for part in _parted(group)]
    names = normalise([_called(group[0], slug, alone=len(made) == 1) for group in made])
    patterns = [_pattern(group) for group in made]
    for at, group in enumerate(made):
        others = [
            plain.member.name for other in made if other is not group for plain in other if not _same(plain, group)
        ]
        if any(re.fullmatch(patterns[at], name) for name in others):
            patterns[at] = _telling([plain.member.name for plain in group], others)
    return tuple(
        Found(name, pattern, _reader(group), group) for name, pattern, group in zip(names, patterns, made, strict=True)
    )


def _same(plain: Plain, group: Sequence[Plain]) -> bool:
    """Whether a plain file is also one of the group's, by another kind of its rows."""
    return plain.member in {one.member for one in group}


def _words(name: str) -> str:
    own = name.rpartition("/")[2]
    for stamp in STAMPS:
        if re.search(r"[A-Za-z(]", stamp.pattern.replace(r"\d", "")):  # months and quarters
            own = re.sub(rf"(?<![\d]){stamp.pattern}(?!\d)", "#", own)
    return re.sub(r"#+", "#", bare(own))


def _joined(groups: list[list[Plain]]) -> list[list[Plain]]:
    """Groups of equal columns whose names differ in one short word are one."""
    made: list[list[Plain]] = []
    for group in groups:
        like = next((other for other in made if _alike(group[0], other[0])), None)
        if like is None:
            made.append(list(group))
        else:
            like += group
    return made


def _parted(group: list[Plain]) -> list[list[Plain]]:
    """A group, or its parts by their columns where one delivered file holds several that only digits tell apart."""
    delivered = defaultdict(set)
    for plain in group:
        delivered[plain.member.names[0]].add(plain.columns)
    if all(len(columns) == 1 for columns in delivered.values()):
        return [group]
    parts = defaultdict(list)
    for plain in group:
        parts[plain.columns].append(plain)
    return list(parts.values())


def _telling(names: Sequence[str], others: Sequence[str]) -> str:
    """A pattern for names in which one number stays, the first that others of the same words never have there.

    Where no one number tells them apart, it is the names as they are.
    """
    own, theirs = ([re.split(r"(\d+)", name) for name in of] for of in (names, others))
    for at in range(1, len(own[0]), 2):
        numbers = {parts[at] for parts in own if len(parts) > at}
        if len(numbers) == 1 and not numbers & {parts[at] for parts in theirs if len(parts) > at}:
            return "".join(piece if n == at else r"\d+" if n % 2 else free(piece) for n, piece in enumerate(own[0]))
    return "|".join(sorted({re.escape(name) for name in names}))


def _alike(one: Plain, other: Plain) -> bool:
    if (one.kind, one.columns, type(one.reader)) != (other.kind, other.columns, type(other.reader)):
        return False
    mine, theirs = (re.findall(r"[A-Za-z]+|#|.", _words(plain.member.name)) for plain in (one, other))
    differ = [(a, b) for a, b in zip(mine, theirs, strict=False) if a != b]
    return len(mine) == len(theirs) and len(differ) == 1 and max(map(len, differ[0])) <= _SHORT


def _called(plain: Plain, slug: str, *, alone: bool) -> str:
    stem = re.sub(r"(\.[A-Za-z][A-Za-z0-9]{1,7})+$", "", _words(plain.member.name))
    words = [word for word in re.split(r"[^A-Za-z]+", stem) if word and kind_of(word) is None]
    if plain.kind:
        kind = re.sub(r"\W+", "_", plain.kind)  # a sheet's name may be anything
        words = [kind] if alone or not words else [*words, kind]
    name = "_".join(words)
    return name if len(re.findall("[A-Za-z]", name)) > 1 else slug


def _pattern(group: Sequence[Plain]) -> str:
    patterns = sorted({member_pattern(plain.member.name) for plain in group})
    if len(patterns) == 1:
        return patterns[0]
    names = [plain.member.name for plain in group]
    folder = "(.*/)?" if any("/" in name for name in names) else ""
    return folder + alternatives(name.rpartition("/")[2] for name in names)


def _reader(group: Sequence[Plain]) -> AnyReader:
    """The reader that most of the files have; of those the one that says most."""
    texts = Counter(repr(plain.reader) for plain in group)
    best = max(texts, key=lambda text: (texts[text], len(text)))
    return next(plain.reader for plain in group if repr(plain.reader) == best)
