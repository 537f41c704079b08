"""Options of measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from support.models import Article

from pgvec import Repository, errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": 0}, "sample has to be between"),
        ({"limit": 0}, "limit has to be between"),
        ({"recall": 1.5}, "recall has to be above 0"),
        ({"curve": (0,)}, "curve has to be between"),
        ({"queries": []}, "queries= is empty"),
        ({"queries": "text"}, "queries= takes a matrix"),
        ({"queries": np.zeros(8)}, "not an array of 1 dimensions"),
        ({"queries": [[1.0, 2.0]]}, "has 2 dimensions"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str):
    """What cannot be measured is refused before anything is asked."""
    with pytest.raises(errors.InvalidInputError, match=message):
        Repository(sa.create_engine("postgresql+psycopg://"), Article).recall(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_recall": ()}, "target_recall= is empty"),
        ({"target_recall": 0}, "target_recall has to be above 0"),
        ({"filter_classes": ("most",)}, "filter_classes takes some of"),
        ({"filter_classes": "all"}, "filter_classes takes some of"),
        ({"where": Article.price < 5, "filter_classes": ("all",)}, "not both"),
    ],
)
def test_options_of_tuning_are_checked(options: dict[str, Any], message: str):
    """What cannot be tuned is refused before anything is asked."""
    with pytest.raises(errors.InvalidInputError, match=message):
        Repository(sa.create_engine("postgresql+psycopg://"), Article).tune(**options)
