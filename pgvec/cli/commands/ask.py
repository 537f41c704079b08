"""``pgvec ask``: an answer from what was ingested, with its sources."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
import typer

from pgvec.cli.database import open_database
from pgvec.cli.documents.model import Chunk, has_tables
from pgvec.cli.options import Json, Url, check_text
from pgvec.cli.output import note, print_json, print_text, visible
from pgvec.embedders import default_embedder
from pgvec.errors import InvalidOptionError, MappingMismatchError
from pgvec.rag import Answer, Answerer, OpenAICompatibleChat, Passage, Retriever

__all__ = ["ask"]


def ask(
    question: Annotated[str, typer.Argument(callback=check_text, help="The question.")],
    *,
    corpus: Annotated[
        str | None, typer.Option(callback=check_text, metavar="NAME", help="Only documents of this corpus.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Most chunks to answer from.")] = 6,
    llm: Annotated[
        str | None,
        typer.Option(
            "--llm",
            envvar="PGVEC_LLM_URL",
            show_envvar=True,
            callback=check_text,
            metavar="URL",
            help="An OpenAI-compatible endpoint that answers, such as http://localhost:11434/v1; without it, the best passages.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            envvar="PGVEC_LLM_MODEL",
            show_envvar=True,
            callback=check_text,
            metavar="NAME",
            help="Name of the model there.",
        ),
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the documents that were ingested, and show the sources."""
    chat = _chat(llm, model)
    embedder = default_embedder()
    with open_database(url) as engine:
        _require_documents(engine)
        stream = Answerer(Retriever(engine, Chunk, embedder=embedder), chat=chat).stream(
            # People read the passages themselves, a model also what stands around them.
            question,
            corpus=corpus,
            limit=limit,
            neighbours=0 if chat is None else 1,
        )
    if as_json:
        print_json(_as_dict(stream.answer))
        return
    for part in stream:
        typer.echo(visible(part), nl=False)
    typer.echo()
    _print_sources(stream.answer)


def _chat(llm: str | None, model: str | None) -> OpenAICompatibleChat | None:
    if llm is None:
        return None
    if model is None:
        raise InvalidOptionError("--llm names an endpoint: name its model with --model, or PGVEC_LLM_MODEL")
    return OpenAICompatibleChat(llm, model=model)


def _require_documents(engine: sa.Engine) -> None:
    if not has_tables(engine):
        raise MappingMismatchError("Nothing was ingested into this database: run  pgvec ingest FOLDER")


def _print_sources(answer: Answer) -> None:
    if answer.citations and answer.model is not None:
        print_text("\nSources:")
        for passage in answer.citations:
            print_text(visible(f"[{passage.number}] {passage.source.title}: {_place(passage)}"))
    for number in answer.unknown_citations:
        note(f"the answer cites [{number}], and there is no such source")
    if answer.found and answer.model is not None and not answer.citations:
        note("the answer cites no source")


def _place(passage: Passage) -> str:
    page = f", page {passage.page}" if passage.page else ""
    return f"{passage.source.corpus}/{passage.source.path}{page}, characters {passage.start} to {passage.end}"


def _as_dict(answer: Answer) -> dict[str, Any]:
    return {
        "question": answer.context.question,
        "answer": answer.text,
        "found": answer.found,
        "supported": answer.supported,
        "model": answer.model,
        "citations": [passage.number for passage in answer.citations],
        "unknown_citations": answer.unknown_citations,
        "passages": [
            {
                "number": passage.number,
                "corpus": passage.source.corpus,
                "path": passage.source.path,
                "title": passage.source.title,
                "page": passage.page,
                "start": passage.start,
                "end": passage.end,
                "similarity": passage.similarity,
                "text": passage.text,
            }
            for passage in answer.context
        ],
    }
