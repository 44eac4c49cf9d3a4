"""Watches: what they remember, the life of their alerts, and changes by the API; an alert may have no report."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; an alert names the one that opened its matter, and may have no report."""
    if op.get_bind().dialect.name == "sqlite":
        _remake("seq, id, report_id, portfolio, created_at, body", report_needed=False, episode=True)
    else:
        op.alter_column("alerts", "report_id", nullable=True)
        op.add_column("alerts", sa.Column("episode", sa.String(40)))
    op.create_index("ix_alerts_episode", "alerts", ["episode"])
    op.create_table(
        "watch_states",
        sa.Column("portfolio", sa.String, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "alert_episodes",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("portfolio", sa.String, nullable=False),
        sa.Column("watch", sa.String(40), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("state", sa.String(15), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("acknowledged_at", UtcDateTime()),
        sa.Column("acknowledged_by", sa.String(100)),
        sa.Column("resolved_at", UtcDateTime()),
        sa.Column("last_alert", sa.String(40), nullable=False, index=True),
    )
    op.create_index("ix_alert_episodes_state", "alert_episodes", ["state", "portfolio"])
    op.create_table(
        "watch_changes",
        sa.Column("portfolio", sa.String, primary_key=True),
        sa.Column("watch", sa.String(40), primary_key=True),
        sa.Column("body", sa.Text),
        sa.Column("muted_until", UtcDateTime()),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
    )


def downgrade() -> None:
    """Remove the tables; alerts without a report go, they had no place before."""
    op.drop_table("watch_changes")
    op.drop_index("ix_alert_episodes_state", "alert_episodes")
    op.drop_table("alert_episodes")
    op.drop_table("watch_states")
    op.execute("DELETE FROM deliveries WHERE alert_id IN (SELECT id FROM alerts WHERE report_id IS NULL)")
    op.execute("DELETE FROM alerts WHERE report_id IS NULL")
    op.drop_index("ix_alerts_episode", "alerts")
    if op.get_bind().dialect.name == "sqlite":
        _remake("seq, id, report_id, portfolio, created_at, body", report_needed=True, episode=False)
    else:
        op.drop_column("alerts", "episode")
        op.alter_column("alerts", "report_id", nullable=False)


def _remake(columns: str, *, report_needed: bool, episode: bool) -> None:
    """Make the table anew, for SQLite cannot change a column.

    Other tables refer to it, so its rows come back before their references are checked, which is at the commit;
    renaming a copy would leave them counted as broken.
    """
    op.execute("PRAGMA defer_foreign_keys=ON")
    op.execute("CREATE TABLE alerts_kept AS SELECT * FROM alerts")
    op.drop_index("ix_alerts_portfolio", "alerts")
    op.drop_table("alerts")
    op.create_table(
        "alerts",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("report_id", sa.String(40), sa.ForeignKey("reports.id"), nullable=not report_needed),
        sa.Column("portfolio", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        *([sa.Column("episode", sa.String(40))] if episode else []),
    )
    op.execute(f"INSERT INTO alerts ({columns}) SELECT {columns} FROM alerts_kept")
    op.drop_table("alerts_kept")
    op.create_index("ix_alerts_portfolio", "alerts", ["portfolio"])
