"""Workers: who is alive, who holds what, and what events have touched."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "workers",
        sa.Column("id", sa.String(60), primary_key=True),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("sharers", sa.Integer, nullable=False),
        sa.Column("book", sa.String(64), nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False, index=True),
        sa.Column("owner", sa.String(60), index=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "touched",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("chain", sa.String(40), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("accounts", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Remove the tables; nothing in them outlives the processes that wrote it."""
    for table in ("touched", "leases", "workers"):
        op.drop_table(table)
