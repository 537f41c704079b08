"""Alembic: autogenerate that knows vector columns and indexes, and operations on them for migrations.

Nothing has to be imported from here. Alembic finds the plugin by its entry point; ``env.py`` names it once::

    context.configure(..., autogenerate_plugins=["alembic.autogenerate.*", "pgvec"])
"""
