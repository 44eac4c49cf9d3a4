"""Parameters of the devnet's Lyra market.

They are the defaults of Lyra's own test system (@lyrafinance/protocol 0.1.3-alpha,
dist/test/utils/defaultParams.js), with deeper pricing and boards around the devnet's spot.
"""

from decimal import Decimal
from typing import Any

HOUR_S = 3600
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S
MONTH_S = 28 * DAY_S
MAX_UINT = 2**256 - 1

SECURITY_MODULE = "0xeFEEefeeEFeEeFEEeFEeeFeEEfeEEfeEefEEeFEe"
ZERO_ADDRESS = "0x" + "0" * 40

Struct = dict[str, Any]


def wad(value: str | int | Decimal) -> int:
    """18-decimal fixed point."""
    return int(Decimal(value).scaleb(18))


LIQUIDITY_POOL: Struct = {
    "minDepositWithdraw": wad(1),
    "depositDelay": WEEK_S,
    "withdrawalDelay": WEEK_S,
    "withdrawalFee": wad("0.01"),
    "liquidityCBThreshold": wad("0.01"),
    "liquidityCBTimeout": 3 * DAY_S,
    "ivVarianceCBThreshold": wad("0.1"),
    "skewVarianceCBThreshold": wad("0.35"),
    "ivVarianceCBTimeout": 12 * HOUR_S,
    "skewVarianceCBTimeout": 12 * HOUR_S,
    "guardianMultisig": ZERO_ADDRESS,
    "guardianDelay": 2 * WEEK_S,
    "boardSettlementCBTimeout": 6 * HOUR_S,
    "maxFeePaid": wad("0.01"),
}
POOL_HEDGER: Struct = {"interactionDelay": DAY_S, "hedgeCap": MAX_UINT}
SHORT_BUFFER = wad(2)
GREEK_CACHE: Struct = {
    "maxStrikesPerBoard": 30,
    "acceptableSpotPricePercentMove": wad("0.05"),
    "staleUpdateDuration": 3 * HOUR_S,
    "varianceIvGWAVPeriod": DAY_S,
    "varianceSkewGWAVPeriod": 3 * DAY_S,
    "optionValueIvGWAVPeriod": DAY_S,
    "optionValueSkewGWAVPeriod": 3 * DAY_S,
    "gwavSkewFloor": wad("0.5"),
    "gwavSkewCap": wad(2),
    "rateAndCarry": wad("0.05"),
}
MIN_COLLATERAL: Struct = {
    "minStaticQuoteCollateral": wad(200),
    "minStaticBaseCollateral": wad("0.2"),
    "shockVolA": wad("2.5"),
    "shockVolPointA": 2 * WEEK_S,
    "shockVolB": wad("1.8"),
    "shockVolPointB": 8 * WEEK_S,
    "callSpotPriceShock": wad("1.2"),
    "putSpotPriceShock": wad("0.8"),
}
FORCE_CLOSE: Struct = {
    "ivGWAVPeriod": 12 * HOUR_S,
    "skewGWAVPeriod": 24 * HOUR_S,
    "shortVolShock": wad("1.2"),
    "shortPostCutoffVolShock": wad("1.4"),
    "longVolShock": wad("0.8"),
    "longPostCutoffVolShock": wad("0.5"),
    "liquidateVolShock": wad("1.3"),
    "liquidatePostCutoffVolShock": wad("1.6"),
    "shortSpotMin": wad("0.01"),
    "liquidateSpotMin": wad("0.02"),
}
PRICING: Struct = {
    "optionPriceFeeCoefficient": wad("0.01"),
    "optionPriceFee1xPoint": 6 * WEEK_S,
    "optionPriceFee2xPoint": 16 * WEEK_S,
    "spotPriceFeeCoefficient": wad("0.01"),
    "spotPriceFee1xPoint": 6 * WEEK_S,
    "spotPriceFee2xPoint": 12 * WEEK_S,
    "vegaFeeCoefficient": wad(100),
    # Ten times Lyra's test default of 5: cast-sized trades should not move the surface by whole vol points.
    "standardSize": wad(50),
    "skewAdjustmentFactor": wad("0.75"),
}
TRADE_LIMIT: Struct = {
    "maxBaseIV": wad(2),
    "maxSkew": wad("1.5"),
    "minBaseIV": wad("0.35"),
    "minSkew": wad("0.5"),
    "minDelta": wad("0.15"),
    "minForceCloseDelta": wad("0.25"),
    "minVol": wad("0.55"),
    "maxVol": wad(3),
    "tradingCutoff": DAY_S // 2,
    "absMaxSkew": wad(5),
    "absMinSkew": wad("0.15"),
    "capSkewsToAbs": False,
}
VARIANCE_FEE: Struct = {
    "defaultVarianceFeeCoefficient": wad("0.25"),
    "forceCloseVarianceFeeCoefficient": wad("0.25"),
    "skewAdjustmentCoefficient": wad(3),
    "referenceSkew": wad(1),
    "minimumStaticSkewAdjustment": wad(1),
    "vegaCoefficient": wad("0.01"),
    "minimumStaticVega": wad(0),
    "ivVarianceCoefficient": wad("1.5"),
    "minimumStaticIvVariance": wad(1),
}
BASE_FEE = wad("0.0075")
QUOTE_FEE = wad("0.005")
OPTION_MARKET: Struct = {
    "maxBoardExpiry": 12 * MONTH_S,
    "securityModule": SECURITY_MODULE,
    "feePortionReserved": wad("0.1"),
    "staticBaseSettlementFee": BASE_FEE,
}
PARTIAL_COLLATERAL: Struct = {
    "penaltyRatio": wad("0.2"),
    "liquidatorFeeRatio": wad("0.4"),
    "smFeeRatio": wad("0.3"),
    "minLiquidationFee": wad(15),
}

BASE_IV = Decimal("0.8")
POOL_DEPOSIT = Decimal(50_000_000)
BOARDS: tuple[tuple[int, dict[int, str]], ...] = (
    # Days to expiry, then skew by strike. At spot 3000 and 80 % all lie inside the pricer's |delta| >= 0.15.
    (30, {2500: "1.10", 2600: "1.06", 2800: "1.02", 3000: "1.00", 3200: "0.99", 3400: "0.99", 3600: "1.00"}),
    (90, {2400: "1.08", 2700: "1.03", 3000: "1.00", 3300: "0.98", 3800: "1.00"}),
)
