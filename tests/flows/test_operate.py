"""The operator's flow against a server: what its form asks, and what its runs say."""

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.lake import Lake
from flows.operate import operate
from tasks import decisions
from tasks.manifest import Manifest, Revision, now, write
from tests.servers import PrefectServer


@pytest.fixture
def lake(local_lake: Lake, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """The lake of the flow: two drops of NPPES have landed, of which one failed."""
    for day, failed in (("08", None), ("15", "TooManyRejected: 9 of 99 records")):
        revision = Revision(number=1, as_of=now(), kind="incremental", files=(), run="r", landed_at=now())
        drop = Manifest(
            source="nppes", drop=f"2026-11-{day}", revisions=(revision,), finished=not failed, failed=failed
        )
        write(local_lake, drop, None)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        local_lake.save("lake-to-operate", overwrite=True)
        monkeypatch.setenv("INLET_LAKE", "lake-to-operate")
        yield local_lake


def run(verb: str, **parameters: Any) -> State[Any]:
    given = {"source": "nppes", "actor": "ana@example.org", "reason": "columns have moved", **parameters}
    state: State[Any] = operate(verb, **given, return_state=True)  # type: ignore[call-overload]
    return state


def test_a_run_does_what_the_command_does(lake: Lake) -> None:
    state = run("hold", drops="2026-11-08")
    assert state.is_completed()
    assert state.message == (
        "nppes 2026-11-08 is held: current stays as it is. Until: inlet release nppes 2026-11-08 --reason …"
    )
    with get_client(sync_client=True) as client:
        assert state.state_details.flow_run_id is not None
        assert client.read_flow_run(state.state_details.flow_run_id).name == "hold nppes 2026-11-08"
    assert run("release", drops=["2026-11-08"]).is_completed()
    assert (run("accept", drops=["2026-11-15"]).message or "").startswith("nppes 2026-11-15 (revision 1) is accepted.")
    made = decisions.read(lake, "nppes").made
    assert [(d.verb, d.drop, d.actor, d.reason) for d in made] == [
        ("hold", "2026-11-08", "ana@example.org", "columns have moved"),
        ("release", "2026-11-08", "ana@example.org", "columns have moved"),
        ("accept", "2026-11-15", "ana@example.org", "columns have moved"),
    ]


@pytest.mark.parametrize(
    ("verb", "parameters", "message"),
    [
        ("hold", {"source": "npes"}, "Refused: there is no source 'npes', only "),
        ("hold", {"source": "all"}, "Refused: there is no source 'all', only "),
        ("hold", {"reason": ""}, "Refused: hold wants a reason"),
        ("release", {}, "Refused: nppes is not held; nothing is"),
        ("accept", {}, "Refused: accept wants a drop"),
        ("rollback", {}, "Refused: nppes has published to no schema at all"),
        ("purge", {"confirm": "yes"}, "Refused: purge removes all of nppes from "),
    ],
)
def test_what_is_refused_fails_the_run_in_one_line(
    lake: Lake, verb: str, parameters: dict[str, Any], message: str
) -> None:
    state = run(verb, **parameters)
    assert state.is_failed()
    assert (state.message or "").startswith(message)
    assert "\n" not in (state.message or "")
    assert decisions.read(lake, "nppes").made == ()


def test_what_is_routine_is_done_for_every_source(lake: Lake) -> None:
    for verb, does in (("optimise", "has no small files to join"), ("expire", "has no snapshots to expire")):
        state = run(verb, source="all", reason="")
        assert state.is_completed()
        assert f"nppes {does}" in (state.message or "").split("; ")


def test_a_purge_that_is_confirmed(lake: Lake) -> None:
    state = run("purge", confirm="nppes")
    assert (state.message or "").startswith("nppes is purged and held: landed: 2 objects, ")


def test_its_form_has_a_list_of_verbs_and_says_what_each_field_is(lake: Lake) -> None:
    refused = run("frobnicate")
    assert refused.is_failed()
    assert "ParameterTypeError" in (refused.message or "")
    form = operate.parameters.model_dump()
    fields = form["properties"]
    assert fields["verb"]["enum"] == ["hold", "release", "accept", "rollback", "purge", "optimise", "expire"]
    assert form["required"] == ["verb", "source", "actor"]
    in_order = sorted(fields, key=lambda name: fields[name]["position"])
    assert in_order == ["verb", "source", "actor", "reason", "drops", "common_schema", "confirm"]
    assert all(len(field["description"]) > 20 for field in fields.values())
