"""The tape's script: names, order, and what the issue asks to be on it."""

from decimal import Decimal

import pytest

from chains.devnet import pyth
from chains.devnet.context import PRICES
from chains.devnet.tape import ACROSS, STEPS, NoSuchStep, find


def test_without_names_all_steps_in_order() -> None:
    assert find(()) == STEPS


def test_a_stem_means_all_its_steps() -> None:
    assert [step.name for step in find(["crash"])] == ["crash-1", "crash-2", "crash-3"]
    assert [step.name for step in find(["depeg", "calm"])] == ["depeg", "calm"]


@pytest.mark.parametrize("name", ["boom", "", "crash-", "cra"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(NoSuchStep, match="calm, crash-1"):
        find([name])


def test_the_script_has_what_it_must_have() -> None:
    by_name = {step.name: step for step in STEPS}
    assert len(by_name) == len(STEPS)
    falls = [by_name[f"crash-{i}"].prices["ETH"] / PRICES["ETH"] for i in (1, 2, 3)]
    assert falls == [Decimal("0.92"), Decimal("0.85"), Decimal("0.75")]
    assert by_name["depeg"].prices["USDC"] == Decimal("0.93")
    assert [step.name for step in STEPS if ACROSS in step.paused_bridges] == ["bridge-outage"]


def test_price_ids_are_distinct_words() -> None:
    ids = {pyth.price_id(key) for key in PRICES}
    assert len(ids) == len(PRICES)
    assert all(len(item) == 66 and int(item, 16) for item in ids)
