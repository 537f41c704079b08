"""The script ``0004_pre_keyword``."""

from __future__ import annotations

from pgvec.execution.scripts import downgrade_pgvec, upgrade_pgvec

revision = "pgvec_0004"
down_revision = "pgvec_0003"
branch_labels = None
depends_on = None

SCRIPT = "0004_pre_keyword"


def upgrade() -> None:
    """Run the script."""
    upgrade_pgvec(SCRIPT)


def downgrade() -> None:
    """Take the script back."""
    downgrade_pgvec(SCRIPT)
