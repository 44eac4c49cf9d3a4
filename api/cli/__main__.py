"""``python -m api.cli`` is ``crossmargin``."""

from api.cli.main import main

main()
