"""Claims on the outbox, notices beside alerts, the receivers' states and the delivery log."""

import sqlalchemy as sa
from alembic import op

from aggregator.store.columns import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

WAITING = sa.text("delivered_at IS NULL")


def upgrade() -> None:
    """Make the tables; an outbox row carries an alert or a notice from now on."""
    op.create_table(
        "notices",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.drop_index("ix_deliveries_next_attempt_at", "deliveries")
    with op.batch_alter_table("deliveries", copy_from=_outbox()) as table:
        table.alter_column("alert_id", existing_type=sa.String(40), nullable=True)
        table.add_column(sa.Column("notice_id", sa.String(40)))
        table.add_column(sa.Column("claimed_by", sa.String(40)))
        table.add_column(sa.Column("claimed_until", UtcDateTime()))
        table.create_foreign_key("fk_deliveries_notice", "notices", ["notice_id"], ["id"])
        table.create_check_constraint("ck_deliveries_one", "(alert_id IS NULL) <> (notice_id IS NULL)")
    op.create_index(
        "ix_deliveries_waiting", "deliveries", ["receiver", "next_attempt_at"],
        sqlite_where=WAITING, postgresql_where=WAITING,
    )  # fmt: skip
    op.create_index("ix_deliveries_notice", "deliveries", ["notice_id", "receiver"], unique=True)
    op.create_table(
        "receivers",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("failing_since", UtcDateTime()),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_attempt_at", UtcDateTime()),
        sa.Column("last_delivered_at", UtcDateTime()),
        sa.Column("last_error", sa.String(200), nullable=False),
        sa.Column("disabled_at", UtcDateTime()),
        sa.Column("disabled_reason", sa.String(200), nullable=False),
    )
    op.create_table(
        "delivery_log",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at", UtcDateTime(), nullable=False, index=True),
        sa.Column("receiver", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(40), nullable=False, index=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("delivered", sa.Integer, nullable=False),
        sa.Column("detail", sa.String(200), nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Remove the tables; alerts that wait stay in the outbox, notices do not."""
    op.drop_table("delivery_log")
    op.drop_table("receivers")
    op.drop_index("ix_deliveries_notice", "deliveries")
    op.drop_index("ix_deliveries_waiting", "deliveries")
    op.execute("DELETE FROM deliveries WHERE alert_id IS NULL")
    with op.batch_alter_table("deliveries", copy_from=_outbox_now()) as table:
        table.drop_constraint("ck_deliveries_one", type_="check")
        table.drop_constraint("fk_deliveries_notice", type_="foreignkey")
        for name in ("notice_id", "claimed_by", "claimed_until"):
            table.drop_column(name)
        table.alter_column("alert_id", existing_type=sa.String(40), nullable=False)
    op.create_index("ix_deliveries_next_attempt_at", "deliveries", ["next_attempt_at"])
    op.drop_table("notices")


def _outbox(*more: sa.schema.SchemaItem, alert_needed: bool = True) -> sa.Table:
    """The table as migration 0001 left it: SQLite copies it into one with the changes."""
    return sa.Table(
        "deliveries", sa.MetaData(),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("alert_id", sa.String(40), sa.ForeignKey("alerts.id"), nullable=not alert_needed),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=False),
        sa.Column("delivered_at", UtcDateTime()),
        sa.Column("last_error", sa.String, nullable=False),
        sa.UniqueConstraint("alert_id", "receiver"),
        *more,
    )  # fmt: skip


def _outbox_now() -> sa.Table:
    """The table as this migration leaves it."""
    return _outbox(
        sa.Column("notice_id", sa.String(40)),
        sa.Column("claimed_by", sa.String(40)),
        sa.Column("claimed_until", UtcDateTime()),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_deliveries_notice"),
        sa.CheckConstraint("(alert_id IS NULL) <> (notice_id IS NULL)", name="ck_deliveries_one"),
        alert_needed=False,
    )
