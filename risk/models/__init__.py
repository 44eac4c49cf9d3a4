"""Margin models of venues and clearing houses behind one protocol: ``MarginModel.margin(book) -> Margin``.

``registry.MODELS`` names what ships. A parameter set is a file in ``risk/data``: another calibration of a model is
one argument, not a class.
"""
