"""Statements of a made-up report."""

from aggregator.statements.make import said
from aggregator.statements.model import Message
from tests.kit.reports import a_report

HASH = "0x" + "00" * 32


def a_message(signer: str, **changes) -> Message:
    """What a statement of ``a_report`` says."""
    parts = {
        "id": "stm_1", "report_id": "rep_1", "report_leaf": HASH, "scan_root": HASH, "prices": (),
        "issued_at": 1_800_000_000, "expires_at": 4_000_000_000, "signer": signer,
    }  # fmt: skip
    return Message(**(said(a_report()) | parts | changes))
