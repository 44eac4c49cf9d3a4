"""Made-up price histories."""

import numpy as np

from aggregator.history import PriceHistory

HOUR = 3600
START = int(np.datetime64("2023-01-01", "s").astype(np.int64))


def made_up(days: int, seed: int = 1, tail: float = 3.0, assets=("AAA", "BBB", "CCC")) -> PriceHistory:
    """Hourly fat-tailed prices with a common part, highs and lows around the close."""
    rng = np.random.default_rng(seed)
    shape = (24 * days, len(assets))
    noise = rng.standard_t(tail, shape) * 0.4 + rng.standard_t(tail, (shape[0], 1)) * 0.6
    close = 100 * np.exp(np.cumsum(0.004 * noise, axis=0))
    high, low = close * np.exp(0.002 * rng.random(shape)), close * np.exp(-0.002 * rng.random(shape))
    return PriceHistory(tuple(assets), START + HOUR * np.arange(shape[0]), HOUR, close, high, low)
