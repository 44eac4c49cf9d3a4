"""Reports, alerts and the outbox."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import DecimalText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "reports",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("portfolio", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("inputs_hash", sa.String, nullable=False),
        sa.Column("unified_buffer_usd", DecimalText()),
        sa.Column("mm_excess_usd", DecimalText()),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_reports_portfolio_seq", "reports", ["portfolio", "seq"])
    op.create_table(
        "alerts",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("report_id", sa.String(40), sa.ForeignKey("reports.id"), nullable=False),
        sa.Column("portfolio", sa.String, nullable=False, index=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "deliveries",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("alert_id", sa.String(40), sa.ForeignKey("alerts.id"), nullable=False),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=False, index=True),
        sa.Column("delivered_at", UtcDateTime()),
        sa.Column("last_error", sa.String, nullable=False),
        sa.UniqueConstraint("alert_id", "receiver"),
    )


def downgrade() -> None:
    """Remove the tables."""
    for table in ("deliveries", "alerts", "reports"):
        op.drop_table(table)
