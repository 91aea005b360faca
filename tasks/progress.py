"""How far a transfer is: bytes, rate and time left, for the log, for Prefect's UI and for a terminal."""

import threading
import time
from collections.abc import Callable
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

FIRST = 2.0  # seconds after which it is worth showing
EVERY = 10.0  # seconds between two shows


class Progress:
    """Counts bytes in any thread; `tick` shows them now and then: to `say`, and as the progress artifact `key`.

    >>> progress = Progress("2026-11", total=10_000_000_000)
    >>> progress.add(2_500_000_000)
    >>> progress.line(seconds=50)
    '2026-11: 2.50 of 10.00 GB (25 %), 50 MB/s, 2 min 30 s left'
    """

    def __init__(
        self, what: str, total: int, *, say: Callable[[str], object] = lambda _: None, key: str | None = None
    ) -> None:
        self._what = what
        self._total = total
        self._say = say
        self._key = key
        self._artifact: UUID | None = None
        self._lock = threading.Lock()
        self._done = 0
        self._began = time.monotonic()
        self._next = self._began + FIRST

    def add(self, count: int) -> None:
        """Count bytes that have arrived."""
        with self._lock:
            self._done += count

    def tick(self) -> None:
        """Show how far it is, if it is time to."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            self.show()

    def end(self) -> None:
        """Show how it ended, if anything was shown before."""
        if self._next > self._began + FIRST:
            self.show()

    def show(self) -> None:
        """Show how far it is."""
        line = self.line(time.monotonic() - self._began)
        self._say(line)
        if self._key is None:
            return
        percent = 100.0 * min(self._done / self._total, 1) if self._total else 0.0
        if self._artifact is None:
            self._artifact = create_progress_artifact(percent, key=self._key, description=line)  # type: ignore[assignment]
        else:
            update_progress_artifact(self._artifact, progress=percent, description=line)

    def line(self, seconds: float) -> str:
        """The state after so many seconds, in one line."""
        rate = self._done / seconds if seconds else 0
        unit, name = next(unit for unit in _UNITS if max(self._total, self._done, 1) >= unit[0])
        done = f"{self._done / unit:,.{2 if unit > 1 else 0}f}"
        if not self._total:
            return f"{self._what}: {done} {name}, {rate / 1e6:,.0f} MB/s"
        of = f"{self._total / unit:,.{2 if unit > 1 else 0}f} {name}"
        left = max(self._total - self._done, 0)
        until = f", {_time(left / rate)} left" if left and rate else ""
        return f"{self._what}: {done} of {of} ({100 * self._done / self._total:.0f} %), {rate / 1e6:,.0f} MB/s{until}"


_UNITS = ((10**9, "GB"), (10**6, "MB"), (1, "bytes"))


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
