"""JSON-RPC, Multicall3 and ABI codec: the only place that speaks to endpoints."""
