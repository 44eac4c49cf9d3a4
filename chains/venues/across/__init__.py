"""Across V3: transfers in flight. Each is an account of its own that has value but backs nothing until it arrives.

``AcrossReader.observations`` says what the accounts' deposits took, for the latency laws.
E = 0, k·MM = 0, V = what will arrive (or come back). Contract address in the deployments: ``spoke_pool``, on the
origin and on every destination.
"""

from chains.venues.across.deposits import VENUE
from chains.venues.across.observations import Observed
from chains.venues.across.reader import AcrossReader

__all__ = ["VENUE", "AcrossReader", "Observed"]
