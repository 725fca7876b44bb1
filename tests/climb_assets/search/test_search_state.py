"""The search space follows the lake's domains, and runs that a user brings are rows of iteration 0."""

from dataclasses import replace

import numpy as np
import pytest

from climb_assets.config_file import load_config
from climb_assets.errors import ComputeError, ConfigError
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.search.assets import mixture_candidates, predictor_state
from climb_assets.search.evidence import evidence_left_out, read_evidence
from climb_assets.search.history import History
from climb_assets.search.proposal import propose_first, read_candidates
from climb_assets.search.search_state import deciding_tasks, propose_further, read_knowledge, read_space
from climb_assets.search.swarm_table import write_swarm
from climb_assets.simplex.limits import discount_repeats, divergence
from climb_assets.simplex.mixtures import mixture_key
from climb_assets.store.artifacts import Draft, Order
from climb_assets.tables import read_table


@pytest.fixture
def config(finished_once):
    return load_config(finished_once / "climb.yaml")


def searched(config, **changes):
    """Return the finished lake's materializer under other settings of the search."""
    return Materializer(config.model_copy(update={"search": config.search.model_copy(update=changes)}))


def begin(materializer):
    return read_evidence(materializer, read_space(materializer))


def limited(config, **changes):
    return searched(config, limits=config.search.limits.model_copy(update=changes))


def draft(folder):
    return Draft(folder, Order("any", None, {}, {}, {}))


def bring(folder, space, mixtures, losses):
    """Write runs as a user brings them, and return the folder."""
    rows = History.of_own(
        [mixture_key(mixture) for mixture in mixtures],
        0,
        mixtures,
        losses,
        np.zeros(len(mixtures), dtype=bool),
    )
    folder.mkdir()
    write_swarm(folder, rows, space.names)
    return folder


def test_the_space_is_that_of_the_lakes_domains(config):
    materializer = Materializer(config)
    space = read_space(materializer)
    domains = read_table(materializer.get("domain_supply").file("supply.parquet")).to_pylist()
    assert space.names == tuple(row["name"] for row in domains)
    assert space.prior.sum() == pytest.approx(1)
    epochs = config.mixture.max_epochs * space.supply / config.mixture.tokens
    np.testing.assert_allclose(space.limits.ceiling, np.minimum(np.minimum(15 * space.prior, epochs), 1))
    pool = space.draw()
    assert space.limits.kept_by(pool).all()
    np.testing.assert_allclose(pool.sum(axis=1), 1)
    np.testing.assert_array_equal(pool, space.draw())


def test_a_domain_is_limited_by_its_name(config):
    name = read_space(Materializer(config)).names[1]
    space = read_space(limited(config, ceilings={name: 0.25}, floor=0.05))
    pool = space.draw()
    assert space.limits.ceiling[1] == 0.25
    assert pool[:, 1].max() <= 0.25 and pool.min() >= 0.05
    with pytest.raises(ConfigError, match="'law', which is no domain; name one of"):
        read_space(limited(config, ceilings={"law": 0.5}))
    with pytest.raises(ComputeError, match=r"less than 1; raise .*mixture\.max_epochs"):
        read_space(
            Materializer(config.model_copy(update={"mixture": config.mixture.model_copy(update={"tokens": 10**9})}))
        )


def test_distance_from_the_prior_costs_what_is_configured(config):
    space = read_space(limited(config, divergence=0.5))
    pool = space.draw()[:20]
    np.testing.assert_array_equal(space.penalty(pool), 0.5 * divergence(pool, space.prior))
    assert not read_space(Materializer(config)).penalty(pool).any()


def test_what_was_brought_along_is_not_proposed_again(config, tmp_path):
    space = read_space(Materializer(config))
    without = [candidate.key for candidate in propose_first(space.draw(), 4, config.search)]
    mixtures = np.array([candidate.weights for candidate in propose_first(space.draw(), 30, config.search)])
    losses = {task: np.linspace(3, 4, len(mixtures)) for task in deciding_tasks(config)}
    materializer = searched(config, evidence=bring(tmp_path / "swarm", space, mixtures, losses))
    mixture_candidates(materializer, "iteration-01", draft(tmp_path))
    proposed = {candidate.key for candidate in read_candidates(tmp_path / "candidates.parquet")}
    assert set(without) <= {mixture_key(mixture) for mixture in mixtures}
    assert len(proposed) == 4 and not proposed & {mixture_key(mixture) for mixture in mixtures}


def test_what_evidence_taught_proposes_half_of_the_first_candidates(config, tmp_path):
    space = read_space(Materializer(config))
    mixtures = space.draw()[:40]
    losses = dict.fromkeys(deciding_tasks(config), 3 + mixtures[:, 0])  # less of the first domain is better
    materializer = searched(config, evidence=bring(tmp_path / "swarm", space, mixtures, losses))
    mixture_candidates(materializer, "iteration-01", draft(tmp_path))
    candidates = read_candidates(tmp_path / "candidates.parquet")
    foretold = [candidate for candidate in candidates if candidate.predicted is not None]
    assert len(candidates) == 4 and candidates[2:] == foretold
    assert max(candidate.weights[0] for candidate in foretold) <= np.quantile(space.draw()[:, 0], 0.1)


def test_few_rows_of_evidence_propose_nothing(config, tmp_path):
    space = read_space(Materializer(config))
    losses = {task: np.array([3.0, 4.0]) for task in deciding_tasks(config)}
    materializer = searched(config, evidence=bring(tmp_path / "swarm", space, space.draw()[:2], losses))
    mixture_candidates(materializer, "iteration-01", draft(tmp_path))
    assert all(candidate.predicted is None for candidate in read_candidates(tmp_path / "candidates.parquet"))


def test_rows_that_are_not_believed_are_no_mark_to_beat(known):
    history = known.history
    best = int(np.nanargmin(history.objective(known.space.config.objectives["general"])))
    doubted = history.believed_as(np.where(np.arange(len(history.keys)) == best, 0.1, 1.0))
    assert not replace(known, history=doubted).marks[best]
    around = replace(known, history=doubted).around["general"]
    assert mixture_key(around) != history.keys[best]


def test_what_was_brought_along_is_iteration_0(config, tmp_path):
    space, done = read_space(Materializer(config)), Materializer(config).get("mixture_candidates", "iteration-01")
    own = {candidate.key for candidate in read_candidates(done.file("candidates.parquet"))}
    mixtures = np.array([mixture for mixture in space.draw() if mixture_key(mixture) not in own][:30])
    losses = {"first_text": 3 + mixtures[:, 0], "second_text": 3 + mixtures[:, 1], "other": mixtures[:, 2]}
    materializer = searched(config, evidence=bring(tmp_path / "swarm", space, mixtures, losses))
    predictor_state(materializer, "iteration-01", draft(tmp_path))
    history = History.load(tmp_path / "history.parquet")
    assert history.iteration.tolist() == [0] * 30 + [1] * 4
    assert set(history.losses) == {"first_text", "second_text"}
    np.testing.assert_array_equal(history.weights[:30], mixtures)
    np.testing.assert_array_equal(history.losses["first_text"][:30], losses["first_text"])


def test_what_cannot_be_used_of_the_evidence_is_told(config, tmp_path):
    space = read_space(Materializer(config))
    mixtures = space.draw()[:20]
    losses = {task: np.linspace(3, 4, 20) for task in ("first_text", "second_text")}
    losses["first_text"][3] = np.nan
    materializer = searched(config, evidence=bring(tmp_path / "swarm", space, mixtures, losses))
    made = draft(tmp_path)
    predictor_state(materializer, "iteration-01", made)
    assert made.summary["evidence"] == 19
    assert (
        made.summary["evidence_left_out"]
        == {mixture_key(mixtures[3]): "its first_text is not a finite number"}
        == evidence_left_out(materializer.config, space.names)
    )


def test_evidence_that_does_not_fit_is_refused(config, tmp_path):
    space = read_space(Materializer(config))
    mixtures = space.draw()[:5]
    lacking = bring(tmp_path / "lacking", space, mixtures, {"first_text": np.ones(5)})
    with pytest.raises(ConfigError, match="no metric second_text"):
        begin(searched(config, evidence=lacking))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="is not a swarm table"):
        begin(searched(config, evidence=tmp_path / "empty"))


@pytest.fixture
def known(config):
    materializer = Materializer(config)
    return read_knowledge(read_space(materializer), materializer.get("predictor_state", iteration_keys(config)[-1]))


def test_knowledge_is_what_the_state_holds(known, config):
    measured = known.history.objective(config.objectives["general"])
    np.testing.assert_array_equal(known.around["general"], known.history.weights[np.nanargmin(measured)])
    predicted = known.predict["general"](known.history.weights).mean
    assert known.best["general"] == predicted.min()
    certain = known.predict_worth("general", known.history.weights)
    said = known.predict["general"](known.history.weights)
    assert known.noise["general"] > 0
    np.testing.assert_array_equal(certain.mean, said.mean)
    expected = np.sqrt(np.maximum(said.deviation**2 - known.noise["general"] ** 2, 0))
    np.testing.assert_allclose(certain.deviation, expected)
    by_task = known.predict_tasks(known.history.weights)
    np.testing.assert_allclose((by_task["first_text"] + by_task["second_text"]) / 2, predicted)


def test_a_further_iteration_tries_what_is_new(known):
    candidates = propose_further(known, known.space.draw(), 6, 4)
    keys = [candidate.key for candidate in candidates]
    assert len(set(keys)) == 6 and not set(keys) & set(known.history.keys)
    assert {candidate.objective for candidate in candidates} == {"general", "science"}


def test_repeats_are_discounted_in_what_is_predicted(config, known):
    state = Materializer(config).get("predictor_state", iteration_keys(config)[-1])
    discounting = read_knowledge(read_space(limited(config, repetition_scale=0.5)), state)
    space, budget = known.space, config.mixture.tokens
    pool = space.draw()
    repeats = (pool * budget > space.supply).any(axis=1)
    assert repeats.any() and not repeats.all()
    worth = discount_repeats(pool, space.supply, budget, 0.5)
    for objective, predict in known.predict.items():
        discounted = discounting.predict[objective](pool).mean
        np.testing.assert_array_equal(discounted, predict(worth).mean)
        np.testing.assert_allclose(discounted[~repeats], predict(pool).mean[~repeats])
        np.testing.assert_allclose(discounting.surcharge(objective, pool), discounted - predict(pool).mean)
        assert not known.surcharge(objective, pool).any()


def test_distance_from_the_prior_is_part_of_what_is_ranked_and_of_the_mark_to_beat(config, known):
    state = Materializer(config).get("predictor_state", iteration_keys(config)[-1])
    penalised = read_knowledge(read_space(limited(config, divergence=0.5)), state)
    tried = known.history.weights
    expected = 0.5 * divergence(tried, known.space.prior)
    np.testing.assert_allclose(penalised.surcharge("general", tried), expected)
    assert penalised.best["general"] == (known.predict["general"](tried).mean + expected).min()
