"""The index: which accounts exist at the venues and what their storage holds, kept to the canonical chain.

Events only say whose state to read again. Nothing here reads settings, a clock or a database.
"""
