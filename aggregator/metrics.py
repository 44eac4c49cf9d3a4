"""Prometheus metrics of the service. Label values are names and codes, never URLs."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

CYCLES = Counter("crossmargin_cycles", "Finished cycles by result", ["result"], registry=REGISTRY)
CYCLES_SKIPPED = Counter(
    "crossmargin_cycles_skipped", "Cycles left out because another one was still running", ["kind"],
    registry=REGISTRY,
)  # fmt: skip
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
CHAIN_STATUS = Gauge(
    "crossmargin_chain_status", "1 for the status that a chain has", ["chain", "status"], registry=REGISTRY
)
BRIDGE_WATCH = Gauge(
    "crossmargin_bridge_watch_working", "Whether the transfers of a chain's spoke pool are followed", ["chain"],
    registry=REGISTRY,
)  # fmt: skip
BRIDGE_LIVE = Gauge(
    "crossmargin_bridge_live_working", "Whether what an operator says of a route is used",
    ["bridge", "source", "destination"], registry=REGISTRY,
)  # fmt: skip
BRIDGE_OBSERVATIONS = Gauge(
    "crossmargin_bridge_observations", "Own transfers that a route's latency law rests on",
    ["bridge", "source", "destination"], registry=REGISTRY,
)  # fmt: skip
ENDPOINT_REQUESTS = Counter(
    "crossmargin_endpoint_requests", "Requests by endpoint (ordinal in the settings) and outcome",
    ["chain", "endpoint", "outcome"], registry=REGISTRY,
)  # fmt: skip
ENDPOINT_SECONDS = Histogram(
    "crossmargin_endpoint_seconds", "Duration of exchanges by endpoint", ["chain", "endpoint"], registry=REGISTRY,
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)  # fmt: skip
ENDPOINT_OPEN = Gauge(
    "crossmargin_endpoint_open", "0 while an endpoint is used, 1 while it is left alone, 0.5 while it is probed",
    ["chain", "endpoint"], registry=REGISTRY,
)  # fmt: skip
ENDPOINT_HEDGES = Counter(
    "crossmargin_endpoint_hedges", "Requests sent to an endpoint because another one was slow",
    ["chain", "endpoint"], registry=REGISTRY,
)  # fmt: skip
SKEW = Gauge("crossmargin_cut_skew_seconds", "Largest timestamp difference inside the cut", registry=REGISTRY)
READ_FAILURES = Counter(
    "crossmargin_read_failures", "Accounts that could not be read", ["venue", "reason"], registry=REGISTRY
)
PRICE_STATUS = Gauge("crossmargin_price_ok", "1 where a price has a mid", ["price_key"], registry=REGISTRY)
CLOCK_OFFSET = Gauge(
    "crossmargin_clock_offset_seconds",
    "Lower bound of a clock's lead over the host's",
    ["clock"],
    registry=REGISTRY,
)
INDEX_BLOCK = Gauge("crossmargin_index_block", "Block indexed last", ["chain"], registry=REGISTRY)
INDEX_LAG_BLOCKS = Gauge(
    "crossmargin_index_lag_blocks", "Blocks between the head and the index", ["chain"], registry=REGISTRY
)
INDEX_LAG_S = Gauge("crossmargin_index_lag_seconds", "Age of the block indexed last", ["chain"], registry=REGISTRY)
INDEX_WORKING = Gauge("crossmargin_index_working", "0 while a chain fails", ["chain"], registry=REGISTRY)
INDEX_LOGS = Counter("crossmargin_index_logs", "Event logs indexed", ["chain"], registry=REGISTRY)
INDEX_UNDECODABLE = Counter(
    "crossmargin_index_undecodable_logs", "Logs not of their signature's shape", ["chain"], registry=REGISTRY
)
INDEX_REORGS = Counter("crossmargin_index_reorgs", "Reorgs taken back", ["chain"], registry=REGISTRY)
INDEX_REORG_DEPTH = Histogram(
    "crossmargin_index_reorg_depth", "Blocks taken back by a reorg", ["chain"], registry=REGISTRY,
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)  # fmt: skip
INDEX_READS = Counter("crossmargin_index_reads", "Dirty accounts read", ["chain", "result"], registry=REGISTRY)
INDEX_SAMPLED = Counter("crossmargin_index_sampled", "Clean accounts read again", ["chain"], registry=REGISTRY)
INDEX_DRIFT = Counter(
    "crossmargin_index_drift", "Defects: accounts that changed without an event", ["chain", "venue"],
    registry=REGISTRY,
)  # fmt: skip
ALERTS = Counter("crossmargin_alerts", "Alerts written", ["type"], registry=REGISTRY)
DELIVERIES = Counter("crossmargin_deliveries", "Delivery attempts", ["receiver", "result"], registry=REGISTRY)
DELIVERY_SECONDS = Histogram(
    "crossmargin_delivery_seconds", "Duration of delivery attempts", ["receiver"], registry=REGISTRY,
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)  # fmt: skip
DELIVERY_BACKLOG = Gauge(
    "crossmargin_delivery_backlog", "Messages that wait for a receiver", ["receiver"], registry=REGISTRY
)
DELIVERY_OLDEST = Gauge(
    "crossmargin_delivery_oldest_seconds", "Age of the oldest message that waits", ["receiver"], registry=REGISTRY
)
RECEIVER_OFF = Gauge(
    "crossmargin_receiver_off", "1 where a receiver is switched off", ["receiver"], registry=REGISTRY
)
LAST_SCAN = Gauge(
    "crossmargin_last_scan_timestamp_seconds", "When the last full scan was stored", registry=REGISTRY
)
STORE_SECONDS = Histogram(
    "crossmargin_store_seconds", "Duration of storing the reports of a cycle", registry=REGISTRY,
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
CLOCK_JUMPS = Counter(
    "crossmargin_clock_jumps", "Times that the host's clock was set", ["direction"], registry=REGISTRY
)
COMPACTED = Counter("crossmargin_compacted_rows", "Rows that retention removed", ["table"], registry=REGISTRY)
WORKERS = Gauge("crossmargin_workers", "Processes that share the portfolios", registry=REGISTRY)
LEASES = Gauge("crossmargin_leases", "Leases that this process holds", ["kind"], registry=REGISTRY)
FENCED = Counter(
    "crossmargin_fenced_reports", "Reports not written because another worker had taken over", registry=REGISTRY
)
