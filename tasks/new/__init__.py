"""new: drafts a source from a sample of what it delivers: its flow, its deployments, its test.

`place` finds the files, `sample` opens and reads them (`records`: where records are, where a format does not say),
`names` reads their names, `datasets` tells what is one table, `proposal` maps them, `write` writes.
"""

import keyword
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from spark.errors import Unreadable
from tasks.new.datasets import Found, datasets
from tasks.new.fixture import NotMade, fixture
from tasks.new.names import STAMPS, deliveries
from tasks.new.place import opened
from tasks.new.proposal import proposal
from tasks.new.sample import Looked, Options, look
from tasks.new.write import Draft, added, deployment, entrypoints, flow, ignored, test

__all__ = ["Drafted", "Options", "draft"]


class Drafted(BaseModel, frozen=True):
    """What was drafted: the texts of files by their paths, what they read, and what is left to do by hand.

    `unread` are files of the sample that are no data, and why. `mapped` are the common schemas, by dataset, that a run
    publishes to, `proposed` the steps that do, or will once they are no comments. `untested` is why there is no test.
    """

    slug: str
    flow: str
    files: dict[str, str]
    expect: list[str] | None
    datasets: dict[str, str]
    ignored: list[str]
    unread: dict[str, str]
    mapped: dict[str, list[str]] = {}
    proposed: list[str] = []
    untested: str | None = None
    deployment: str


def draft(
    sample: str, name: str | None = None, root: Path = Path(), options: Options | None = None, *, dry: bool = False
) -> Drafted:
    """Draft a source below `root`, where `flows`, `tests` and prefect.yaml are; with `dry` nothing is written.

    Raises `FileExistsError` rather than write over anything, `NotThere` where there is no sample, and what opening and
    reading its files raises where none of them is data.
    """
    with opened(sample) as there:
        title = there.title
        slug = _slug(name) if name else _slug(_stem(title))
        module = slug.replace("-", "_")
        path, config = root / "flows" / f"{module}.py", root / "prefect.yaml"
        tests = root / "tests" / "flows"
        tested, kept = tests / f"test_feed_{module}.py", tests / "fixtures" / module
        before = config.read_text() if config.exists() else None
        _assert_free((path, tested, kept), config, before, f"flows.{module}.{module}")
        found = look(there, options or Options())
    made = _draft(found, title, slug, module)
    texts: dict[Path, str | bytes] = {path: flow(made)}
    untested = None
    try:
        files, rows = _fixture(made)
        texts |= {kept / file: data for file, data in files.items()}
        texts[tested] = test(made, rows)
    except NotMade as why:
        untested = str(why)
    entries = deployment(made)
    if before is not None:
        texts[config] = added(before, entries)
    if not dry:
        _write(texts, config)
    return Drafted(
        slug=slug,
        flow=str(path),
        files={str(each): _shown(text) for each, text in texts.items() if each != config},
        untested=untested,
        expect=None if made.expect is None else list(made.expect),
        datasets={one.name: repr(one.reader) for one in made.datasets},
        ignored=list(made.ignores),
        mapped={name: list(schemas) for name, schemas in made.proposal.mapped.items()},
        proposed=list(made.proposal.publishes),
        unread=found.beside,
        deployment=entries,
    )


def _assert_free(paths: Sequence[Path], config: Path, before: str | None, entrypoint: str) -> None:
    """Raise `FileExistsError` where something is in the way, before a sample is read."""
    for path in paths:
        if path.exists():
            raise FileExistsError(f"{path} is there already: choose another --name, or move it away first")
    if before is not None and entrypoint in entrypoints(before):
        raise FileExistsError(
            f"{config} has deployments of {entrypoint} already: choose another --name, or remove them"
        )


def _draft(found: Looked, title: str, slug: str, module: str) -> Draft:
    tables = datasets(found.plains, module)
    if all(plain.rejected and not plain.table.num_rows for plain in found.plains):
        reasons = found.plains[0].rejected.most_common(3)
        raise Unreadable(
            f"{title}: no record of it parses ({', '.join(f'{n:,} × {why}' for why, n in reasons)}): "
            "say how it reads by --format and -o"
        )
    wrappings = {plain.member.wrappings for plain in found.plains}
    inside = [name for name in found.beside if name not in found.data]
    return Draft(
        slug=slug,
        module=module,
        title=title,
        deliveries=tuple(deliveries(found.data)),
        datasets=tables,
        ignores=ignored([name for name in inside if any(plain.member.wrappings for plain in found.plains)]),
        expect=next(iter(wrappings)) if len(wrappings) == 1 else None,
        sealed=any("pgp" in each for each in wrappings),
        locked=found.locked,
        limit=_limit(tables),
        proposal=proposal(tables, slug),
    )


def _limit(tables: Sequence[Found]) -> float | None:
    """A limit that the sample keeps, where it does not keep the usual one."""
    most = max(table.rejected for table in tables)
    return min(1.0, round(most * 1.1 + 0.005, 2)) if most > 0.01 else None


def _stem(title: str) -> str:
    """A sample's name without its endings, dates and other digits."""
    stem = re.sub(r"(\.[A-Za-z][A-Za-z0-9]{0,9})+$", "", title)
    for stamp in STAMPS:
        stem = re.sub(rf"(?<!\d){stamp.pattern}(?!\d)", "", stem) if stamp.fine else stem
    return re.sub(r"\d+", "", stem)


def _slug(name: str) -> str:
    """A name for flow, blocks and tables: lower case letters, digits and hyphens, the first a letter."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    plain = plain if plain[:1].isalpha() else f"source-{plain}".strip("-")
    return f"{plain}-source" if keyword.iskeyword(plain) or len(plain) < 2 else plain


def _fixture(made: Draft) -> tuple[dict[str, bytes], dict[str, int]]:
    if made.locked or made.sealed:
        raise NotMade("what a key or a password opens is not made up")
    return fixture(made.datasets)


def _shown(text: str | bytes) -> str:
    """A file that would be written; one that is no text by its size."""
    if isinstance(text, str):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError:
        return f"{len(text):,} bytes"


def _write(texts: dict[Path, str | bytes], config: Path) -> None:
    """All files, or none: those that are new first, prefect.yaml, which others read, last."""
    written: list[Path] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            data = text if isinstance(text, bytes) else text.encode()
            if path == config:
                scratch = path.with_suffix(".yaml.part")
                scratch.write_bytes(data)
                scratch.replace(path)
            else:
                with path.open("xb") as out:
                    written.append(path)
                    out.write(data)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
