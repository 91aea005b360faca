"""limits: how many transfers use one outside server at once, whichever sources they are of."""

from contextlib import AbstractContextManager, nullcontext

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from blocks.place import Place


def turn(place: Place) -> AbstractContextManager[None]:
    """Wait for one of the slots of the place's server, and hold it.

    They are Prefect's global concurrency limit of the server's name, which `deployments.apply` makes; without one
    nobody waits. The slot of a run that was killed is free again after five minutes, when its lease ends.
    """
    if place.server is None or not _limited(place.server):
        return nullcontext()
    # a transfer that goes well goes on though its lease could not be renewed
    return concurrency(place.server, raise_on_lease_renewal_failure=False)


def _limited(server: str) -> bool:
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(server)
        except ObjectNotFound:
            return False
    return True
