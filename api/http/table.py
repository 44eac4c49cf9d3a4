"""The table of all endpoints.

A part of the API adds its module's ``ENDPOINTS`` here and is then routed, guarded, specified and tested.
"""

from api.http import (
    accounts,
    admin,
    advice,
    alerts,
    beside,
    market,
    meta,
    scans,
    signin,
    simulate,
    statements,
    stream,
    watches,
    web,
    webhooks,
)
from api.http.endpoint import Endpoint

TABLE: tuple[Endpoint, ...] = (
    *accounts.ENDPOINTS,
    *market.ENDPOINTS,
    *simulate.ENDPOINTS,
    *beside.ENDPOINTS,
    *advice.ENDPOINTS,
    *alerts.ENDPOINTS,
    *watches.ENDPOINTS,
    *scans.ENDPOINTS,
    *statements.ENDPOINTS,
    *stream.ENDPOINTS,
    *signin.ENDPOINTS,
    *admin.ENDPOINTS,
    *meta.ENDPOINTS,
    *web.ENDPOINTS,
    *webhooks.ENDPOINTS,
)
