"""server: asks Prefect's server again while it is away. Its client does so only where it was answered once before."""

import httpx
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential


def is_away(error: BaseException) -> bool:
    """Whether Prefect's server did not answer, or answered that it cannot."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)


patient = retry(
    retry=retry_if_exception(is_away),
    stop=stop_after_delay(600),  # as long as it takes to bring the server back
    wait=wait_random_exponential(max=30),
    reraise=True,
)
"""Makes a function, or a coroutine function, that asks the server ask it for up to ten minutes."""
