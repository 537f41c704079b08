"""The script ``0009_pre_similarity``."""

from __future__ import annotations

from pgvec.execution.scripts import downgrade_pgvec, upgrade_pgvec

revision = "pgvec_0009"
down_revision = "pgvec_0008"
branch_labels = None
depends_on = None

SCRIPT = "0009_pre_similarity"


def upgrade() -> None:
    """Run the script."""
    upgrade_pgvec(SCRIPT)


def downgrade() -> None:
    """Take the script back."""
    downgrade_pgvec(SCRIPT)
