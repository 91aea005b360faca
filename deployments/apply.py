"""apply: what a server has beside deployments, made what the settings say: blocks, work pool, limits, automations.

    python -m deployments.apply --settings inlet.toml --dry-run
    python -m deployments.apply --settings inlet.toml
    prefect --no-prompt deploy --all

It reads, compares, prints what differs, and writes only that; a second time it finds nothing to do. What the settings
do not name it leaves alone.
"""

import json
from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast
from uuid import UUID

import typer
from prefect.blocks import notifications
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect_aws import AwsCredentials
from pydantic import SecretBytes, SecretStr, ValidationError
from rich.console import Console
from rich.text import Text

from blocks import lifecycle
from blocks.archive import ArchivePassword
from blocks.errors import Misconfigured, PlaceError
from blocks.hash_key import HashKey
from blocks.lake import Lake
from blocks.pgp import PgpKey
from blocks.place import Place
from deployments.automations import automations
from deployments.pool import template
from deployments.settings import NotSet, Pool, Settings, SettingsError, read, resolved
from tasks.run import PLACES

PER_SERVER = 2
"""Runs that may use one server at once where the settings give no number: parties count connections, and some close an
account over them."""

NOTIFIERS: tuple[type[Block], ...] = (
    notifications.SlackWebhook,
    notifications.MicrosoftTeamsWebhook,
    notifications.PagerDutyWebHook,
    notifications.OpsgenieWebhook,
    notifications.SendgridEmail,
    notifications.CustomWebhookNotificationBlock,
)
KINDS: dict[str, type[Block]] = {
    kind.get_block_type_slug(): kind
    for kind in cast(
        tuple[type[Block], ...], (*PLACES, Lake, PgpKey, ArchivePassword, HashKey, AwsCredentials, *NOTIFIERS)
    )
}
"""The block types that settings may name, by slug."""


class Change(NamedTuple):
    """One thing that is not as it should be: what, a line for each difference, and what makes it so.

    No lines: it is not there at all.
    """

    what: str
    lines: tuple[str, ...]
    make: Callable[[], object]


class Missing(NamedTuple):
    """One thing that cannot be compared, as what it refers to is not set; the message says what."""

    what: str
    why: str


def changes(settings: Settings, client: SyncPrefectClient) -> Iterator[Change | Missing]:
    """What differs, in the order in which it is to be made: what comes later may stand on what was made before.

    Raises `SettingsError`.
    """
    yield from _types()
    made = {}
    for name, fields in settings.blocks.items():
        try:
            made[name] = _block(name, resolved(fields))
        except NotSet as error:
            yield Missing(f"block {name}", str(error))
            continue
        yield from _changed_block(name, made[name])
        if isinstance(lake := made[name], Lake):
            yield from _staged(name, lake)
    yield from _pool(settings.pool, client)
    servers = {block.server: PER_SERVER for block in made.values() if isinstance(block, Place) and block.server}
    for server, limit in sorted({**servers, **settings.limits}.items()):
        yield from _limit(server, limit, client)
    yield from _automations(settings.alerts.blocks if settings.alerts else (), made, settings, client)


def _staged(name: str, lake: Lake) -> Iterator[Change | Missing]:
    """The rule by which the lake's bucket itself removes what is staged, unless it has one."""
    try:
        if lifecycle.missing(lake):
            yield Change(f"what {lake.root} has staged is to end by itself", (), partial(lifecycle.put, lake))
    except PlaceError as error:
        yield Missing(f"rule for what is staged in {name}", str(error))


def _types() -> Iterator[Change]:
    """Block types and schemas as these classes have them, so that the UI's forms do."""
    for slug, kind in KINDS.items():
        with get_client(sync_client=True) as client:
            try:
                client.read_block_type_by_slug(slug)
                client.read_block_schema_by_checksum(kind._calculate_schema_checksum())
            except ObjectNotFound:
                yield Change(f"block type {slug}", (), kind.register_type_and_schema)


def _block(name: str, fields: dict[str, Any]) -> Block:
    slug = name.partition("/")[0]
    if slug not in KINDS or not name.partition("/")[2]:
        raise SettingsError(f"blocks.{name!r}: a block is type/name, and types are {', '.join(sorted(KINDS))}")
    try:
        return KINDS[slug](**fields)
    except (ValidationError, Misconfigured) as error:
        wrong = (
            [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
            if isinstance(error, ValidationError)
            else [str(error)]
        )
        raise SettingsError(f"blocks.{name!r}: {'; '.join(wrong)}") from error


def _changed_block(name: str, block: Block) -> Iterator[Change]:
    own = name.partition("/")[2]

    def save() -> None:
        block.save(own, overwrite=True)

    try:
        there = cast(Block, type(block).load(own, validate=False))
    except ValueError:
        yield Change(f"block {name}", (), save)
        return
    if lines := _differences(_plain(there), _plain(block), secret=_secrets(block)):
        yield Change(f"block {name}", lines, save)


def _plain(block: Block) -> dict[str, Any]:
    """The fields of a block that are its own, secrets as text: for comparison, never to be shown."""
    fields = block.model_dump(include=set(type(block).model_fields))
    return json.loads(json.dumps(fields, default=_open))  # type: ignore[no-any-return]


def _open(value: object) -> str:
    revealed = value.get_secret_value() if isinstance(value, SecretStr | SecretBytes) else value
    return revealed.decode() if isinstance(revealed, bytes) else str(revealed)


def _secrets(block: Block) -> frozenset[str]:
    """The fields that hold secrets, some of them deep inside."""
    fields = block.model_dump(include=set(type(block).model_fields))

    def holds(value: object) -> bool:
        if isinstance(value, dict):
            return any(map(holds, value.values()))
        return isinstance(value, SecretStr | SecretBytes)

    return frozenset(name for name, value in fields.items() if holds(value))


def _differences(
    there: dict[str, Any], wanted: dict[str, Any], *, secret: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """A line for each field that differs; of a secret only that it does."""
    return tuple(
        f"{name}: another" if name in secret else f"{name}: {_short(there.get(name))} -> {_short(value)}"
        for name, value in wanted.items()
        if there.get(name) != value
    )


def _short(value: object) -> str:
    text = json.dumps(value, default=lambda it: sorted(it) if isinstance(it, set) else str(it))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _pool(pool: Pool, client: SyncPrefectClient) -> Iterator[Change]:
    wanted = template(pool)
    try:
        there = client.read_work_pool(pool.name)
    except ObjectNotFound:
        made = WorkPoolCreate(name=pool.name, type=pool.type, base_job_template=wanted)
        yield Change(f"work pool {pool.name} ({pool.type})", (), lambda: client.create_work_pool(made))
        return
    if there.type != pool.type:
        raise SettingsError(
            f"the work pool {pool.name} is of type {there.type}, and a pool keeps its type: delete it, "
            f"`prefect work-pool delete {pool.name}`, then apply and deploy again"
        )
    if lines := _template_differences(there.base_job_template, wanted):
        update = WorkPoolUpdate(base_job_template=wanted)
        yield Change(f"work pool {pool.name}", lines, lambda: client.update_work_pool(pool.name, update))


def _template_differences(there: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, ...]:
    def defaults(template: dict[str, Any]) -> dict[str, Any]:
        properties = template.get("variables", {}).get("properties", {})
        return {name: about.get("default") for name, about in properties.items()}

    if there == wanted:
        return ()
    return _differences(defaults(there), defaults(wanted)) or ("base job template: another",)


def _limit(server: str, limit: int, client: SyncPrefectClient) -> Iterator[Change]:
    def make() -> None:
        client.upsert_global_concurrency_limit_by_name(server, limit)

    try:
        there = client.read_global_concurrency_limit_by_name(server)
    except ObjectNotFound:
        yield Change(f"limit of {server} ({limit})", (), make)
        return
    if there.limit != limit:
        yield Change(f"limit of {server}", (f"{there.limit} -> {limit}",), make)


def _automations(
    blocks: Sequence[str], made: Container[str], settings: Settings, client: SyncPrefectClient
) -> Iterator[Change | Missing]:
    """Those of `deployments.automations`, by name; what does not differ is not written: its clock would begin anew.

    Where nobody is to be told those are left that do something else.
    """
    ids = []
    for name in blocks:
        document = _document(name, client)
        if document is None and name not in settings.blocks:
            raise SettingsError(f"alerts.blocks: there is no block {name}, neither in the settings nor on the server")
        if document is None and name not in made:
            yield Missing("automations", f"{name}, by which they tell, is not there")
            return
        ids.append(document or UUID(int=0))  # in a dry run it is not there yet
    there = {automation.name: automation for automation in client.read_automations()}
    for wanted in (AutomationCore.model_validate(_told(each)) for each in automations(*ids) if each.actions):
        found = there.get(wanted.name)
        if found is None:
            yield Change(f"automation {wanted.name}", (), partial(client.create_automation, wanted))
        elif lines := _differences(_told(found), _told(wanted)):
            yield Change(f"automation {wanted.name}", lines, partial(client.update_automation, found.id, wanted))


def _document(name: str, client: SyncPrefectClient) -> UUID | None:
    slug, _, own = name.partition("/")
    try:
        return client.read_block_document_by_name(own, slug, include_secrets=False).id
    except ObjectNotFound:
        return None


def _told(automation: AutomationCore) -> dict[str, Any]:
    """What an automation says, without what the server adds; sets stay sets, as their order says nothing."""
    ours = set(AutomationCore.model_fields) - {"owner_resource"}
    return automation.model_dump(include=ours, exclude={"trigger": {"id"}})


def main(
    settings: Annotated[Path, typer.Option(help="the environment's TOML file")] = Path("deployments/inlet.toml"),
    dry_run: Annotated[bool, typer.Option(help="only print what differs; exit code 3 where something does")] = False,
) -> None:
    """Make blocks, work pool, limits and automations what the settings say."""
    console, count = Console(highlight=False), 0
    try:
        with get_client(sync_client=True) as client:
            for change in changes(read(settings), client):
                if isinstance(change, Missing):
                    console.print(Text(f"? {change.what}: left alone, {change.why}", style="yellow"))
                    continue
                count += 1
                sign, style = ("~", "cyan") if change.lines else ("+", "green")
                console.print(Text(f"{sign} {change.what}", style=style))
                for line in change.lines:
                    console.print(Text(f"    {line}"))
                if not dry_run:
                    change.make()
    except (SettingsError, PlaceError) as error:
        console.print(Text(str(error), style="red"), soft_wrap=True)
        raise typer.Exit(1) from error
    console.print("Nothing differs." if not count else f"{count} {'differ' if dry_run else 'made'}.")
    if dry_run and count:
        raise typer.Exit(3)


if __name__ == "__main__":
    typer.run(main)
