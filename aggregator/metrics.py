"""Prometheus metrics of the service. Label values are names and codes, never URLs."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

CYCLES = Counter("crossmargin_cycles", "Finished cycles by result", ["result"], registry=REGISTRY)
CYCLE_SECONDS = Histogram(
    "crossmargin_cycle_seconds",
    "Duration of a cycle",
    registry=REGISTRY,
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
PORTFOLIOS = Gauge("crossmargin_portfolios", "Portfolios by status", ["status"], registry=REGISTRY)
MODEL_ERROR = Gauge(
    "crossmargin_model_vs_venue_rel_error", "Worst relative error by venue and chain", ["venue", "chain"],
    registry=REGISTRY,
)  # fmt: skip
CHAIN_HEAD = Gauge("crossmargin_chain_block", "Block read last", ["chain"], registry=REGISTRY)
CHAIN_AGE = Gauge("crossmargin_chain_age_seconds", "Age of the block read last", ["chain"], registry=REGISTRY)
SKEW = Gauge("crossmargin_cut_skew_seconds", "Largest timestamp difference inside the cut", registry=REGISTRY)
READ_FAILURES = Counter(
    "crossmargin_read_failures", "Accounts that could not be read", ["venue", "reason"], registry=REGISTRY
)
PRICE_STATUS = Gauge("crossmargin_price_ok", "1 where a price has a mid", ["price_key"], registry=REGISTRY)
ALERTS = Counter("crossmargin_alerts", "Alerts written", ["type"], registry=REGISTRY)
DELIVERIES = Counter("crossmargin_deliveries", "Delivery attempts", ["receiver", "result"], registry=REGISTRY)
