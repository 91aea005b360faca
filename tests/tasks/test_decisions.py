"""What was decided about a source: in the order it was made, by whoever was first, and nothing lost."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.errors import Conflict
from blocks.lake import Lake
from tasks.decisions import Decision, Decisions, Refused, Verb, conclude, read, record
from tasks.drop import Drop

AT = datetime(2026, 11, 28, 22, 40, tzinfo=UTC)


def decided(verb: Verb, drop: str | None = None, actor: str = "ana", **more: Any) -> Decision:
    return Decision(verb=verb, drop=drop, actor=actor, reason="a reason", at=AT, **more)


def drop(key: str, revision: int = 1) -> Drop:
    return Drop(source="acme", key=key, as_of=AT, kind="full", revision=revision, files=())


@given(st.lists(st.tuples(st.sampled_from(["hold", "release", "accept"]), st.sampled_from([None, "a", "b"]))))
def test_what_is_held_is_what_was_said_last(said: Sequence[tuple[Verb, str | None]]) -> None:
    now = Decisions(
        source="acme",
        made=tuple(
            decided(verb, key).model_copy(update={"at": AT + timedelta(n)}) for n, (verb, key) in enumerate(said)
        ),
    )
    state: dict[str | None, datetime] = {}
    for n, (verb, key) in enumerate(said):
        if verb == "hold":
            state[key] = AT + timedelta(n)
        elif verb == "release":
            state.pop(key, None)
    assert (now.held.at if now.held else None) == state.get(None)
    assert {key: hold.at for key, hold in now.held_drops.items()} == {k: at for k, at in state.items() if k}


def test_one_revision_is_accepted(local_lake: Lake) -> None:
    now = record(local_lake, "acme", decided("accept", "a", revision=2))
    assert read(local_lake, "acme") == now
    assert now.accepted(drop("a", 2)) == now.made[0]
    assert [now.accepted(drop("a", 1)), now.accepted(drop("a", 3)), now.accepted(drop("b", 2))] == [None] * 3


def test_nothing_was_decided(local_lake: Lake) -> None:
    assert read(local_lake, "acme") == Decisions(source="acme")


@pytest.mark.parametrize(
    ("verb", "reason", "actor"),
    [("hold", None, "ana"), ("accept", "no", "ana"), ("purge", "contract ended", ""), ("frob", "why not", "ana")],
)
def test_who_and_why_must_be_said(verb: Any, reason: str | None, actor: str) -> None:
    with pytest.raises(ValidationError):
        Decision(verb=verb, reason=reason, actor=actor, at=AT)
    assert Decision(verb="optimise", actor="ana", at=AT).why == "no reason given (ana, 2026-11-28 22:40 UTC)"


def at_once(calls: Sequence[Callable[[], object]]) -> list[object]:
    """What calls answer, or raise, that begin together."""
    ready = threading.Barrier(len(calls))

    def one(call: Callable[[], object]) -> object:
        ready.wait()
        try:
            return call()
        except Refused as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def not_held(before: Decisions) -> None:
    if before.held:
        raise Refused(f"held by {before.held.actor}")


def test_of_two_that_decide_at_once_one_is_told_of_the_other(lake: Lake) -> None:
    actors = ("ana", "bo", "cy")
    said = at_once([lambda a=a: record(lake, "acme", decided("hold", actor=a), allowed=not_held) for a in actors])  # type: ignore[misc]
    (made,) = read(lake, "acme").made
    assert sorted(map(str, (error for error in said if isinstance(error, Refused)))) == [f"held by {made.actor}"] * 2


def test_of_many_that_decide_at_once_nothing_is_lost(lake: Lake) -> None:
    at_once([lambda n=n: record(lake, "acme", decided("hold", f"{n}a"), decided("hold", f"{n}b")) for n in range(8)])  # type: ignore[misc]
    made = [d.drop for d in read(lake, "acme").made]
    assert sorted(made) == sorted(f"{n}{letter}" for n in range(8) for letter in "ab")  # type: ignore[type-var]
    assert [(a or "")[:-1] for a in made[::2]] == [
        (b or "")[:-1] for b in made[1::2]
    ]  # what is decided together stays so


def test_one_whose_answer_was_lost_is_made_once(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """As boto3 repeats a conditional put whose first answer did not come, and loses to itself."""
    put, lost = Lake.put, []

    def puts(self: Lake, path: str, data: bytes, version: str | None) -> str:
        now = put(self, path, data, version)
        if not lost:
            lost.append(path)
            raise Conflict(path)
        return now

    monkeypatch.setattr(Lake, "put", puts)
    record(local_lake, "acme", decided("hold"), allowed=not_held)
    assert len(lost) == len(read(local_lake, "acme").made) == 1


def test_what_came_of_a_decision_is_noted_in_its_place(local_lake: Lake) -> None:
    hold, other = decided("hold", "a"), decided("hold", "b", found="done")
    record(local_lake, "acme", hold, other)
    assert read(local_lake, "acme").interrupted == [hold]
    now = conclude(local_lake, "acme", [hold], "current.provider 3 rows")
    assert now.made == (hold.model_copy(update={"found": "current.provider 3 rows"}), other)
    assert now.interrupted == []


def test_what_was_interrupted_and_done_again_is_done(local_lake: Lake) -> None:
    purge = decided("purge")
    record(local_lake, "acme", purge, decided("hold", "a"))
    again = purge.model_copy(update={"at": AT + timedelta(1), "found": "3 files"})
    now = record(local_lake, "acme", again, decided("release", "a", found="published"))
    assert now.interrupted == []
