"""Errors of the service.

ServiceError
├── ConfigError         a setting is wrong; names the setting and the fix
├── UnknownPortfolio    no portfolio or account of that name
├── UnknownReceiver     no receiver of that name
├── NoSuchPrice         no price, time or incident of that name
├── NoSuchWatch         no watch of that name
├── NoSuchAlert         no alert of that id, or it is over
├── LeaseLost           another process looks at these portfolios now
└── StoreError          the store could not be used
"""


class ServiceError(Exception):
    """Base of all errors of this package."""


class ConfigError(ServiceError, ValueError):
    """A setting is wrong; the message names the setting and the fix, never a secret."""


class UnknownPortfolio(ServiceError, LookupError):
    """No portfolio or account of that name is known."""


class UnknownReceiver(ServiceError, LookupError):
    """No receiver of alerts of that name is in the settings."""


class NoSuchPrice(ServiceError, LookupError):
    """No price, time or incident of that name."""


class NoSuchWatch(ServiceError, LookupError):
    """No watch of that name."""


class NoSuchAlert(ServiceError, LookupError):
    """No alert of that id, or none that is still open."""


class LeaseLost(ServiceError):
    """Another process looks at these portfolios now; nothing was written."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__(f"another worker looks at {len(names)} of these portfolios now")
        self.names = names


class StoreError(ServiceError):
    """The store could not be used."""
