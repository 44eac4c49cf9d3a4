"""Tables of the index. Unlike reports these rows are changed in place: they mirror the chains."""

import sqlalchemy as sa

METADATA = sa.MetaData()

BLOCKS = sa.Table(
    "index_blocks",
    METADATA,
    sa.Column("chain", sa.String(40), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.String(66), nullable=False),
    sa.Column("parent_hash", sa.String(66), nullable=False),
    sa.Column("timestamp", sa.BigInteger, nullable=False),
)
"""Canonical blocks that were indexed: dense near the tip, sparse behind; the highest is the checkpoint."""

ACCOUNTS = sa.Table(
    "index_accounts",
    METADATA,
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
"""Accounts by their first event, with the state that was read last. ``marks`` counts how often one was made dirty:
a read clears the mark that it has seen, not one that came while it was under way."""

MENTIONS = sa.Table(
    "index_mentions",
    METADATA,
    sa.Column("chain", sa.String(40), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("account", sa.String(90), primary_key=True),
)
"""Accounts that a block's events concern without naming them as theirs, on this or another chain: a fill there
ends a transfer here. They are read again when the block is orphaned."""
