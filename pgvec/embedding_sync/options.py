"""How a worker works."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

from pgvec.errors import InvalidOptionError

__all__ = ["WorkerOptions"]


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works; the values given here suit a local model and most providers.

    Attributes:
        batch_size: Rows that are claimed and embedded together.
        lease_seconds: After this time without a sign of life other workers take the rows of a claim. A worker renews the
            lease three times as often, so it need not cover the time that a model takes.
        hold_seconds: For how long a lease is renewed; a model that takes longer is taken to hang.
        max_attempts: Times that a row is claimed before it is parked.
        give_up_seconds: A row is also parked when its model has been out of reach for this long.
        backoff_seconds: Pause after a first failure. It doubles with every further one, less a random part up to a half.
        longest_backoff_seconds: The longest pause.
        poll_seconds: How often an idle worker looks. It is woken sooner where LISTEN works, which a pooler may prevent.

    Raises:
        InvalidOptionError: A value is not positive.
    """

    batch_size: int = 256
    lease_seconds: float = 60.0
    hold_seconds: float = 900.0
    max_attempts: int = 5
    give_up_seconds: float = 86_400.0
    backoff_seconds: float = 1.0
    longest_backoff_seconds: float = 300.0
    poll_seconds: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise InvalidOptionError(f"{field.name} has to be positive, not {value}")

    def backoff(self, failures: int) -> float:
        """Return the seconds to wait after a number of failures in a row, from 1."""
        doubled = self.backoff_seconds * 2.0 ** min(failures - 1, 30)
        # Workers that failed together must not come back together.
        return min(doubled, self.longest_backoff_seconds) * random.uniform(0.5, 1.0)  # noqa: S311
