"""Errors of the risk layer.

RiskInputError (ValueError)   an array, an index or an argument is unusable: names it, the place and the bound
└── ParameterError            a value of a parameter file is out of its bounds: names the file's key

Nothing here is caught inside this package: a number that cannot be computed is never replaced.
"""


class RiskInputError(ValueError):
    """An input is unusable; the message names the array, the index, the value and the bound."""


class ParameterError(RiskInputError):
    """A value of a parameter file is missing, unknown or out of bounds."""
