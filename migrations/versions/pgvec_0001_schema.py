"""The script ``0001_schema``."""

from __future__ import annotations

from pgvec.execution.scripts import downgrade_pgvec, upgrade_pgvec

revision = "pgvec_0001"
down_revision = None
branch_labels = "pgvec"
depends_on = None

SCRIPT = "0001_schema"


def upgrade() -> None:
    """Run the script."""
    upgrade_pgvec(SCRIPT)


def downgrade() -> None:
    """Take the script back."""
    downgrade_pgvec(SCRIPT)
