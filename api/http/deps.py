"""What the handlers work with."""

from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from aggregator.access.settings import OPEN_TO_ALL, AccessSettings
from aggregator.advice.desk import AdviceDesk
from aggregator.bridge_desk import BridgeDesk
from aggregator.clock import utc_now
from aggregator.delivery.notifier import Notifier
from aggregator.portfolios import Portfolios
from aggregator.service import Service
from aggregator.simulate.run import WhatIf
from aggregator.statements.settings import UNSIGNED, StatementSettings
from aggregator.store.repository import Store
from aggregator.wiring import Wired


@dataclass(frozen=True, slots=True)
class Deps:
    """What the handlers use."""

    store: Store
    portfolios: Portfolios
    service: Service | None
    """None where only stored reports are served."""
    max_scan_age_s: float
    bridges: BridgeDesk | None = None
    """Latency laws in use; None: the defaults that ship."""
    wired: Wired | None = None
    """Chains, readers and the model; None where only stored reports are served."""
    access: AccessSettings = OPEN_TO_ALL
    """Who may do what. The service hands in its settings, which are private unless they say otherwise."""
    what_if: WhatIf | None = None
    """Answers what-if questions; None where only stored reports are served."""
    statements: StatementSettings = UNSIGNED
    """Who signs margin statements; without a key nobody does."""
    advice: AdviceDesk | None = None
    """Works out advice; None where only stored reports are served."""
    notifier: Notifier | None = None
    """Knows the receivers of alerts; None where only stored reports are served."""
    started: datetime = field(default_factory=utc_now)
    """The time of answers that rest on nothing that was read: equal as long as the process runs."""


DEPS = web.AppKey("deps", Deps)
