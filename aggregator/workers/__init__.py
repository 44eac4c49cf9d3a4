"""Several processes that share one service: who looks at which portfolio, follows which chain, asks how often."""
