"""Ingest a folder and answer questions about it: ``python examples/docs_assistant FOLDER``."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from app import create_app
from models import SCHEMA, Base, Chunk
from sqlalchemy import Engine, create_engine
from sqlalchemy.schema import CreateSchema

from pgvec.embedded import EmbeddedServer
from pgvec.embedders import default_embedder
from pgvec.execution import migrate
from pgvec.execution.url import engine_url
from pgvec.rag import IngestProgress, OpenAICompatibleChat, ingest


def main() -> None:
    """Start the assistant; Ctrl-C ends it."""
    parser = argparse.ArgumentParser(prog="docs_assistant", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder")
    parser.add_argument("--port", type=int, default=8_000, help="0 takes one that is free")
    parser.add_argument("--llm", default=os.environ.get("PGVEC_LLM_URL"), help="an OpenAI-compatible endpoint")
    parser.add_argument("--model", default=os.environ.get("PGVEC_LLM_MODEL"), help="name of the model there")
    given = parser.parse_args()
    if given.llm and not given.model:
        parser.error("--llm needs --model")
    chat = OpenAICompatibleChat(given.llm, model=given.model) if given.llm else None
    embedder = default_embedder()
    with _database() as engine:
        report = ingest(engine, given.folder, Chunk, embedder=embedder, progress=_show)
        print(f"\n{report.added} documents added, {report.changed} changed, {report.unchanged} unchanged", flush=True)
        for file in report.refused:
            print(f"refused: {file.path} {file.reason}")
        with socket.create_server(("127.0.0.1", given.port)) as listening:
            print(f"http://127.0.0.1:{listening.getsockname()[1]}  (Ctrl-C ends it)", flush=True)
            server = uvicorn.Server(uvicorn.Config(create_app(engine, embedder, chat), log_level="warning"))
            with suppress(KeyboardInterrupt):
                server.run(sockets=[listening])


@contextmanager
def _database() -> Iterator[Engine]:
    """Yield an engine on the database of ``PGVEC_URL``, else on the local server, with the tables of the assistant."""
    if url := os.environ.get("PGVEC_URL"):
        yield _prepared(url)
    else:
        with EmbeddedServer() as server:
            yield _prepared(server.url)


def _prepared(url: str) -> Engine:
    engine = create_engine(engine_url(url))
    migrate.up(engine)
    with engine.begin() as connection:
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        Base.metadata.create_all(connection)
    return engine


def _show(progress: IngestProgress) -> None:
    print(f"\r{progress.done} of {progress.total} files, {progress.chunks} chunks", end="", flush=True)


if __name__ == "__main__":
    main()
