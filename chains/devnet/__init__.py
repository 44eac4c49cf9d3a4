"""Four local chains with real protocol bytecode, a cast of portfolios and a market tape."""
