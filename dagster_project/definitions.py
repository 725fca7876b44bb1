"""The code location that workspace.yaml names: what the web server and the daemon load."""

import warnings

import dagster as dg

from climb_assets.graph.materializer import Materializer
from dagster_project.build import build_definitions
from dagster_project.private_files import load_privately
from dagster_project.sqlite_engines import keep_engines

warnings.filterwarnings("ignore", category=dg.BetaWarning)

keep_engines()
defs = build_definitions(Materializer(load_privately()))
