"""CLIMB as a library: what is computed. Folders are stages; only `assets.py` and `partitions.py` know Dagster."""
