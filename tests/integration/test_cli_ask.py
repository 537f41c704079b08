"""``pgvec ingest`` and ``pgvec ask``: from a folder to an answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("typer", reason="the extra cli is not installed")
pytest.importorskip("sentence_transformers", reason="the extra local is not installed")
pytest.importorskip("openai", reason="the extra remote is not installed")

from support.chat_server import ChatServer
from support.command_line import run_pgvec

TEXT = "# Leave\n\nEverybody has thirty days of leave in a year.\x1b[31m\n"


def test_a_folder_is_asked(empty_database_url: str, tmp_path: Path) -> None:
    """Without a model the best passages come, with one a stream and its sources; nothing is answered from nothing."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "leave.md").write_text(TEXT)
    (folder / "broken.txt").write_bytes(b"\xff")
    (folder / "left.md").write_text("left out")
    on = ("--url", empty_database_url)

    early = run_pgvec("ask", "How many days of leave?", *on)
    assert early.exit_code == 1
    assert "run pgvec ingest FOLDER" in early.stderr

    first = run_pgvec("ingest", str(folder), "--corpus", "handbook", "--exclude", "left*", *on)
    assert first.exit_code == 0, first.stderr
    assert first.stdout.startswith("1 documents added, 0 changed, 0 unchanged, 0 deleted, 1 refused")
    assert "refused: broken.txt is not UTF-8" in first.stderr
    again = json.loads(
        run_pgvec("ingest", str(folder), "--corpus", "handbook", "--exclude", "left*", "--json", *on).stdout
    )
    assert (again["unchanged"], again["embedded"], again["refused"][0]["path"]) == (1, 0, "broken.txt")

    passages = run_pgvec("ask", "How many days of leave do I have?", *on).stdout
    assert passages.startswith(
        "[1] Leave (leave.md)\n# Leave\n\nEverybody has thirty days of leave in a year.\\x1b[31m"
    )
    assert (
        run_pgvec("ask", "How many days of leave?", "--corpus", "other", *on).stdout == "This is not in the sources.\n"
    )

    server = ChatServer()
    try:
        server.reply = ["Thirty", " days [1]. \x1b[2J[7]"]
        asked = ("ask", "How many days of leave do I have?", *on, "--llm", server.url)
        streamed = run_pgvec(*asked, env={"PGVEC_LLM_MODEL": "small"})
        end = len(TEXT.rstrip())
        assert streamed.stdout == (
            f"Thirty days [1]. \\x1b[2J[7]\n\nSources:\n[1] Leave: handbook/leave.md, characters 0 to {end}\n"
        )
        assert "cites [7], and there is no such source" in streamed.stderr
        as_json = json.loads(run_pgvec(*asked, "--model", "small", "--json").stdout)
        assert (as_json["citations"], as_json["unknown_citations"], as_json["supported"]) == ([1], [7], False)
        assert as_json["passages"][0]["text"] == TEXT[:end]
        assert "thirty days" in server.asked[0]["messages"][1]["content"]
        nameless = run_pgvec(*asked)
        assert (nameless.exit_code, "name its model" in nameless.stderr) == (2, True)
        server.fault = "broken off"
        broken = run_pgvec(*asked, "--model", "small")
        assert (broken.exit_code, "broke off" in broken.stderr) == (1, True)
    finally:
        server.close()
