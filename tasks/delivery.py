"""delivery: what the names of a party's files say, and which files make a drop whole."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from functools import cached_property, lru_cache
from string import Formatter
from typing import Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, model_validator

from blocks.place import RemoteFile

Kind = Literal["full", "incremental", "deletions"]
KINDS: tuple[Kind, ...] = ("full", "incremental", "deletions")
"""What a drop speaks of, in the order in which drops of one instant are applied."""


class FileList(BaseModel, frozen=True):
    """A file in which the party lists what it delivers: text with a header line, or JSON.

    `names` is a pattern as `Delivery.done` is. `name` is the column, in JSON the field, that holds the names of files;
    `size` in bytes, `records` and `checksum` (hexadecimal; its length tells the algorithm) name others, if there are
    such. `header` gives the names of columns where the text has none.
    """

    names: str
    name: str
    size: str | None = None
    records: str | None = None
    checksum: str | None = None
    delimiter: str = ","
    header: tuple[str, ...] = ()


class Named(NamedTuple):
    """What a file's name says: the drop's key, its instant in the source's zone (without it), groups, and its part."""

    key: str
    as_of: datetime
    groups: Mapping[str, str]
    part: str


class Delivery(BaseModel, frozen=True):
    r"""How the names of one kind of drop read, and when a drop is whole.

    `names` matches the whole of a file's own name, or, where the pattern holds a `/`, of its path below the place. Its
    groups:

        date                       as `dated` (strptime) reads it
        year month day quarter     numbers, a month also by its English name; years of two digits as strptime has them
        number                     orders drops of one date, in whatever order they arrive: it counts as seconds of it
        dataset                    the dataset that is in the file, upper or lower case
        any other                  free to stand in `key`, as all do

    A name without a date is dated by the day, in the source's zone, on which the party last wrote the file. A month,
    quarter or year speaks up to its first day, with `as_of="end"` up to its last. Where the date stands only in the
    name of a member of a zip, `inside` matches that, with the same groups and `inside_dated`.

    `key` names the drop, by strftime and by groups: `"{state}-%Y-%m"`, `"{year}q{quarter}"`. Files of one key are one
    drop; of two deliveries that give one key the one declared first counts. A file that is re-published under another
    name belongs into a drop of its own: put what changes into the key.

    `part` names, as `key` does, the part of the source's data that a full drop is whole of: `"{program}-%Y"`. Where
    `Source.absent` says that keys are gone which a full drop lacks, those alone are gone of which a drop of the same
    part, of whatever kind, had the last say before. Files of one drop are of one part, drops of several deliveries may
    be. `""` is a part like any other: where no delivery names one, it is the whole of the source.

    `at` names the block that says where these files are, where that is not the source's: a history on a drive, from
    which files come by SFTP ever after. Places are listed apart, so that names in them may be alike.

    A drop is whole when

    - it has the files that `expected` says: patterns, as of `names`, of which each must match one, or their number;
    - it is `gapless`: the numbers of its files run from 1 without a gap, up to the one before the first of another
      delivery with the same date, as increments go on counting; while there is no such file its last is not known;
    - there is a file that `done` matches. Without a `/` it stands in the folder of the files that it is about; groups
      that `names` has as well must be equal, and a group `name` is the name of the one file that it is about:
      `_SUCCESS`, `(?P<date>\d{8})\.done`, `(?P<name>.+)\.done`;
    - the party's own list, its `manifest`, names each of its files and no others, with their sizes.

    Checksums are found without being declared: claims.csv.md5 beside claims.csv, and MD5SUMS; so are sha1 to sha512.
    """

    kind: Kind
    names: str
    dated: str | None = None
    key: str = "%Y-%m-%d"
    part: str = ""
    at: str | None = None
    as_of: Literal["start", "end"] = "start"
    inside: str | None = None
    inside_dated: str = "%Y%m%d"
    expected: tuple[str, ...] | int = ()
    gapless: bool = False
    done: str | None = None
    manifest: FileList | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        groups = self._names.groupindex
        if ("date" in groups) != (self.dated is not None):
            raise ValueError(f"{self.names}: a group `date` and `dated`, which says how it reads, go together")
        if self.gapless and "number" not in groups:
            raise ValueError(f"{self.names}: without a group `number` nobody can tell whether it is gapless")
        for group, needed in {"quarter": "year", "month": "year", "day": "month"}.items():
            if group in groups and needed not in groups:
                raise ValueError(f"{self.names}: a group `{group}` needs a group `{needed}`")
        for template in (self.key, self.part):
            if unknown := {field for _, field, _, _ in Formatter().parse(template) if field} - groups.keys():
                raise ValueError(f"{template}: {self.names} has no group {', '.join(sorted(unknown))}")
        others = [self.inside, self.done, self.manifest.names if self.manifest else None]
        for pattern in [*others, *([] if isinstance(self.expected, int) else self.expected)]:
            re.compile(pattern or "")  # a mistake shows here, not in a run
        return self

    @cached_property
    def _names(self) -> re.Pattern[str]:
        return re.compile(self.names)

    @property
    def group_names(self) -> Iterable[str]:
        """The groups of `names`."""
        return self._names.groupindex

    def groups(self, name: str) -> dict[str, str] | None:
        """The groups that match in the name of a file of this delivery; None where it is no file of it."""
        found = self._names.fullmatch(name if "/" in self.names else name.rpartition("/")[2])
        return {group: text for group, text in found.groupdict().items() if text} if found else None

    def read(self, file: RemoteFile, zone: ZoneInfo) -> Named | None:
        """What the name of a file says; None where it is no file of this delivery.

        Raises `ValueError` for one that is, but whose date cannot be told.
        """
        groups = self.groups(file.name)
        if groups is None:
            return None
        date, last = _date(groups, self.dated) or _written(file, zone)
        # the names of groups that did not match stand for nothing
        fields = {**dict.fromkeys(self._names.groupindex, ""), **groups}
        return Named(
            key=date.strftime(self.key).format_map(fields),
            as_of=(last if self.as_of == "end" else date) + timedelta(seconds=int(groups.get("number", 0))),
            groups=groups,
            part=date.strftime(self.part).format_map(fields),
        )

    def numbered(self, file: RemoteFile, zone: ZoneInfo) -> tuple[datetime, int] | None:
        """The date and number that the name of a file says; None where it is no file of this delivery or says none."""
        try:
            named = self.read(file, zone)
        except ValueError:
            return None
        if named is None or "number" not in named.groups:
            return None
        number = int(named.groups["number"])
        return named.as_of - timedelta(seconds=number), number

    def date_inside(self, members: Iterable[str]) -> datetime:
        """The date in the name of the first member that `inside` matches; raises `ValueError` where none has one."""
        for member in members:
            if found := re.fullmatch(self.inside or "", member.rpartition("/")[2]):
                date = _date({group: text for group, text in found.groupdict().items() if text}, self.inside_dated)
                if date:
                    return date[0]
        raise ValueError(f"no member is named {self.inside}, with a date")


def _date(groups: Mapping[str, str], dated: str | None) -> tuple[datetime, datetime] | None:
    """The first and the last day of what the groups name, None where they name no date; raises `ValueError`."""
    if "date" in groups:
        return _period(groups["date"], dated or "")
    if "year" not in groups:
        return None
    year = "%y" if len(groups["year"]) == 2 else "%Y"
    if "quarter" in groups:
        first, last = (
            _period(f"{groups['year']} {3 * int(groups['quarter']) - before}", f"{year} %m") for before in (2, 0)
        )
        return first[0], last[1]
    month = groups.get("month", "")
    letters = [year, *(["%m" if month.isdecimal() else "%b"] if month else []), *(["%d"] if "day" in groups else [])]
    texts = [groups["year"], month if month.isdecimal() else month[:3], groups.get("day", "")]
    return _period(" ".join(filter(None, texts)), " ".join(letters))


@lru_cache(1 << 16)  # strptime is slow, and 100,000 files have few dates
def _period(text: str, dated: str) -> tuple[datetime, datetime]:
    """The first and the last day of a day, month or year as strptime's letters read it."""
    try:
        first = datetime.strptime(text, dated)
    except ValueError as error:
        raise ValueError(f"{text} is no date as {dated} reads it") from error
    months = 0 if re.search("%[djcxUW]", dated) else 1 if re.search("%[mbB]", dated) else 12
    if not months:
        return first, first
    month = first.year * 12 + first.month - 1 + months
    return first, datetime(month // 12, month % 12 + 1, 1) - timedelta(days=1)


def _written(file: RemoteFile, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The day on which the party last wrote a file, in its zone, without it."""
    if file.mtime is None:
        raise ValueError("there is no date in its name, and the server does not say when it was written")
    day = datetime.combine(file.mtime.astimezone(zone), time.min)
    return day, day
