"""Equal work has one name, and mixtures of one repeat share what chance decides."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from climb_assets.config import Runtime
from climb_assets.config_training import Training
from climb_assets.training.proxy_orders import Conditions, Proxy, ProxyOrders, TrainingData

MakeTraining = Callable[..., Training]
ONE, TWO = (0.5, 0.3, 0.2), (0.1, 0.1, 0.8)


@pytest.fixture
def orders(tokenizer: Path, make_training: MakeTraining) -> ProxyOrders:
    conditions = Conditions(
        vocabulary=300,
        tokenizer=tokenizer,
        search_seed=7,
        target_tokens=2560,
        start=None,
        train_code={"train": "1"},
        evaluate_code={"evaluation": "1"},
        runtime=Runtime(),
    )
    return ProxyOrders(TrainingData("version", Path(), {}), conditions, make_training(), {}, Proxy(ONE))


def seeds_of(orders: ProxyOrders) -> tuple[int, int]:
    config = orders.of_model().config
    return config["seed"], config["supply"]["seed"]


def test_mixtures_of_one_repeat_share_their_seeds_and_are_different_work(orders: ProxyOrders) -> None:
    other = replace(orders, proxy=Proxy(TWO))
    assert seeds_of(orders) == seeds_of(other)
    assert orders.of_model().fingerprint != other.of_model().fingerprint


def test_another_repeat_or_search_has_other_seeds(orders: ProxyOrders) -> None:
    repeat = replace(orders, proxy=Proxy(ONE, 1))
    search = replace(orders, conditions=replace(orders.conditions, search_seed=8))
    known = [seeds_of(one) for one in (orders, repeat, search)]
    assert len({seed for pair in known for seed in pair}) == 6


def test_what_does_not_decide_a_model_is_not_in_its_order(orders: ProxyOrders) -> None:
    faster = replace(orders.conditions, runtime=Runtime(workers=1), tokenizer=Path("elsewhere"))
    assert replace(orders, conditions=faster).of_model() == orders.of_model()
    assert replace(orders, data=TrainingData("version", Path("moved"), {})).of_model() == orders.of_model()
    assert replace(orders, data=TrainingData("newer", Path(), {})).of_model() != orders.of_model()


def test_only_simulated_epochs_depend_on_the_targets_tokens(orders: ProxyOrders, make_training: MakeTraining) -> None:
    larger = replace(orders.conditions, target_tokens=5120)
    assert replace(orders, conditions=larger).of_model() != orders.of_model()
    plain = replace(orders, training=make_training(simulate_epochs=False))
    assert replace(plain, conditions=larger).of_model() == plain.of_model()
