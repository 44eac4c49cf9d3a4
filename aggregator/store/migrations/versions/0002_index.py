"""The index: canonical blocks seen, accounts found by their events, and what one chain's events say of another."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "index_blocks",
        sa.Column("chain", sa.String(40), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String(66), nullable=False),
        sa.Column("parent_hash", sa.String(66), nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "index_accounts",
        sa.Column("account", sa.String(90), primary_key=True),
        sa.Column("chain", sa.String(40), nullable=False),
        sa.Column("first_block", sa.BigInteger, nullable=False),
        sa.Column("touched_block", sa.BigInteger, nullable=False),
        sa.Column("dirty", sa.Boolean, nullable=False),
        sa.Column("marks", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("read_block", sa.BigInteger),
        sa.Column("read_hash", sa.String(66)),
        sa.Column("state", sa.Text),
    )
    op.create_index("ix_index_accounts_chain_dirty", "index_accounts", ["chain", "dirty"])
    op.create_table(
        "index_mentions",
        sa.Column("chain", sa.String(40), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("account", sa.String(90), primary_key=True),
    )


def downgrade() -> None:
    """Remove the tables."""
    for table in ("index_mentions", "index_accounts", "index_blocks"):
        op.drop_table(table)
