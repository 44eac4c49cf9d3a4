"""Loans of the endpoints' rates; workers need not say any more among how many they divide them."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "rate_loans",
        sa.Column("endpoint", sa.String(32), primary_key=True),
        sa.Column("worker", sa.String(60), primary_key=True),
        sa.Column("wants", sa.Integer, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
    )
    op.drop_column("workers", "sharers")


def downgrade() -> None:
    """Remove it; leases on rates are unknown to what comes then."""
    op.drop_table("rate_loans")
    op.execute("DELETE FROM leases WHERE kind = 'rate'")
    op.add_column("workers", sa.Column("sharers", sa.Integer, nullable=False, server_default="1"))
