"""Fuzzing: what strangers' files, settings and names may do to the product. `python -m tests.fuzz --help`."""
