"""tracked: makes a stage of a drop's life a Prefect task, and in a dry run a plain call."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE

from tasks.retrying import RETRY
from tasks.run import current

P = ParamSpec("P")
R = TypeVar("R")


class Tracked(Task[P, R]):
    """A task that does one stage of a drop; in a dry run it is called as a plain function, without a task run."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]
        """Do the stage, or say what it would do: a plan calls hundreds of them, which the UI is spared."""
        if current().dry is not None:
            return self.fn(*args, **kwargs)
        return super().__call__(*args, **kwargs)


def tracked(name: str) -> Callable[[Callable[P, R]], Tracked[P, R]]:
    """Make a function a stage whose task runs have this name, are retried where an error says so, and never cached."""
    return lambda does: Tracked(does, task_run_name=name, cache_policy=NO_CACHE, **RETRY)
