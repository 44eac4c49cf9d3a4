"""The command line ``crossmargin``."""
