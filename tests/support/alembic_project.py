"""An application with an Alembic environment of its own, driven as its ``alembic`` command drives it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import alembic
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, NullPool, create_engine

from pgvec.execution.url import engine_url

ENV = """
from alembic import context
from sqlalchemy import NullPool, create_engine

config = context.config
options = {
    "target_metadata": config.attributes["target_metadata"],
    "autogenerate_plugins": ["alembic.autogenerate.*", "pgvec"],
    **config.attributes["options"],
}
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(config.attributes["url"], poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
"""
TEMPLATE = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"


class Project:
    """An application whose models are given one state after the other."""

    def __init__(self, folder: Path, url: str, **options: Any) -> None:
        self.folder = folder
        (folder / "versions").mkdir(parents=True)
        (folder / "env.py").write_text(ENV)
        (folder / "script.py.mako").write_text(TEMPLATE.read_text())
        self._config = Config()
        self._config.set_main_option("script_location", str(folder))
        self._config.attributes.update(target_metadata=MetaData(), options=options)
        self.use(url)
        self._revisions = itertools.count(1)

    def use(self, url: str) -> None:
        """Work on another database."""
        self._config.attributes["url"] = engine_url(url)

    def revise(self, metadata: MetaData | Sequence[MetaData]) -> str:
        """Let autogenerate write a revision for the models, and return its text."""
        self._config.attributes["target_metadata"] = metadata
        script = command.revision(self._config, autogenerate=True, rev_id=f"{next(self._revisions):04d}")
        return Path(script.path).read_text()

    def difference(self, metadata: MetaData | Sequence[MetaData], **engine_options: Any) -> list[Any]:
        """Return what autogenerate would do for the models, as ``alembic check`` prints it."""
        engine = create_engine(self._config.attributes["url"], poolclass=NullPool, **engine_options)
        options = {"autogenerate_plugins": ["alembic.autogenerate.*", "pgvec"], **self._config.attributes["options"]}
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **options})
            return compare_metadata(context, metadata)

    def upgrade(self, to: str = "head") -> None:
        """Run the migrations."""
        command.upgrade(self._config, to)

    def downgrade(self, to: str) -> None:
        """Take migrations back."""
        command.downgrade(self._config, to)

    def sql(self, to: str = "head", *, down: bool = False) -> str:
        """Return the SQL of the migrations, written without a connection."""
        output = io.StringIO()
        self._config.output_buffer = output
        (command.downgrade if down else command.upgrade)(self._config, to, sql=True)
        return output.getvalue()
