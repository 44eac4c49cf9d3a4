"""Tables. Rows are made only from frozen report and alert values: table models do not validate."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Column, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from aggregator.store.columns import DecimalText, UtcDateTime


class ReportRow(SQLModel, table=True):
    """One margin report; never changed."""

    __tablename__ = "reports"
    __table_args__ = (Index("ix_reports_portfolio_seq", "portfolio", "seq"),)

    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    portfolio: str
    created_at: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    status: str
    complete: bool
    inputs_hash: str
    unified_buffer_usd: Decimal | None = Field(default=None, sa_column=Column(DecimalText()))
    mm_excess_usd: Decimal | None = Field(default=None, sa_column=Column(DecimalText()))
    body: str = Field(sa_column=Column(Text(), nullable=False))
    """The whole report as JSON."""


class AlertRow(SQLModel, table=True):
    """One alert; never changed. Written in the transaction of the report that caused it, if one did."""

    __tablename__ = "alerts"

    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    report_id: str | None = Field(default=None, foreign_key="reports.id")
    portfolio: str = Field(index=True)
    created_at: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    body: str = Field(sa_column=Column(Text(), nullable=False))
    episode: str | None = Field(default=None, index=True, max_length=40)
    """Id of the alert that opened the matter; None in alerts of plain rules."""


class DeliveryRow(SQLModel, table=True):
    """The outbox: one alert to one receiver, until the receiver has answered (``aggregator.delivery``)."""

    __tablename__ = "deliveries"
    __table_args__ = (UniqueConstraint("alert_id", "receiver"),)

    seq: int | None = Field(default=None, primary_key=True)
    alert_id: str = Field(foreign_key="alerts.id")
    receiver: str
    attempts: int = 0
    next_attempt_at: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False, index=True))
    delivered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    last_error: str = ""


class PriceRow(SQLModel, table=True):
    """One reconciled price of one round; never changed."""

    __tablename__ = "prices"
    __table_args__ = (UniqueConstraint("price_key", "at"),)

    seq: int | None = Field(default=None, primary_key=True)
    price_key: str = Field(max_length=40)
    at: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    status: str = Field(max_length=16)
    low_usd: Decimal | None = Field(default=None, sa_column=Column(DecimalText()))
    mid_usd: Decimal | None = Field(default=None, sa_column=Column(DecimalText()))
    high_usd: Decimal | None = Field(default=None, sa_column=Column(DecimalText()))
    body: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))
    """The whole line as JSON, compressed."""
