"""Inputs of reports, the record of scans, and results of scans of very many portfolios."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import DecimalText, UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "inputs",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("setting", sa.String(64)),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "report_inputs",
        sa.Column("report_id", sa.String(40), primary_key=True),
        sa.Column("world", sa.String(64), nullable=False, index=True),
    )
    op.create_table(
        "scans",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "scan_results",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("scan_id", sa.String(40), nullable=False, index=True),
        sa.Column("portfolio", sa.String(100), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("worst_usd", DecimalText(), nullable=False),
        sa.Column("buffer_usd", DecimalText(), nullable=False),
        sa.Column("excess_usd", DecimalText(), nullable=False),
    )
    op.create_index("ix_reports_created_at", "reports", ["created_at"])
    op.create_index("ix_prices_at", "prices", ["at"])


def downgrade() -> None:
    """Remove the tables and indexes."""
    op.drop_index("ix_prices_at", "prices")
    op.drop_index("ix_reports_created_at", "reports")
    for table in ("scan_results", "scans", "report_inputs", "inputs"):
        op.drop_table(table)
