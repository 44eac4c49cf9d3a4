"""Observed bridge transfers."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "bridge_transfers",
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("bridge", sa.String(40), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("destination", sa.String(40), nullable=False),
        sa.Column("depositor", sa.String(66), nullable=False),
        sa.Column("deposit_id", sa.String(80), nullable=False),
        sa.Column("relay_hash", sa.String(64), nullable=False),
        sa.Column("sent_block", sa.BigInteger, nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=False),
        sa.Column("deadline", UtcDateTime(), nullable=False),
        sa.Column("fill_block", sa.BigInteger),
        sa.Column("arrived_at", UtcDateTime()),
    )
    op.create_index("ix_bridge_transfers_sent_at", "bridge_transfers", ["sent_at"])


def downgrade() -> None:
    """Remove the table."""
    op.drop_index("ix_bridge_transfers_sent_at", "bridge_transfers")
    op.drop_table("bridge_transfers")
