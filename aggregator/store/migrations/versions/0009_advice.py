"""Advice by portfolio, and attempts at it that failed."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "advice",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("portfolio", sa.String, nullable=False),
        sa.Column("report_id", sa.String(40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=True),
    )
    op.create_index("ix_advice_portfolio_seq", "advice", ["portfolio", "seq"])


def downgrade() -> None:
    """Remove the table."""
    op.drop_index("ix_advice_portfolio_seq", "advice")
    op.drop_table("advice")
