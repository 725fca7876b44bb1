from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.config_training import Training
from climb_assets.errors import ComputeError
from climb_assets.training.sequence_plan import SequencePlan, Stream, plan_sequences, simulate_supply
from climb_assets.training.token_index import TrainingIndex

MakeTraining = Callable[..., Training]


def sequences_of(plan: SequencePlan) -> np.ndarray:
    return np.concatenate([plan.batch(step) for step in range(plan.steps)])


def test_realised_tokens_follow_the_weights(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training(tokens=6400)
    plan = plan_sequences(index, (0.55, 0.25, 0.2), training, seed=1)
    assert plan.realised.tolist() == [55 * 64, 25 * 64, 20 * 64]
    assert plan.epochs.tolist() == pytest.approx([3520 / 1200, 1600 / 240, 1280 / 40])
    domain_of_token = (sequences_of(plan) - 1) // 90  # see conftest: each domain has its own range
    used = [(domain_of_token == domain).any(axis=1).sum() for domain in range(3)]
    assert used == [220, 100, 80]


def test_tokens_round_up_to_whole_steps(index: TrainingIndex, make_training: MakeTraining) -> None:
    plan = plan_sequences(index, (1, 0, 0), make_training(tokens=65), seed=1)
    assert plan.steps == 2
    assert plan.batch(1).shape == (4, 17)
    assert plan.batch(1).dtype == np.int64


def test_an_epoch_predicts_every_token_once(index: TrainingIndex, make_training: MakeTraining) -> None:
    plan = plan_sequences(index, (0, 1, 0), make_training(tokens=240, sequence=24, batch=5), seed=3)
    documents = [index.tokens[shard][start : start + length] for _, shard, start, length in index.documents(1)]
    assert plan.epochs.tolist() == [0, 1, 0]
    seen = np.concatenate(
        [sequences_of(plan)[:, 1:].ravel(), [0]]
    )  # the very first token, of one document, is context only
    supply = np.concatenate(documents)
    missing = np.bincount(supply, minlength=300) - np.bincount(seen[:-1], minlength=300)
    assert missing.sum() == 0
    assert np.abs(missing).sum() <= 2  # the first token of this epoch is traded for the first of the next


def test_a_plan_depends_on_its_seed_alone(index: TrainingIndex, make_training: MakeTraining) -> None:
    plans = [plan_sequences(index, (0.5, 0.3, 0.2), make_training(), seed) for seed in (1, 1, 2)]
    one, same, other = map(sequences_of, plans)
    assert (one == same).all()
    assert not (one == other).all()


def places_of(plan: SequencePlan) -> dict[tuple[int, int], int]:
    """Return the step at which each sequence of each domain is read."""
    return {(domain, number): row // plan.batch_size for row, (domain, number) in enumerate(plan.slots.tolist())}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("weight", "moved"), [(0.3, 0.0), (0.5, 0.05), (0.7, 0.1)])
def test_mixtures_of_one_seed_read_what_they_share_at_like_steps(
    index: TrainingIndex, make_training: MakeTraining, seed: int, weight: float, moved: float
) -> None:
    training = make_training(tokens=6400)
    mixtures = [(weight, 0.9 - weight, 0.1), (weight + moved, 0.9 - weight - moved, 0.1)]
    one, other = (plan_sequences(index, mixture, training, seed) for mixture in mixtures)
    first, second = places_of(one), places_of(other)
    shared = first.keys() & second.keys()
    assert len(shared) >= 400 * (1 - moved) - 1
    assert max(abs(first[sequence] - second[sequence]) for sequence in shared) <= 2  # of 100 steps
    for domain in one.streams.keys() & other.streams.keys():  # and they are the same text
        common = min(len(one.streams[domain].spans), len(other.streams[domain].spans)) - 1
        assert (one.streams[domain].spans[:common] == other.streams[domain].spans[:common]).all()


@pytest.mark.parametrize("seed", range(5))
def test_every_stretch_of_a_run_has_the_shares_of_the_mixture(
    index: TrainingIndex, make_training: MakeTraining, seed: int
) -> None:
    plan = plan_sequences(index, (0.55, 0.25, 0.2), make_training(tokens=6400), seed)
    for quarter in np.split(plan.slots[:, 0], 4):
        assert np.bincount(quarter, minlength=3) == pytest.approx([55, 25, 20], abs=2)


@pytest.mark.parametrize("weights", [(0.5, 0.5), (1.5, -0.5, 0), (0, 0, 0), (float("nan"), 0.5, 0.5)])
def test_what_is_no_mixture_is_refused(
    index: TrainingIndex, make_training: MakeTraining, weights: tuple[float, ...]
) -> None:
    with pytest.raises(ComputeError, match="needs 3 weights"):
        plan_sequences(index, weights, make_training(), seed=1)


@given(data=st.data())
def test_a_stream_reads_what_its_documents_hold(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=20))
    starts = np.cumsum([0, *lengths])
    spans = np.array([[0, number % 2, int(starts[number]), length] for number, length in enumerate(lengths)])
    tokens = (np.arange(starts[-1]), np.arange(starts[-1]) + 1000)
    whole = np.concatenate([tokens[shard][start : start + length] for _, shard, start, length in spans])
    first = data.draw(st.integers(0, len(whole) - 1))
    count = data.draw(st.integers(1, len(whole) - first))
    assert Stream(spans, starts[:-1]).read(tokens, first, count).tolist() == whole[first : first + count].tolist()


@pytest.mark.parametrize("weights", [(0.5, 0.4, 0.1), (0.05, 0.05, 0.9)])
def test_a_proxy_repeats_a_domain_as_often_as_the_target(
    index: TrainingIndex, make_training: MakeTraining, weights: tuple[float, ...]
) -> None:
    training, target = make_training(tokens=640), 6400
    supply = simulate_supply(index, training, target, seed=5)
    plan = plan_sequences(index, weights, training, 1, supply)
    # A sequence is 1/40 of the proxy's tokens, and the smallest domain keeps 4 of its 40 tokens.
    assert plan.epochs == pytest.approx(np.array(weights) * target / index.supply, rel=0.2, abs=0.5)
    assert [int(part[:, 3].sum()) for part in supply] == [120, 24, 4]
    kept = {tuple(span[:3]) for part in supply for span in part.tolist()}
    assert kept <= {tuple(span[:3]) for span in index.spans.tolist()}


def test_a_target_as_large_as_the_training_leaves_the_supply_whole(
    index: TrainingIndex, make_training: MakeTraining
) -> None:
    parts = simulate_supply(index, make_training(tokens=640), 640, seed=5)
    assert [int(part[:, 3].sum()) for part in parts] == index.supply.tolist()
