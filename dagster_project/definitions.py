"""The code location that workspace.yaml names: what the web server and the daemon load."""

import warnings

import dagster as dg

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from dagster_project.build import build_definitions
from dagster_project.private_files import keep_private

warnings.filterwarnings("ignore", category=dg.BetaWarning)

config = load_config()
keep_private(config)
defs = build_definitions(Materializer(config))
