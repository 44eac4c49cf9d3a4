"""Margin models of venues and clearing houses behind one protocol: ``MarginModel.margin(book) -> Margin``.

``MODELS`` names what ships; a parameter set is a file in ``risk/data``, so another calibration of the same model
is one argument, not a class.
"""
