"""How tasks try again: the error says whether it is worth it."""

from typing import Any, TypedDict

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from blocks.errors import PlaceError
from spark.errors import DataError
from tasks.server import is_away


class _Retry(TypedDict):
    retries: int
    retry_delay_seconds: list[float]
    retry_jitter_factor: float
    retry_condition_fn: Any


def _worth_it(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    try:
        state.result()
    except (PlaceError, DataError) as error:
        return error.retryable
    except (ConnectionError, TimeoutError):
        return True
    except Exception as error:
        return is_away(error)
    return False


RETRY: _Retry = {
    "retries": 3,
    "retry_delay_seconds": [5, 30, 120],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _worth_it,
}
"""Arguments of every task that talks to the outside or commits."""
