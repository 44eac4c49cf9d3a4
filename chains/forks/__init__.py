"""Local forks of running chains by anvil: starting them, moving prices on them."""
