"""The assistant: a page that asks, a stream that answers, and documents that show what was cited."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from models import Chunk, Document
from pydantic import BaseModel, Field
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session
from starlette.middleware.trustedhost import TrustedHostMiddleware

from pgvec import Embedder
from pgvec.errors import PgvecError
from pgvec.rag import Answerer, AnswerStream, ChatModel, Passage, Retriever

STATIC = Path(__file__).parent / "static"


class Question(BaseModel):
    """What the page sends."""

    text: str = Field(min_length=1, max_length=2_000)


def create_app(engine: Engine, embedder: Embedder, chat: ChatModel | None = None) -> FastAPI:
    """Return the application on a database into which the folder was ingested."""
    app = FastAPI(title="Docs assistant", docs_url=None, redoc_url=None)
    # A page of another site must not talk to it under a name of its own.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    answerer = Answerer(Retriever(engine, Chunk, embedder=embedder), chat=chat)

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(STATIC / "page.html", headers=_HEADERS)

    @app.get("/about")
    def about() -> dict[str, Any]:
        with Session(engine) as session:
            documents, chunks = (session.scalar(select(func.count()).select_from(model)) for model in (Document, Chunk))
        return {"documents": documents, "chunks": chunks, "model": None if chat is None else chat.name}

    @app.post("/ask")
    def ask(question: Question) -> StreamingResponse:
        try:
            stream = answerer.stream(question.text, neighbours=1 if chat else 0)
        except PgvecError as exc:
            raise HTTPException(400, str(exc)) from exc
        return StreamingResponse(_lines(stream), media_type="application/x-ndjson")

    @app.get("/documents/{document_id}")
    def document(document_id: int, start: int = 0, end: int = 0) -> HTMLResponse:
        with Session(engine) as session:
            found = session.get(Document, document_id)
        if found is None:
            raise HTTPException(404, "There is no such document any more: ask again")
        start, end = sorted((max(start, 0), max(end, 0)))
        before, cited, after = found.text[:start], found.text[start:end], found.text[end:]
        parts = {"title": found.title, "path": found.path, "before": before, "cited": cited, "after": after}
        template = Template((STATIC / "document.html").read_text(encoding="utf-8"))
        return HTMLResponse(
            template.substitute({name: html.escape(text) for name, text in parts.items()}), headers=_HEADERS
        )

    return app


# Texts come from files and from a model: whatever they hold, no script of theirs runs here.
_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}


def _lines(stream: AnswerStream) -> Iterator[str]:
    """The answer as lines of JSON: the passages, the parts as they come, and at the end what they cite."""
    yield _line(passages=[_passage(passage) for passage in stream.context])
    try:
        for part in stream:
            yield _line(text=part)
        answer = stream.answer
    except PgvecError as exc:
        yield _line(error=str(exc))
        return
    yield _line(
        done={
            "found": answer.found,
            "model": answer.model,
            "citations": [passage.number for passage in answer.citations],
            "unknown": answer.unknown_citations,
        }
    )


def _line(**event: Any) -> str:
    return json.dumps(event) + "\n"


def _passage(passage: Passage) -> dict[str, Any]:
    start, end = passage.matches[0]
    return {
        "number": passage.number,
        "title": passage.source.title,
        "path": passage.source.path,
        "page": passage.page,
        "text": passage.text[start - passage.start : end - passage.start],
        "link": f"/documents/{passage.source.id}?start={start}&end={end}#cited",
    }
