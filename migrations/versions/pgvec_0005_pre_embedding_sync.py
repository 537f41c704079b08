"""The script ``0005_pre_embedding_sync``."""

from __future__ import annotations

from pgvec.execution.scripts import downgrade_pgvec, upgrade_pgvec

revision = "pgvec_0005"
down_revision = "pgvec_0004"
branch_labels = None
depends_on = None

SCRIPT = "0005_pre_embedding_sync"


def upgrade() -> None:
    """Run the script."""
    upgrade_pgvec(SCRIPT)


def downgrade() -> None:
    """Take the script back."""
    downgrade_pgvec(SCRIPT)
