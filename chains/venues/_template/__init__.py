"""<Venue>: one sentence that says what an account is there and when it is liquidated.

The rule, in the venue's own integers, every rounding as in its contract:

    E    = collateral x price / unit x threshold / 1e4          k·MM = debt
    liquidatable iff E < k·MM

``deployment.venues["template"]`` names: market. Modes that are not known (say which) are an ``unknown_mode``.
"""

from chains.venues._template.decode import VENUE
from chains.venues._template.reader import TemplateReader

__all__ = ["VENUE", "TemplateReader"]
