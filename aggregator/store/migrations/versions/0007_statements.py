"""Signed statements, and the Merkle root over the reports of each scan."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "report_roots",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("root", sa.String(64), nullable=False, unique=True),
        sa.Column("at", UtcDateTime(), nullable=False, index=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("leaves", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "statements",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("portfolio", sa.String, nullable=False),
        sa.Column("report_id", sa.String(40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Remove the tables."""
    for table in ("statements", "report_roots"):
        op.drop_table(table)
