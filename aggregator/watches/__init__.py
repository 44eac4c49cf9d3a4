"""Watches: rules over published figures, what they remember, and the alerts that come of them."""
