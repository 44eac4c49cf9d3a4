"""Derive's vol feed over recorded answers; chain and block stand in the file.

The contract was DeriveShape.sol (tests/kit/record_vols.py): 60 % at 3000 and a point more for every 100 dollars
away, confidence 95 %, no surface from 30,000 on.
"""

import json
from decimal import Decimal
from pathlib import Path

from chains.types import Cut
from oracles.sources.vol_surfaces import DeriveVolSource
from tests.kit.record_vols import EXPIRY, STRIKES
from tests.kit.recorder import replayed

FILE = Path(__file__).parent / "data" / "vols_derive_957.json"


async def test_recorded_strikes_have_their_volatility_and_a_refused_one_is_a_gap() -> None:
    content = json.loads(FILE.read_text())
    client, head = replayed(content)
    wanted = [(EXPIRY, Decimal(strike)) for strike in STRIKES]
    vols = await DeriveVolSource(client, "ETH", content["feed"], wanted).surface(Cut({content["chain"]: head}))
    assert {(q.strike_usd, q.vol, q.confidence, q.observed_at) for q in vols.found} == {
        (Decimal(1500), Decimal("0.75"), Decimal("0.95"), head.timestamp),
        (Decimal(3000), Decimal("0.6"), Decimal("0.95"), head.timestamp),
        (Decimal(4500), Decimal("0.75"), Decimal("0.95"), head.timestamp),
    }
    (gap,) = vols.gaps
    assert gap.reason == "no_answer"
    assert gap.detail.startswith(f"{EXPIRY} 40000: ")
