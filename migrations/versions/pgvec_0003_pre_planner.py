"""The script ``0003_pre_planner``."""

from __future__ import annotations

from pgvec.execution.scripts import downgrade_pgvec, upgrade_pgvec

revision = "pgvec_0003"
down_revision = "pgvec_0002"
branch_labels = None
depends_on = None

SCRIPT = "0003_pre_planner"


def upgrade() -> None:
    """Run the script."""
    upgrade_pgvec(SCRIPT)


def downgrade() -> None:
    """Take the script back."""
    downgrade_pgvec(SCRIPT)
