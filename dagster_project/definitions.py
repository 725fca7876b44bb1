"""The code location that workspace.yaml names: what the web server and the daemon load."""

import warnings

import dagster as dg

from climb_assets.graph.materializer import Materializer
from dagster_project.build import build_definitions
from dagster_project.private_files import load_privately

warnings.filterwarnings("ignore", category=dg.BetaWarning)

defs = build_definitions(Materializer(load_privately()))
