"""Reads the published PM2 cases (JSON of derivexyz/v2-core) as a book and a parameter set; nothing is computed."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from risk.book import Book, Collateral, Expiry, Market
from risk.models.pm2params import Pm2Params
from risk.paramfile import build
from risk.svi import SviSlice

VOLS = {"Up": "up", "Down": "down", "None": "none", "LINEAR": "linear", "ABS": "abs"}


def case_files() -> list[Path]:
    """Files of the folder that CROSSMARGIN_VECTORS names; none without it."""
    folder = os.environ.get("CROSSMARGIN_VECTORS")
    return sorted(Path(folder, "derive_pm2").glob("test_*.json")) if folder else []


def read_case(path: Path) -> tuple[Book, Pm2Params, dict[str, Any]]:
    """Book, parameters and the expected result of one file."""
    case = json.loads(path.read_text(encoding="utf-8"))
    return _book(case["Scenario"]), _params(case["Parameters"]), case["Result"]


def _book(scenario: dict[str, Any]) -> Book:
    market = Market(
        name="X",
        spot=scenario["SpotPrice"],
        spot_confidence=scenario["SpotConfidence"],
        perp_amount=scenario["NumPerps"],
        perp_price=scenario["PerpPrice"],
        perp_confidence=scenario["PerpConfidence"],
        unrealised_pnl_usd=scenario["UnrealisedPerpPNL"],
        funding_usd=scenario["UnrealisedFunding"],
        expiries=tuple(_expiry(feed, scenario["Options"]) for feed in scenario["OptionFeeds"]),
    )
    held = tuple(
        Collateral(
            name=item["Name"],
            amount=item["Amount"],
            price=item["Price"],
            confidence=item["Confidence"],
            mm_haircut=item["MMHaircut"],
            im_haircut=item["IMHaircut"],
            is_risk_cancelling=bool(item["IsRiskCancelling"]),
        )
        for item in scenario["Collaterals"]
    )
    return Book(scenario["Cash"], (market,), held, scenario["StablePrice"])


def _expiry(feed: dict[str, Any], options: list[dict[str, Any]]) -> Expiry:
    mine = [option for option in options if option["Expiry"] == feed["FeedExpiry"]]
    strike = np.array([option["Strike"] for option in mine], dtype=float)
    svi = SviSlice(*(float(value) for value in feed["SVIparam"]))
    return Expiry(
        expiry_s=feed["FeedExpiry"],
        forward=feed["Forward"],
        rate=feed["Rate"],
        strike=strike,
        is_call=np.array([bool(option["IsCall"]) for option in mine], dtype=bool),
        amount=np.array([option["Amount"] for option in mine], dtype=float),
        vol=svi.vol(strike),
        forward_confidence=feed["ForwardConfidence"],
        rate_confidence=feed["RateConfidence"],
        vol_confidence=feed["OptionVolConfidences"],
    )


def _params(given: dict[str, Any]) -> Pm2Params:
    vol, skew, factors = given["VolShock"], given["SkewShock"], given["Margin"]
    basis, other = given["BasisContingency"], given["OtherContingency"]
    content = {
        "id": "case",
        "version": "0",
        "form": "pm2",
        "provenance": "published case",
        "mm_factor": factors["MM_LOSS_FACTOR"],
        "im_factor": factors["IM_LOSS_FACTOR"],
        "vol": {
            "up": vol["VOLRANGEUP"],
            "down": vol["VOLRANGEDOWN"],
            "short_power": vol["SHORTTERMPOWER"],
            "long_power": vol["LONGTERMPOWER"],
            "floor_days": vol["DTE_FLOOR"],
            "least_up": vol["MIN_VOL_EVAL_SHOCKED"],
        },
        "skew": {
            "linear_scale_cap": skew["LINEAR_SCALE_CAP"],
            "linear_c_base": skew["LINEAR_CBASE"],
            "abs_scale_cap": skew["ABS_SCALE_CAP"],
            "abs_c_base": skew["ABS_CBASE"],
            "least_k_star": skew["MIN_K_STAR"],
            "width_scale": skew["MIN_WIDTH_SCALE"],
            "vol_static": skew["VOL_PARAM_STATIC"],
            "vol_scale": skew["VOL_PARAM_SCALE"],
        },
        "discounts": {
            "positive_base": factors["BASE_STATIC_DISCOUNT"],
            "negative_base": factors["BASE_STATIC_DISCOUNT_NEG"],
            "long_rate_mult": factors["LONG_RATE_MULTSCALE"],
            "long_rate_add": factors["LONG_RATE_ADDSCALE"],
            "short_rate_mult": factors["SHORT_RATE_MULTSCALE"],
            "short_rate_add": factors["SHORT_RATE_ADDSCALE"],
        },
        "contingencies": {
            "basis_up": basis["SCENARIO_SPOT_UP"],
            "basis_down": basis["SCENARIO_SPOT_DOWN"],
            "basis_add": basis["BASIS_CONT_ADD_FACTOR"],
            "basis_mult": basis["BASIS_CONT_MULT_FACTOR"],
            "peg_threshold": other["PEG_LOSS_THRESHOLD"],
            "peg_factor": other["PEG_LOSS_FACTOR"],
            "confidence_threshold": other["CONF_THRESHOLD"],
            "confidence_factor": other["CONF_MARGIN"],
            "mm_perp": other["MM_PERP_PERCENT"],
            "im_perp": other["IM_PERP_PERCENT"],
            "mm_option": other["MM_OPTION_PERCENT"],
            "im_option": other["IM_OPTION_PERCENT"],
            "base": 0.0,
        },
        "rows": [
            {"spot": row["SpotShock"], "vol": VOLS[row["VolShockDirection"]], "damping": row["DampeningFactor"]}
            for row in given["Scenarios"]
        ],
    }
    return build(Pm2Params, content)
