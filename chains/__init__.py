"""EVM access: transport, block references, venue readers, devnet."""
