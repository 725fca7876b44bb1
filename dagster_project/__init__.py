"""CLIMB on Dagster: how the assets are run. What they compute belongs to `climb_assets`."""
