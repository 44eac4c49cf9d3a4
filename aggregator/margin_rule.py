"""The margin models of ``risk`` as a rule for venue readers: from a venue's own state to figures."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from chains.margin_state import CannotModel, ExpiryState, MarginFigures, MarginState, MarketState
from risk.book import Book, Collateral, Expiry, Market
from risk.errors import ParameterError, RiskInputError
from risk.models.pm2 import PortfolioMargin
from risk.models.pm2params import Pm2Params
from risk.models.result import MarginModel
from risk.models.standard import StandardMargin, StandardParams
from risk.paramfile import build


def margin_figures(state: MarginState) -> MarginFigures:
    """Margin of the state by its own model with the parameters it came with; raises CannotModel."""
    try:
        margin = _model(state).margin(book_of(state))
    except (RiskInputError, ParameterError) as error:
        raise CannotModel(f"{state.model}: {error}") from None
    figures = (margin.mark_usd, margin.mm_excess_usd, margin.im_excess_usd)
    if not np.isfinite(figures).all():
        raise CannotModel(f"{state.model}: gives {figures}")
    return MarginFigures(*(Decimal(float(figure)) for figure in figures))


def _model(state: MarginState) -> MarginModel:
    content = {key: _plain(value) for key, value in state.parameters.items()}
    if state.model == "pm2":
        return PortfolioMargin(build(Pm2Params, content))
    if state.model == "standard":
        return StandardMargin(build(StandardParams, content))
    raise CannotModel(f"model {state.model!r}: is neither pm2 nor standard")


def _plain(value: object) -> object:
    """Decimals as floats, all the way down: the shape that parameter files have."""
    match value:
        case Decimal():
            return float(value)
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value


def book_of(state: MarginState) -> Book:
    """The account as the models see it; raises RiskInputError."""
    return Book(
        cash_usd=float(state.cash_usd),
        stable_price=float(state.stable_price),
        markets=tuple(_market(market) for market in state.markets),
        collaterals=tuple(
            Collateral(
                name=held.name,
                amount=float(held.amount),
                price=float(held.price),
                confidence=float(held.confidence),
                mm_haircut=float(held.mm_haircut),
                im_haircut=float(held.im_haircut),
                is_risk_cancelling=held.is_risk_cancelling,
            )
            for held in state.collaterals
        ),
    )


def _market(market: MarketState) -> Market:
    return Market(
        name=market.name,
        spot=float(market.spot),
        spot_confidence=float(market.spot_confidence),
        perp_amount=float(market.perp_amount),
        perp_price=float(market.perp_price),
        perp_confidence=float(market.perp_confidence),
        unrealised_pnl_usd=float(market.perp_result_usd),
        base_amount=float(market.base_amount),
        expiries=tuple(_expiry(end) for end in market.expiries),
    )


def _expiry(end: ExpiryState) -> Expiry:
    return Expiry(
        expiry_s=float(end.seconds),
        forward=float(end.forward_moving + end.forward_fixed),
        settled_forward=float(end.forward_fixed),
        rate=float(end.rate),
        strike=np.array([float(one.strike_usd) for one in end.options]),
        is_call=np.array([one.is_call for one in end.options], dtype=bool),
        amount=np.array([float(one.amount) for one in end.options]),
        vol=np.array([float(one.vol) for one in end.options]),
        forward_confidence=float(end.forward_confidence),
        rate_confidence=float(end.rate_confidence),
        vol_confidence=float(end.vol_confidence),
    )
