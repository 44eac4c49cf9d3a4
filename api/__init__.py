"""The outward faces: HTTP, command line, demo."""
