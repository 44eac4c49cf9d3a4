"""Errors that people make with the devnet; light to import, unlike the modules that raise them.

DevnetError
├── AlreadyUp     a devnet of this folder is running
└── NoSuchStep    the tape has no step of that name
"""


class DevnetError(Exception):
    """Base of the errors of this module; each message says what to do."""


class AlreadyUp(DevnetError):
    """A devnet of this folder is running; says how to end it."""


class NoSuchStep(DevnetError, ValueError):
    """A name that is not a step; lists those that are."""
