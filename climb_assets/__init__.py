"""CLIMB as a library: what is computed. Folders are stages; nothing in it knows Dagster."""

import climb_assets.executor.process_start  # noqa: F401, before anything else of the package
