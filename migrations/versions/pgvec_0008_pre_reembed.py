"""The script ``0008_pre_reembed``."""

from __future__ import annotations

from pgvec.execution.scripts import downgrade_pgvec, upgrade_pgvec

revision = "pgvec_0008"
down_revision = "pgvec_0007"
branch_labels = None
depends_on = None

SCRIPT = "0008_pre_reembed"


def upgrade() -> None:
    """Run the script."""
    upgrade_pgvec(SCRIPT)


def downgrade() -> None:
    """Take the script back."""
    downgrade_pgvec(SCRIPT)
