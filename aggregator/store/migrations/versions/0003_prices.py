"""The history of reconciled prices."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import DecimalText, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "prices",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("price_key", sa.String(40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("low_usd", DecimalText()),
        sa.Column("mid_usd", DecimalText()),
        sa.Column("high_usd", DecimalText()),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("price_key", "at"),
    )


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("prices")
