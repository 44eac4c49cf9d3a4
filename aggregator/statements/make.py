"""From a stored report to a signed statement."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from aggregator.clock import unix
from aggregator.prices import PriceLine
from aggregator.report import MarginReport, VenueLine
from aggregator.statements.model import (
    UNKNOWN,
    Figure,
    Message,
    StatedAccount,
    StatedBlock,
    StatedPrice,
    Statement,
)
from aggregator.statements.typed import digest_of, sign, typed
from chains.caip import AccountId, account_chain

FIGURES = (
    "net_value_usd", "equity_usd", "surplus_usd", "venue_maintenance_usd", "isolated_buffer_usd",
    "netted_buffer_usd", "unified_buffer_usd", "bridge_latency_addon_usd", "stress_floor_usd",
    "mm_requirement_usd", "im_requirement_usd", "mm_excess_usd", "margin_ratio", "capital_freed_usd",
)  # fmt: skip
ADDONS = (
    "oracle_uncertainty_usd", "in_flight_usd", "concentration_usd", "depeg_basis_usd", "correlation_break_usd",
    "liquidation_penalty_usd",
)  # fmt: skip
NONE = "none"
NO_ROOT = "0x" + "00" * 32
MOST_GAPS, MOST_CHARS = 50, 2000


@dataclass(frozen=True, slots=True)
class Basis:
    """What a statement is made from."""

    report: MarginReport
    prices: Sequence[PriceLine]
    """Of the report's round."""
    leaf: bytes
    root: str | None
    """64 hex digits, None where none is kept."""


def statement_of(
    basis: Basis, key: SecretStr, signer: AccountId, issued_at: datetime, lifetime: timedelta
) -> Statement:
    """The signed statement of a report."""
    report = basis.report
    message = Message(
        id=f"stm_{secrets.token_hex(12)}",
        **said(report),
        prices=tuple(map(_price, basis.prices)),
        report_id=report.id,
        report_leaf="0x" + basis.leaf.hex(),
        scan_root=NO_ROOT if basis.root is None else "0x" + basis.root,
        issued_at=unix(issued_at),
        expires_at=unix(issued_at + lifetime),
        signer=signer,
    )
    data = typed(message, account_chain(signer))
    return Statement(
        as_of=report.as_of,
        data_quality=report.data_quality,
        typed_data=data,
        digest="0x" + digest_of(data).hex(),
        signature=sign(data, key),
    )


def said(report: MarginReport) -> dict[str, Any]:
    """What a report says, as a statement carries it: everything that can be recomputed from the chains."""
    quality = report.data_quality
    gaps = [f"{line.what}: {line.reason}"[:MOST_CHARS] for line in quality.degraded]
    return {
        "portfolio": report.portfolio.name,
        "accounts": report.portfolio.accounts,
        "blocks": tuple(
            StatedBlock(chain=chain, **block.model_dump()) for chain, block in sorted(report.as_of.blocks.items())
        ),
        "as_of": unix(report.as_of.time),
        "status": report.status.value,
        "status_reason": report.status_reason[:MOST_CHARS],
        "model": report.model.id,
        "model_version": report.model.version,
        "parameters_hash": "0x" + report.model.params_hash,
        "code_version": report.code_version,
        "inputs_hash": "0x" + report.inputs_hash,
        "figures": (*_figures(report, FIGURES, ""), *_figures(report.addons, ADDONS, "addons.")),
        "venue_accounts": tuple(map(_account, report.venues)),
        "complete": quality.complete,
        "staleness_s": UNKNOWN if quality.staleness_s is None else str(quality.staleness_s),
        "degraded": tuple(gaps[:MOST_GAPS]),
    }


def plain(value: Decimal | None) -> str:
    """A decimal without an exponent, or ``unknown``."""
    return UNKNOWN if value is None else format(value, "f")


def _figures(holder: object, names: Iterable[str], prefix: str) -> Iterable[Figure]:
    return (Figure(name=prefix + name, value=plain(getattr(holder, name))) for name in names)


def _account(line: VenueLine) -> StatedAccount:
    return StatedAccount(
        account=line.account,
        venue=line.venue,
        sub_account=line.sub_account,
        status=line.status.value,
        equity_usd=plain(line.equity_usd),
        mm_requirement_usd=plain(line.mm_requirement_usd),
        surplus_usd=plain(line.surplus_usd),
        local_floor_usd=plain(line.local_floor_usd),
    )


def _price(line: PriceLine) -> StatedPrice:
    sources = {vote.source for vote in line.contributors} | {dissent.source for dissent in line.dissenters}
    ceiling = line.borrow_ceiling_usd
    return StatedPrice(
        price_key=line.price_key,
        status=line.status.value,
        low_usd=plain(line.low_usd),
        mid_usd=plain(line.mid_usd),
        high_usd=plain(line.high_usd),
        borrow_ceiling_usd=NONE if ceiling is None else plain(ceiling),
        sources=tuple(sorted(sources)),
    )
