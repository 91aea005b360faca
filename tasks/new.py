"""new: drafts a source from a sample of what it delivers."""

import json
import re
from contextlib import closing
from datetime import datetime
from pathlib import Path
from string import Template

import fsspec
from pydantic import BaseModel

from spark.errors import UnexpectedMember, UnknownFormat
from spark.names import normalise
from spark.readers import Csv
from tasks.formats import HEAD, choose
from tasks.local import known_passwords
from tasks.wrappings import peel

_DATES = (
    (r"\d{4}-\d{2}-\d{2}", "%Y-%m-%d", "%Y-%m-%d"),
    (r"\d{8}", "%Y%m%d", "%Y-%m-%d"),
    (r"\d{8}", "%m%d%Y", "%Y-%m-%d"),
    (r"\d{6}", "%Y%m", "%Y-%m"),
    (r"\d{6}", "%y%m%d", "%Y-%m-%d"),
    (r"\d{6}", "%m%d%y", "%Y-%m-%d"),
    (r"\d{4}-\d{2}", "%Y-%m", "%Y-%m"),
    (r"[A-Z][a-z]+_\d{4}", "%B_%Y", "%Y-%m"),
    (r"\d{4}", "%Y", "%Y"),
)
"""How dates are written in file names: pattern, strptime's letters, and the letters of the drop's key."""

_FLOW = Template('''\
"""$title: what it is, who publishes it and how often, with the publisher's rules and where they stand.

Drafted by `inlet new` from $sample; it runs as it is. To do: say what the file names promise, whether
there are people's data in it (`phi`), and map it to a common schema.
"""

$imports
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.unwrap import unwrap

$constant = Source(
    slug="$slug",
    at="$slug",
    deliveries=($delivery,),
    datasets={
$datasets
    },
    ignores=($ignores),
    phi="unknown",
)


@ingest($constant)
def $module(drop: Drop) -> None:
    """Bring one drop of $slug into the lake."""
    landed = transfer(drop)
    parts = unwrap(landed, expect=$expect)
    raw = convert(parts)
    profile(raw)
''')

_DEPLOYMENT = Template("""\
  - <<: *ingest
    entrypoint: flows.$module.$module
    schedules: [{slug: daily, cron: "0 6 * * *", timezone: UTC}]
    tags: [$slug, daily]
  - <<: *drop
    entrypoint: flows.$module.$module
    tags: [$slug]
""")


class Drafted(BaseModel, frozen=True):
    """What was written, what it reads, and what is left to do by hand."""

    flow: str
    slug: str
    expect: list[str]
    datasets: dict[str, str]
    ignored: list[str]
    deployment: str


def draft(sample: str, name: str | None, flows: Path) -> Drafted:
    """Write `<flows>/<module>.py` for a sample file; raises `FileExistsError` rather than write over anything."""
    file = sample.rpartition("/")[2]
    members, wrappings = _members(sample, file)
    readers = {member: reader for member, head in members.items() if (reader := _reader(member, head))}
    if not readers:
        raise UnexpectedMember(f"{sample} holds no file with a known reader: {', '.join(members) or 'nothing'}")
    module = normalise([name or re.sub(r"\d+", "", file.partition(".")[0])])[0]
    slug = module.strip("_").replace("_", "-")
    path = flows / f"{module}.py"
    datasets = dict(zip(normalise([_bare(member) for member in readers]), readers, strict=True))
    pattern, dated, key = _dated(file)
    read_by = f'dated="{dated}", ' if dated else ""
    kinds = sorted({reader.partition("(")[0] for reader in readers.values()})
    text = _FLOW.substitute(
        title=slug,
        sample=file,
        imports=f"from spark.readers import {', '.join(kinds)}",
        constant=module.upper(),
        module=module,
        slug=slug,
        delivery=f'Delivery(kind="full", names={_raw(pattern)}, {read_by}key="{key}")',
        datasets="\n".join(
            f'        "{dataset}": Dataset(members={_raw(_dated(member)[0])}, reader={readers[member]}),'
            for dataset, member in datasets.items()
        ),
        ignores="".join(f"{_raw(_dated(member)[0])}, " for member in members if member not in readers).rstrip(),
        expect=json.dumps(list(wrappings)),
    )
    with path.open("x") as out:
        out.write(text)
    return Drafted(
        flow=str(path),
        slug=slug,
        expect=list(wrappings),
        datasets={dataset: readers[member] for dataset, member in datasets.items()},
        ignored=[member for member in members if member not in readers],
        deployment=_DEPLOYMENT.substitute(module=module, slug=slug),
    )


def _members(sample: str, file: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The beginning of every plain file in the sample by its name, and the wrappings round them."""
    heads: dict[str, bytes] = {}
    wrappings: set[tuple[str, ...]] = set()
    with fsspec.open(sample, "rb") as stream, closing(peel(stream, file, passwords=known_passwords())) as members:
        for member, plain in members:
            heads[member.name] = plain.read(HEAD)
            wrappings.add(member.wrappings)
    if len(wrappings) > 1:
        raise UnexpectedMember(f"{sample} wraps its files in different ways: {', '.join(map(str, wrappings))}")
    return heads, next(iter(wrappings), ())


def _reader(member: str, head: bytes) -> str | None:
    """The reader of a plain file, as source code; None where none fits, or where there is but a header."""
    try:
        reader = choose(member, head, whole=len(head) < HEAD).reader
    except UnknownFormat:
        return None
    if isinstance(reader, Csv) and b"\n" not in head.strip():
        return None  # it stands beside the file that it belongs to
    told = [f"{name}={value!r}" for name, value in reader if value != type(reader).model_fields[name].default]
    return f"{type(reader).__name__}({', '.join(told)})"


def _dated(name: str) -> tuple[str, str | None, str]:
    """A pattern for names like this one: its date as a group, other digits free; the date's letters; the key's."""
    for pattern, dated, key in _DATES:
        for found in re.finditer(rf"(?<![0-9]){pattern}(?![0-9])", name):
            try:
                date = datetime.strptime(found[0], dated)
            except ValueError:
                continue
            if 1990 <= date.year <= 2099:
                before, after = name[: found.start()], name[found.end() :]
                return f"{_free(before)}(?P<date>{pattern}){_free(after)}", dated, key
    return _free(name), None, "%Y-%m-%d"


def _free(text: str) -> str:
    return re.sub(r"\d+", r"\\d+", re.escape(text))


def _bare(member: str) -> str:
    """A member's name without its ending and its digits."""
    return re.sub(r"\d+", "", member.rpartition(".")[0]) or member


def _raw(pattern: str) -> str:
    """A pattern as a raw string literal."""
    return f'r"{pattern}"' if '"' not in pattern else repr(pattern)
