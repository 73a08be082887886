"""Traces in a browser: pages made here, in Python, that fetch nothing from anywhere."""
