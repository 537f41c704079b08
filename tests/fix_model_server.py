"""Models behind a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.model_server import ModelServer
from support.rerank_server import RerankServer


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """An OpenAI-compatible endpoint on this machine, which can be told to fail."""
    server = ModelServer()
    yield server
    server.close()


@pytest.fixture
def rerank_server() -> Iterator[RerankServer]:
    """A rerank endpoint on this machine, which can be told to fail."""
    server = RerankServer()
    yield server
    server.close()
