"""The texts of a drafted source: its flow, its entry in prefect.yaml, its test."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import yaml

from spark import mapping, readers, schemas
from spark.readers import Avro, Csv, Excel, Orc, Parquet, Sas
from tasks.cadence import Cadence
from tasks.delivery import Kind
from tasks.new.code import WIDTH, pattern, source, text
from tasks.new.datasets import Found
from tasks.new.names import Delivered, cadence, free, kind_of
from tasks.new.proposal import Proposal
from tasks.new.sample import CUT, MISCOUNTED, SHEETS

_WHOLE = ("zip", "7z", "gzip", "bzip2", "xz", "lz4", "zstd", "pgp")
"""Wrappings that show by their end that nothing is missing."""

_RHYTHMS = {"DAILY": "daily", "WEEKLY": "weekly", "MONTHLY": "monthly", "YEARLY": "yearly"}


class Draft(NamedTuple):
    """All that is known of a source: what its flow is written from."""

    slug: str
    module: str
    title: str
    deliveries: tuple[Delivered, ...]
    datasets: tuple[Found, ...]
    ignores: tuple[str, ...]
    expect: tuple[str, ...] | None
    sealed: bool
    locked: bool
    limit: float | None
    proposal: Proposal

    @property
    def whole(self) -> bool:
        """Whether each file shows by itself that it is whole."""
        sought = all(isinstance(found.reader, Sas | Parquet | Avro | Orc | Excel) for found in self.datasets)
        return sought or (bool(self.expect) and (self.expect or ("",))[0] in _WHOLE)

    @property
    def rhythm(self) -> str | None:
        """How often drops come, as a tag; None where the sample does not tell."""
        rules = [rule for delivered in self.deliveries if (rule := cadence(delivered.days))]
        return _RHYTHMS[re.findall(r"FREQ=(\w+)", rules[0][0])[0]] if rules else None


def flow(draft: Draft) -> str:
    """The text of `flows/<module>.py`."""
    constant = draft.module.upper()
    fields = _source(draft)
    last = ["profile(raw)", *draft.proposal.publishes]
    body = "\n".join(f"    {line}" for line in last)
    own = f"{fields}\n{draft.proposal.text}{body}"
    expect = "None" if draft.expect is None else source(list(draft.expect))
    return (
        f'"""{_docstring(draft)}"""\n\n'
        f"{_imports(own)}\n\n"
        f"{constant} = Source(\n{fields}\n)\n"
        f"{draft.proposal.text}"
        f"\n\n@ingest({constant})\n"
        f"def {draft.module}(drop: Drop) -> None:\n"
        f'    """Bring one drop of {draft.slug} into the lake."""\n'
        f"    landed = transfer(drop)\n"
        f"    parts = unwrap(landed, expect={expect})\n"
        f"    raw = convert(parts)\n{body}\n"
    )


def _docstring(draft: Draft) -> str:
    to_do = [
        "what this is, who publishes it under which rules, and where those stand",
        '`phi`: "yes" or "no" once somebody has decided; until then nothing shows a value',
        *(["which kind of drop it is: none of the names says whether files are full"] if _kind_unsaid(draft) else []),
        *(["`quiet`: nothing shows that a text is whole, but that it has held still"] if not draft.whole else []),
        *(["`reject_limit`: ask the party why records do not parse"] if draft.limit else []),
        *(["the layout: columns were cut where the sample has blanks, or digits beside letters"] * _says(draft, CUT)),
        *(["kinds of records: they are in one table, told by column_1; a mapping takes one by `where`"] * _pads(draft)),
        *(["the workbook's other sheets, which hold no table"] * _says(draft, SHEETS)),
        *(["`counts`: ask the party why its envelope counts other than what came"] * _says(draft, MISCOUNTED)),
        *draft.proposal.notes,
    ]
    lines = [
        f"{draft.slug}: {', '.join(found.name for found in draft.datasets)}.",
        "",
        f"Drafted by `inlet new` from {draft.title}; it runs as it is. To do:",
        "",
        *(f"- {line}" for line in to_do),
    ]
    wrapped = [part for line in lines for part in _folded(line)]
    return "\n".join(wrapped).replace("\\", "/").replace('"""', "'''") + "\n"


def _folded(line: str, width: int = 110) -> list[str]:
    words, lines = line.split(" "), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 1 > width:
            lines.append("  " if line.startswith("- ") else "")
        lines[-1] += word if lines[-1] in ("", "  ") else f" {word}"
    return lines


def _kind_unsaid(draft: Draft) -> bool:
    return not any(kind_of(file.name) for delivered in draft.deliveries for file in delivered.files)


def _pads(draft: Draft) -> bool:
    readers = [plain.reader for found in draft.datasets for plain in found.plains]
    return any(isinstance(reader, Csv) and reader.pad for reader in readers)


def _says(draft: Draft, evidence: str) -> bool:
    return any(evidence in plain.evidence for found in draft.datasets for plain in found.plains)


def _source(draft: Draft) -> str:
    """The lines between `Source(` and `)`."""
    made = [_delivery(delivered) for delivered in draft.deliveries]
    one = f"deliveries=({made[0]},)," if len(made) == 1 else ""
    lines = [f"slug={text(draft.slug)},", f"at={text(draft.slug)},"]
    if one and "\n" not in one and len(one) + 4 <= WIDTH:
        lines.append(one)
    else:
        lines += ["deliveries=(", *(f"    {each}," for each in made), "),"]
    lines += ["datasets={", *(f"    {_dataset(found, draft)}," for found in draft.datasets), "},"]
    lines += [f"ignores={_patterns(draft.ignores, 4)},"] if draft.ignores else []
    lines += _quiet(draft) + _cadence(draft)
    lines += [f"pgp_key={text(draft.slug)},"] if draft.sealed else []
    lines += [f"archive_password={text(draft.slug)},"] if draft.locked else []
    lines += [f"reject_limit={draft.limit},  # what the sample has; 0.01 else"] if draft.limit else []
    lines.append('phi="unknown",')
    return "\n".join(f"    {line}" for line in lines)


def _quiet(draft: Draft) -> list[str]:
    if draft.whole:
        return ["quiet=None,  # a file that is cut off does not open"]
    return ["quiet=None,  # to do: timedelta(minutes=10), once files come while others look"]


def _delivery(delivered: Delivered) -> str:
    said = [f"kind={text(delivered.kind)}", f"names={pattern(delivered.names, 12)}"]
    said += [f"dated={text(delivered.dated)}"] if delivered.dated else []
    said += [f"key={text(delivered.key)}"] if delivered.key != "%Y-%m-%d" else []
    if delivered.expected:
        said.append(f"expected={_patterns(delivered.expected, 12)}")
    return _called("Delivery", said, 8)


def _patterns(patterns: Sequence[str], indent: int) -> str:
    """A tuple of patterns."""
    flat = f"({', '.join(map(pattern, patterns))}{',' if len(patterns) == 1 else ''})"
    if indent + len(flat) + 20 <= WIDTH:
        return flat
    lines = "".join(f"{' ' * indent}    {pattern(one, indent + 4)},\n" for one in patterns)
    return f"(\n{lines}{' ' * indent})"


def _called(name: str, said: Sequence[str], indent: int, before: int = 0) -> str:
    """A call, in one line where it fits."""
    flat = f"{name}({', '.join(said)})"
    if "\n" not in flat and indent + before + len(flat) + 1 <= WIDTH:
        return flat
    pad = " " * indent
    return f"{name}(\n" + "".join(f"{pad}    {one},\n" for one in said) + f"{pad})"


def _dataset(found: Found, draft: Draft) -> str:
    said = [f"members={pattern(found.members, 12)}", f"reader={source(found.reader, 12, len('reader='))}"]
    decided = draft.proposal.decisions.get(found.name, {})
    if decided:
        inner = "".join(f'                "{column}": privacy.{source(of)},\n' for column, of in decided.items())
        said.append(f"privacy={{\n{inner}            }}")
    key = f"{text(found.name)}: "
    flat = f"Dataset({', '.join(said)})"
    fits = "\n" not in flat and 8 + len(key) + len(flat) + 1 <= WIDTH
    return key + (flat if fits else _called("Dataset", said, 8, WIDTH))


def _cadence(draft: Draft) -> list[str]:
    """When drops are due, where several dates tell it; as a comment where a run would find the sample overdue."""
    rules: dict[Kind, tuple[str, timedelta, date]] = {}
    for delivered in draft.deliveries:
        if rule := cadence(delivered.days):
            rules.setdefault(delivered.kind, (*rule, delivered.days[-1]))
    if not rules:
        return []
    lines, late = ["cadence={"], False
    for kind, (days, grace, last) in rules.items():
        due = Cadence(days=days, grace=grace).due(datetime.now(UTC), UTC)  # type: ignore[arg-type]
        late |= due is not None and due.date() > last
        lines.append(f"    {text(kind)}: Cadence(days={text(days)}, grace=timedelta(days={grace.days})),")
    lines.append("},")
    return (
        [f"# {line}".rstrip() for line in ["of old files it would say that they are overdue:", *lines]]
        if late
        else lines
    )


def _imports(own: str) -> str:
    """What the rest of the flow's text names, comments apart."""
    code = "\n".join(line.partition("  #")[0] for line in own.split("\n") if not line.lstrip().startswith("#"))
    used = set(re.findall(r"\b(\w+)\(", code)) | set(re.findall(r"to=(\w+)", code))
    lines = ["from spark import privacy"] if "privacy." in code else []
    names = {module.__name__: sorted(used & {*module.__all__}) for module in (mapping, readers, schemas)}
    lines += [f"from {module} import {', '.join(of)}" for module, of in names.items() if of]
    lines += ["from tasks.cadence import Cadence"] if "Cadence" in used else []
    lines += [f"from tasks.{verb} import {verb}" for verb in ("convert", "ingest", "profile")]
    lines += ["from tasks.publish import publish"] if "publish" in used else []
    lines += ["from tasks.source import Dataset, Delivery, Drop, Source", "from tasks.transfer import transfer"]
    lines += ["from tasks.transform import transform"] if "transform" in used else []
    lines += ["from tasks.unwrap import unwrap"]
    return ("from datetime import timedelta\n\n" if "timedelta" in used else "") + "\n".join(lines)


def deployment(draft: Draft) -> str:
    """The two entries of the source below `deployments:` in prefect.yaml."""
    tags = [draft.slug, *([draft.rhythm] if draft.rhythm else [])]
    entrypoint = f"flows.{draft.module}.{draft.module}"
    return (
        f"\n  - <<: *ingest\n"
        f"    entrypoint: {entrypoint}\n"
        f"    description: Looks daily whether {draft.slug} has new drops, and brings them in.\n"
        f"    tags: [inlet, {', '.join(tags)}]\n"
        f"    schedules:\n"
        f"      - slug: daily\n"
        f'        cron: "0 6 * * *"\n'
        f"        timezone: UTC\n"
        f"  - <<: *drop\n"
        f"    entrypoint: {entrypoint}\n"
        f"    description: Brings one drop of {draft.slug} from where it is offered into the lake.\n"
        f"    work_pool: *on_small\n"
        f"    tags: [inlet, {', '.join(tags)}]\n"
    )


def added(config: str, entries: str) -> str:
    """The text of prefect.yaml with entries at the end of its deployments; all else stays as it is.

    Raises `ValueError` where it has no such list, or lacks what the entries refer to.
    """
    begins = re.search(r"(?m)^deployments:[ \t]*(#.*)?$", config)
    if begins is None:
        raise ValueError("there is no list of deployments in it")
    after = re.search(r"(?m)^[^\s#-]", config[begins.end() :])
    end = begins.end() + after.start() if after else len(config)
    block = config[:end].rstrip("\n") + "\n"
    text = block + entries + (f"\n{config[end:]}" if after else "")
    try:
        before, now = yaml.safe_load(config), yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"the entries do not fit into it: {str(error).splitlines()[0]}") from None
    made = now["deployments"]
    if made[:-2] != (before["deployments"] or []) or {**now, "deployments": 0} != {**before, "deployments": 0}:
        raise ValueError("the entries do not fit into it")
    return text


def entrypoints(config: str) -> set[str]:
    """The entry points of the deployments that prefect.yaml has."""
    there: Mapping[str, Sequence[Mapping[str, str]]] = yaml.safe_load(config) or {}
    return {each.get("entrypoint", "") for each in there.get("deployments") or ()}


def ignored(names: Sequence[str]) -> tuple[str, ...]:
    """Patterns for the plain files that are no data; documents by their endings, whatever they are called."""
    endings = sorted({name.rpartition(".")[2].lower() for name in names if "." in name})
    documents = [ending for ending in endings if ending in ("pdf", "doc", "docx", "html", "htm", "md", "rtf")]
    rest = [name for name in names if name.rpartition(".")[2].lower() not in documents]
    found = [rf"(?i).*\.({'|'.join(documents)})"] if documents else []
    return (*found, *sorted({free(name) for name in rest}))


def test(draft: Draft, rows: Mapping[str, int]) -> str:
    """The text of `tests/flows/test_feed_<module>.py`: the flow on its fixture, from a drive to Raw."""
    module, constant = draft.module, draft.module.upper()
    ends = "run()  # what is made up may look like somebody's, or be held: then it stops behind Raw"
    return (
        f'"""{draft.slug}, from a party\'s drive to Raw, on rows that `inlet new` made up."""\n\n'
        "from collections.abc import Callable\nfrom pathlib import Path\n\n"
        f"from blocks.drive import Drive\nfrom flows.{module} import {constant}, {module}\n"
        "from tests.flows.conftest import Feed\n\n"
        f'FIXTURE = Path(__file__).parent / "fixtures" / "{module}"\n'
        f"ROWS = {source(dict(rows), 0, len('ROWS = '))}\n"
        '"""Made-up rows of each dataset."""\n\n\n'
        "def test_every_record_comes_to_raw(feed: Callable[..., Feed]) -> None:\n"
        f"    places = {{{constant}.at: Drive(path=FIXTURE)}}\n"
        f"    drive = feed({module}, {constant}, **places)\n"
        f"    drive.{ends if draft.proposal.mapped else 'done()'}\n"
        f'    rows = {{name: len(drive.rows({constant}.table("raw", name))) for name in {constant}.datasets}}\n'
        "    assert rows == ROWS\n"
    )
