"""What is asked and known of a column that is replaced by one of another model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pgvec.errors import InvalidOptionError

__all__ = ["ReembedCallback", "ReembedOptions", "ReembedProgress", "ReembedStatus"]


@dataclass(frozen=True, slots=True)
class ReembedOptions:
    """How a re-embedding goes about it.

    Attributes:
        batch_size: Rows that are embedded together.
        texts_per_second: Most texts a second that the model is given, or None for as many as it takes.
        least_recall: What the indexes of the new column have to find of the true nearest, else nothing is switched.
        sample: Records that are searched to measure that.
        most_missing: How many rows may be without an embedding by the new model, because they were given up.
        lease_seconds: After this time the rows that a killed call was embedding are embedded by another.
        lock_seconds: How long to wait for the lock on the table that a moment of it takes; searches queue up behind that.
            Where it is not granted, it is tried again.
        patience_seconds: When to give up, where nothing comes forward.
        switch: Whether to switch in the end.
    """

    batch_size: int = 256
    texts_per_second: float | None = None
    least_recall: float = 0.9
    sample: int = 50
    most_missing: int = 0
    lease_seconds: float = 60.0
    lock_seconds: float = 0.5
    patience_seconds: float = 600.0
    switch: bool = True

    def __post_init__(self) -> None:
        for name in ("batch_size", "sample", "lease_seconds", "lock_seconds", "patience_seconds"):
            if not getattr(self, name) > 0:
                raise InvalidOptionError(f"{name} has to be positive, not {getattr(self, name)}")
        if self.texts_per_second is not None and not self.texts_per_second > 0:
            raise InvalidOptionError(f"texts_per_second has to be positive, not {self.texts_per_second}")
        if not 0.0 <= self.least_recall <= 1.0:
            raise InvalidOptionError(f"least_recall has to be from 0 to 1, not {self.least_recall}")
        if self.most_missing < 0:
            raise InvalidOptionError(f"most_missing has to be 0 or more, not {self.most_missing}")


@dataclass(frozen=True, slots=True)
class ReembedProgress:
    """How far a re-embedding is.

    Attributes:
        step: What is being done.
        done: Units of it that are done.
        total: Units in all; 0 where the step has none.
    """

    step: str
    done: int = 0
    total: int = 0


ReembedCallback: TypeAlias = Callable[[ReembedProgress], None]


@dataclass(frozen=True, slots=True)
class ReembedStatus:
    """Where a re-embedding stands.

    Attributes:
        old_column: Column of the old model.
        new_column: Column of the new one.
        embedder: Name of the new embedder.
        stage: ``begun``, ``filling``, ``ready``, ``switched`` or ``finished``.
        whole: Whether the new column was found to hold every row.
        model_name: Name of the new model.
        model_revision: Its revision.
        recall: What was measured before the switch, or None.
        skipped: Indexes of the old column that have no counterpart, because pgvec does not understand what they hold.
    """

    old_column: str
    new_column: str
    embedder: str
    stage: str
    whole: bool
    model_name: str | None
    model_revision: str | None
    recall: float | None = None
    skipped: tuple[str, ...] = ()
