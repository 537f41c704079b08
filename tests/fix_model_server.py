"""A model behind a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.model_server import ModelServer


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """An OpenAI-compatible endpoint on this machine, which can be told to fail."""
    server = ModelServer()
    yield server
    server.close()
