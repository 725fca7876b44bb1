"""A search whose models people train, and what it asks."""

from dataclasses import replace

import pytest

from climb_assets.config import Config
from climb_assets.graph.materializer import Materializer
from climb_assets.search.questions import Asked, Question, put_questions
from climb_assets.simplex.mixtures import mixture_key

WEIGHTS = ((0.5, 0.5, 0.0), (0.2, 0.3, 0.5))


def question(number: int) -> Question:
    """Return one of two questions."""
    weights = WEIGHTS[number]
    return Question(f"id{number}", mixture_key(weights), 0, 7, weights, ("one", "two"), "version")


ASKED = Asked(
    "proxies", ("sea", "hill", "plain, wide"), {"tokens": 1024}, "search", {}, (question(0), question(1)), search=""
)
SECOND = replace(ASKED, what="confirmation", questions=(question(1),))


@pytest.fixture
def asking_config(config: Config) -> Config:
    """Return the configuration of a project whose proxies people train."""
    return config.model_copy(update={"proxy": config.proxy.model_copy(update={"trainer": "ask"})})


@pytest.fixture
def climb(asking_config: Config) -> Materializer:
    """Return the materializer of a project in which two models are asked for."""
    climb = Materializer(asking_config)
    put_questions(climb.store, ("proxy_results", "iteration-01"), ASKED)
    return climb
