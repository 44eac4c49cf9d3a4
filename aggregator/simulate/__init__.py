"""What-if: the margin of a portfolio as it would be, by the code that makes the real reports."""
