"""Compound's own cases of who can be liquidated (comet, test/is-liquidatable-test.ts), by CROSSMARGIN_VECTORS."""

import json
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.chains.venues.test_compound import BASE, ETHER, decoded

PLAIN = replace(BASE, supply_index=10**15, borrow_index=10**15)

if FOLDER := os.environ.get("CROSSMARGIN_VECTORS"):
    CASES = json.loads((Path(FOLDER) / "lending_health.json").read_text())["comet_isLiquidatable"]

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_the_rule_decides_as_the_contract_does(case):
        pledged = replace(
            ETHER,
            unit=10**6,
            price=int(Decimal(str(case["px"])) * 10**8),
            liquidate_factor=int(Decimal(str(case["lcf"])) * 10**18),
            balance=case["coll"],
        )
        account = decoded(-case["debt"], pledged, base=PLAIN)
        liquidatable = account is not None and account.equity_usd < account.mm_requirement_usd
        assert liquidatable is case["liq"]
