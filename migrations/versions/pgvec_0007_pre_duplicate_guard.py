"""The script ``0007_pre_duplicate_guard``."""

from __future__ import annotations

from pgvec.execution.scripts import downgrade_pgvec, upgrade_pgvec

revision = "pgvec_0007"
down_revision = "pgvec_0006"
branch_labels = None
depends_on = None

SCRIPT = "0007_pre_duplicate_guard"


def upgrade() -> None:
    """Run the script."""
    upgrade_pgvec(SCRIPT)


def downgrade() -> None:
    """Take the script back."""
    downgrade_pgvec(SCRIPT)
