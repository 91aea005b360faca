"""What the names of a party's files promise: which part is the date, which the dataset, which changes freely; and when
the next ones are due.

A pattern is drafted from names alone, so that it fits those of the sample and their like: a date keeps its group,
other digits may be any digits, words stay as they are.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from tasks.delivery import Kind

_MONTH = "(?i:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_MONTHS = "(?i:January|February|March|April|May|June|July|August|September|October|November|December)"


_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


class Stamp(NamedTuple):
    """How a date is written in names: a pattern, strptime's letters, and those of the drop's key.

    Without letters the pattern has the groups of `Delivery` itself. `fine` says how exact it is: 3 for a second, 2 for
    a day, 1 for a month or quarter, 0 for a year.
    """

    pattern: str
    dated: str | None
    key: str
    fine: int

    def read(self, text: str) -> date | None:
        """The first day that it names; None where it names none that a feed may speak of."""
        try:
            if self.dated:
                found = datetime.strptime(text, self.dated)
            else:
                groups = re.fullmatch(self.pattern, text)
                year, quarter = (int(groups[name]) for name in ("year", "quarter")) if groups else (0, 0)
                found = datetime(year + (2000 if year < 100 else 0), 3 * quarter - 2, 1)
        except ValueError:
            return None
        return found.date() if 1990 <= found.year <= datetime.now().year + 2 else None

    @property
    def group(self) -> str:
        """The pattern as it stands in a delivery's names; a month there is any word."""
        plain = self.pattern.replace(_MONTHS, "[A-Za-z]+").replace(_MONTH, "[A-Za-z]{3}")
        return f"(?P<date>{plain})" if self.dated else plain


_DAY, _INSTANT = "%Y-%m-%d", "%Y-%m-%dT%H%M%S"
_QUARTER = "{year}q{quarter}"
_FINEST = 3
STAMPS = (
    Stamp(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d", "%Y-%m-%dT%H-%M-%S", _INSTANT, 3),
    Stamp(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "%Y-%m-%dT%H:%M:%S", _INSTANT, 3),
    Stamp(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", "%Y-%m-%d_%H-%M-%S", _INSTANT, 3),
    Stamp(r"\d{8}T\d{6}", "%Y%m%dT%H%M%S", _INSTANT, 3),
    Stamp(r"\d{8}_\d{6}", "%Y%m%d_%H%M%S", _INSTANT, 3),
    Stamp(r"\d{8}-\d{6}", "%Y%m%d-%H%M%S", _INSTANT, 3),
    Stamp(r"\d{14}", "%Y%m%d%H%M%S", _INSTANT, 3),
    Stamp(r"\d{12}", "%Y%m%d%H%M", "%Y-%m-%dT%H%M", 3),
    Stamp(r"\d{8}T\d{4}", "%Y%m%dT%H%M", "%Y-%m-%dT%H%M", 3),
    Stamp(r"\d{4}-\d\d-\d\dT\d{4}", "%Y-%m-%dT%H%M", "%Y-%m-%dT%H%M", 3),
    Stamp(r"\d{4}-\d\d-\d\dT\d{6}", "%Y-%m-%dT%H%M%S", _INSTANT, 3),
    Stamp(r"\d{6}\.T\d{7}", "%y%m%d.T%H%M%S%f", _INSTANT, 3),
    Stamp(r"\d{4}-\d\d-\d\d", "%Y-%m-%d", _DAY, 2),
    Stamp(r"\d{4}_\d\d_\d\d", "%Y_%m_%d", _DAY, 2),
    Stamp(r"\d{4}\.\d\d\.\d\d", "%Y.%m.%d", _DAY, 2),
    Stamp(r"\d\d-\d\d-\d{4}", "%m-%d-%Y", _DAY, 2),
    Stamp(r"\d\d_\d\d_\d{4}", "%m_%d_%Y", _DAY, 2),
    Stamp(rf"\d\d{_MONTH}\d{{4}}", "%d%b%Y", _DAY, 2),
    Stamp(rf"\d\d-{_MONTH}-\d{{4}}", "%d-%b-%Y", _DAY, 2),
    Stamp(r"\d{8}", "%Y%m%d", _DAY, 2),
    Stamp(r"\d{8}", "%m%d%Y", _DAY, 2),
    Stamp(r"\d{6}", "%y%m%d", _DAY, 2),
    Stamp(r"\d{6}", "%m%d%y", _DAY, 2),
    Stamp(r"(?P<year>\d{4})[-_ ]?[Qq](?:tr|TR)?(?P<quarter>[1-4])", None, _QUARTER, 1),
    Stamp(r"[Qq](?:tr|TR)?(?P<quarter>[1-4])[-_ ]?(?:FY|CY)?(?P<year>\d{4})", None, _QUARTER, 1),
    Stamp(r"(?P<quarter>[1-4])[Qq][-_ ]?(?P<year>\d{4})", None, _QUARTER, 1),
    Stamp(r"(?P<year>\d{4})(?P<quarter>[1-4])[Qq]", None, _QUARTER, 1),
    Stamp(r"(?P<year>\d\d)[Qq](?P<quarter>[1-4])", None, _QUARTER, 1),
    Stamp(r"\d{6}", "%Y%m", "%Y-%m", 1),
    Stamp(r"\d{4}-\d\d", "%Y-%m", "%Y-%m", 1),
    Stamp(r"\d{4}_\d\d", "%Y_%m", "%Y-%m", 1),
    Stamp(r"\d\d-\d{4}", "%m-%Y", "%Y-%m", 1),
    Stamp(r"\d\d_\d{4}", "%m_%Y", "%Y-%m", 1),
    Stamp(r"\d{6}", "%m%Y", "%Y-%m", 1),
    *(Stamp(rf"{_MONTHS}{by}\d{{4}}", f"%B{by}%Y", "%Y-%m", 1) for by in ("_", "-", " ", "")),
    *(Stamp(rf"{_MONTH}{by}\d{{4}}", f"%b{by}%Y", "%Y-%m", 1) for by in ("_", "-", " ", "")),
    *(Stamp(rf"\d{{4}}{by}{_MONTHS}", f"%Y{by}%B", "%Y-%m", 1) for by in ("_", "-", " ", "")),
    *(Stamp(rf"\d{{4}}{by}{_MONTH}", f"%Y{by}%b", "%Y-%m", 1) for by in ("_", "-", " ", "")),
    Stamp(r"\d{4}", "%Y", "%Y", 0),
)
"""How parties write dates in names; of those that fit equally well the first is taken."""

_KINDS: tuple[tuple[Kind, str], ...] = (
    ("deletions", "del|dels|delete|deletes|deleted|deletion|deletions|deactivated|removed|removals|purge"),
    ("incremental", "inc|incr|increment|incremental|delta|deltas|update|updates|upd|chg|change|changes|weekly|daily"),
    ("full", "full|complete|baseline|snapshot|all|master|monthly"),
)
"""Words in names by which a delivery is known to be of a kind."""


class Dated(NamedTuple):
    """A file's name, with the date that it says, by how it is written; `at` is where that stands."""

    name: str
    stamp: Stamp | None
    at: tuple[int, int]
    day: date | None

    @property
    def before(self) -> str:
        """What stands before the date."""
        return self.name[: self.at[0]]

    @property
    def after(self) -> str:
        """What stands behind it."""
        return self.name[self.at[1] :]

    @property
    def words(self) -> str:
        """The name without its date and its digits: equal for files of one dataset."""
        return f"{bare(self.before)}\0{bare(self.after)}"


class Delivered(NamedTuple):
    """Files whose names read alike: what a `Delivery` will say of them."""

    kind: Kind
    names: str
    dated: str | None
    key: str
    expected: tuple[str, ...]
    files: tuple[Dated, ...]

    @property
    def days(self) -> list[date]:
        """The days of its drops, in order."""
        return sorted({file.day for file in self.files if file.day})


def bare(text: str) -> str:
    """A name without what changes from drop to drop: every run of digits is one mark."""
    return re.sub(r"\d+", "#", text)


def free(text: str) -> str:
    """A pattern for this text in which digits may be any digits."""
    return re.sub(r"\d+", r"\\d+", re.escape(text).replace(r"\-", "-").replace(r"\ ", " "))


def member_pattern(name: str) -> str:
    """A pattern for the names of plain files like this one, in whatever folder: of dates and digits any will do."""
    folder, _, own = name.rpartition("/")
    own = re.sub(rf"(?<![A-Za-z])(?:{_MONTHS}|{_MONTH})(?![a-z])", "\0", own)
    return ("(.*/)?" if folder else "") + free(own).replace("\0", "[A-Za-z]+")


def kind_of(name: str) -> Kind | None:
    """The kind of drop that a word of a name says; None where none does."""
    words = set(re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
    return next((kind for kind, known in _KINDS if words & set(known.split("|"))), None)


def dated(names: Collection[str]) -> list[Dated]:
    """Each name with its date. Names that differ in digits and months alone are read in one way."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        alike[bare(re.sub(rf"(?<![A-Za-z])(?:{_MONTHS}|{_MONTH})(?![a-z])", "@", name))].append(name)
    return [found for group in alike.values() for found in _read(group)]


def _read(names: Sequence[str]) -> list[Dated]:
    """Names of one shape: the way of writing dates, and the place in the name, that fits all of them best."""
    found: dict[tuple[int, int], dict[str, Dated]] = defaultdict(dict)
    for name in names:
        for rank, stamp in enumerate(STAMPS):
            for match in re.finditer(rf"(?<!\d){stamp.pattern}(?!\d)", name):
                if re.match(r"[A-Za-z]", match[0]) and re.search(r"[A-Za-z]\Z", name[: match.start()]):
                    continue  # within a word
                if day := stamp.read(match[0]):
                    place = len(re.findall(r"\d+", name[: match.start()]))
                    found[rank, place][name] = Dated(name, stamp, match.span(), day)
    fitting = {at: of for at, of in found.items() if len(of) == len(names)}
    if not fitting:
        return [Dated(name, None, (len(name), len(name)), None) for name in names]
    today = date.today() + timedelta(days=366)

    def worth(at: tuple[int, int]) -> tuple[bool, int, int, date, int]:
        days = [one.day for one in fitting[at].values() if one.day]
        # what lies ahead is no date of a delivery; what differs is one rather; else the finer one, then the later
        return max(days) <= today, min(len(set(days)), 2), STAMPS[at[0]].fine, max(days), -at[0]

    best = max(fitting, key=worth)
    return [fitting[best][name] for name in names]


def deliveries(names: Collection[str]) -> list[Delivered]:
    """How these names read, as few deliveries as they allow; those of full drops come first."""
    read = dated(names)
    groups: dict[tuple[Kind, Stamp | None, bool], list[Dated]] = defaultdict(list)
    for one in read:
        in_folder = one.stamp is not None and one.at[0] < one.name.rfind("/")  # the date is in a folder's name
        groups[kind_of(one.name) or "full", one.stamp, in_folder].append(one)
    order: tuple[Kind, ...] = ("full", "incremental", "deletions")
    made: list[Delivered] = []
    for (kind, stamp, in_folder), files in sorted(groups.items(), key=lambda g: (order.index(g[0][0]), g[1][0].name)):
        plain = files if in_folder else [_own(file) for file in files]
        which = f"{kind}-" if made and kind != made[0].kind else f"{len(made) + 1}-" if made else ""
        made.append(_delivered(kind, stamp, plain, which))
    return made


def _own(file: Dated) -> Dated:
    """The file by its own name, without the folders above it."""
    cut = file.name.rfind("/") + 1
    return file._replace(name=file.name[cut:], at=(file.at[0] - cut, file.at[1] - cut))


def _delivered(kind: Kind, stamp: Stamp | None, files: Sequence[Dated], which: str) -> Delivered:
    shapes = sorted({(free(file.before), free(file.after)) for file in files})
    date = re.sub(r"\(\?P<\w+>", "(", stamp.group) if stamp else ""
    group = stamp.group if stamp else ""
    return Delivered(
        kind=kind,
        names=f"{alternatives(file.before for file in files)}{group}{alternatives(file.after for file in files)}",
        dated=stamp.dated if stamp else None,
        key=f"{which}{_DAY if stamp is None or _by_day(stamp, files) else stamp.key}",
        expected=tuple(f"{before}{date}{after}" for before, after in shapes) if _complete(files) else (),
        files=tuple(files),
    )


def _by_day(stamp: Stamp, files: Sequence[Dated]) -> bool:
    """Whether the files of a drop were written one after the other, so that only their day is the same."""
    texts: dict[date | None, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in files:
        texts[file.day][file.words].add(file.name[slice(*file.at)])
    several = [of for of in texts.values() if len(of) > 1]
    once = all(len(written) == 1 for of in several for written in of.values())
    return stamp.fine == _FINEST and once and any(len(set().union(*of.values())) > 1 for of in several)


def _complete(files: Sequence[Dated]) -> bool:
    """Whether several drops are there, of the same files each: then one of them is not whole without all."""
    words: dict[date | None, set[str]] = defaultdict(set)
    for file in files:
        words[file.day].add(file.words)
    same = set(map(frozenset, words.values()))
    return len(words) > 1 and None not in words and len(same) == 1 and len(next(iter(same))) > 1


def alternatives(texts: Iterable[str]) -> str:
    """A pattern for any of some texts, in which digits may be any: what they begin and end with alike stands once."""
    tokens = [tuple(t) for t in sorted({tuple(re.findall(r"\d+|[A-Za-z]+|.", bare(text), re.S)) for text in texts})]
    if len(tokens) == 1:
        return _pattern(tokens[0])
    shortest = min(map(len, tokens))
    head = next((n for n in range(shortest) if len({t[n] for t in tokens}) > 1), shortest)
    rest = [t[head:] for t in tokens]
    shortest = min(map(len, rest))
    tail = next((n for n in range(shortest) if len({t[-1 - n] for t in rest}) > 1), shortest)
    inner = "|".join(_pattern(t[: len(t) - tail]) for t in rest)
    return f"{_pattern(tokens[0][:head])}({inner}){_pattern(rest[0][len(rest[0]) - tail :])}"


def _pattern(tokens: Iterable[str]) -> str:
    return "".join(r"\d+" if piece == "#" else free(piece) for piece in tokens)


def cadence(days: Sequence[date]) -> tuple[str, timedelta] | None:
    """The rule by which the days of drops follow each other, of RFC 5545, and how long after such a day one may come.

    None where there are fewer than three, or no rule fits them; the smallest of those that fit is taken.
    """
    days = sorted(set(days))
    if len(days) < 3:
        return None
    steps = [(later - earlier).days for earlier, later in pairwise(days)]
    usual = sorted(steps)[len(steps) // 2]
    week = Counter(day.weekday() for day in days)
    if usual <= 3 and max(steps) <= 4:
        workdays = not any(day > 4 for day in week)
        return ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR" if workdays and len(days) > 4 else "FREQ=DAILY"), timedelta(days=2)
    if set(steps) <= {7, 14} and usual == 7 and len(week) == 1:
        return f"FREQ=WEEKLY;BYDAY={_WEEKDAYS[days[0].weekday()]}", timedelta(days=3)
    if 6 <= usual <= 8:
        return "FREQ=WEEKLY", timedelta(days=7)
    months = [later.year * 12 + later.month - earlier.year * 12 - earlier.month for earlier, later in pairwise(days)]
    usual = sorted(months)[len(months) // 2]
    if usual == 1 and max(months) <= 2:
        return f"FREQ=MONTHLY{_day_of_month(days)}", timedelta(days=15)
    if usual in {3, 6, 12} and all(step % usual == 0 for step in months):
        due = sorted({(days[0].month - 1 + usual * n) % 12 + 1 for n in range(12 // usual)})
        by = f";BYMONTH={','.join(map(str, due))}"
        return f"FREQ=YEARLY{by}{_day_of_month(days) or ';BYMONTHDAY=1'}", timedelta(days=30 if usual < 12 else 90)
    return None


def _day_of_month(days: Sequence[date]) -> str:
    """Which day of the month all are; "" where they are of several."""
    if all((day + timedelta(days=1)).day == 1 for day in days):
        return ";BYMONTHDAY=-1"
    return f";BYMONTHDAY={days[0].day}" if len({day.day for day in days}) == 1 else ""
