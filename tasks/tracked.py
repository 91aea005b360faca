"""tracked: makes a stage of a drop's life a Prefect task, and in a dry run a plain call.

Whatever leaves a stage as an error is written down: in the log with all that it was caused by, in the run's state, in
the manifest, in events. So this is where errors are stripped of values, unless their source holds no people's data.
"""

import re
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE

from blocks.errors import PlaceError
from spark.errors import DataError, Withheld
from spark.profiling.shown import shows_values
from tasks.retrying import RETRY
from tasks.run import current
from tasks.server import is_away

P = ParamSpec("P")
R = TypeVar("R")

_HERE = Path(__file__).parents[1]
_THERE = re.compile(r'File "[^"\n]*/((?:blocks|flows|spark|tasks)/[\w/]+\.py)", line (\d+)')
"""A place in our code as a Python worker of Spark's tells it."""


class Tracked(Task[P, R]):
    """A task that does one stage of a drop; in a dry run it is called as a plain function, without a task run."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]
        """Do the stage, or say what it would do: a plan calls hundreds of them, which the UI is spared."""
        if current().dry is not None:
            return self.fn(*args, **kwargs)
        return super().__call__(*args, **kwargs)


def tracked(name: str) -> Callable[[Callable[P, R]], Tracked[P, R]]:
    """Make a function a stage whose task runs have this name, are retried where an error says so, and never cached."""
    return lambda does: Tracked(_stage(does), task_run_name=name, cache_policy=NO_CACHE, **RETRY)


def _stage(does: Callable[P, R]) -> Callable[P, R]:
    @wraps(does)
    def stage(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return does(*args, **kwargs)
        except Exception as raised:
            if shows_values(current().source.phi):
                raise
            error = without_values(raised)
        raise error  # out here: in there it would have what was raised as its context

    return stage


def without_values(error: Exception) -> Exception:
    """The error, if it is one of ours, which hold no value, else `Withheld`; without what it was caused by."""
    known = isinstance(error, DataError | PlaceError)
    again = isinstance(error, ConnectionError | TimeoutError) or is_away(error)
    kept = error if known else Withheld(_where(error), retryable=again)
    kept.__cause__ = kept.__context__ = None
    return kept


def _where(error: Exception) -> str:
    """An error's type, Spark's name for it, and the places in our code that it came through, the innermost last."""
    condition = getattr(error, "getCondition", lambda: None)()
    name = f"{type(error).__name__}{f' ({condition})' if condition else ''}"
    return f"{name} at {', '.join(dict.fromkeys(_places(error)))}"


def _places(error: Exception) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(_HERE) and path != Path(__file__) and ".venv" not in path.parts:
            yield f"{path.relative_to(_HERE)}:{frame.lineno}"
    yield from (f"{path}:{line}" for path, line in _THERE.findall(str(error)))
