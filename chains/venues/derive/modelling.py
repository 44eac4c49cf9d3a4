"""What a model makes of a sub-account, or why it makes nothing of it: the manager's figures stand either way."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from chains.errors import BadAnswer
from chains.margin_state import CannotModel, MarginFigures, MarginRule, MarginState

FIXED_POINT: Final = Decimal("1e-9")
"""Share of the options' notional that the managers' fixed-point Black-76 may differ from exact arithmetic by.
Their own tests allow 1e-8 of the result."""
LAST_DIGITS: Final = Decimal("1e-12")
"""Dollars: every product of theirs is truncated at 1e-18, and ours are float64."""


def state_or_why_not(state: Callable[[], MarginState]) -> MarginState | str:
    """The state that the model needs, or what of it could not be read."""
    try:
        return state()
    except BadAnswer as error:
        return f"a parameter or feed of the manager could not be read: {error}"


def modelled(rule: MarginRule | None, state: MarginState | str) -> tuple[MarginFigures, Decimal] | str:
    """Figures with what rounding may explain of a difference in USD; or the reason why there are none."""
    if rule is None:
        return "the reader was given no margin model"
    if isinstance(state, str):
        return state
    try:
        return rule(state), LAST_DIGITS + FIXED_POINT * state.option_notional_usd
    except CannotModel as error:
        return f"the model refuses: {error}"
