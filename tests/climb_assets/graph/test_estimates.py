"""What work will cost: scaled where it scales, unknown where nobody has measured it."""

from pathlib import Path
from statistics import median

import pytest
import yaml

from climb_assets.config import Config
from climb_assets.config_file import load_config
from climb_assets.config_training import Training
from climb_assets.graph.estimates import Cost, Estimates, Models, add_up, measure_scoring, models_of
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.graph.speeds import Speed, Speeds, embedding_key, training_key
from climb_assets.sizes import SIZES


@pytest.fixture
def paper(tmp_path: Path) -> Config:
    (tmp_path / "climb.yaml").write_text("profile: paper\n")
    return load_config(tmp_path / "climb.yaml")


def with_profile(finished: Path, tmp_path: Path, **settings: object) -> Config:
    """Return another configuration over the lake of a finished project."""
    path = tmp_path / "climb.yaml"
    path.write_text(yaml.safe_dump({"lake": str(finished / "data_lake"), **settings}))
    return load_config(path)


def test_work_is_tokens_times_parameters_of_whole_steps() -> None:
    training = Training(size="350M", tokens=1001, batch=10, sequence=100, learning_rate=1e-3, snapshots=(0.5,))
    parameters = SIZES["350M"].parameters + 8192 * 960
    models = Models(3, training, tasks=5)
    assert models.work(8192, 0.0) == 3 * 2000 * parameters
    assert models.work(8192, 10.0) == 3 * (2000 + 2 * 5 * 10) * parameters  # at the snapshot and at the end
    assert models.bytes(8192) == 3 * 2 * 4 * parameters


def test_the_models_of_the_paper_are_counted(paper: Config) -> None:
    counts = [sum(one.count for one in models_of("proxy_results", f"iteration-0{n}", paper)) for n in (1, 2, 3)]
    assert counts == [64 + 2 * 2, 32, 16]  # two anchors with two further seeds
    assert models_of("confirmation_results", "general", paper) == []  # the published choice trains nothing
    assert models_of("proxy_fidelity", None, paper) == []
    (targets,) = models_of("target_comparison", "general", paper)
    assert (targets.count, targets.training.size) == (4 * 3, "1B")


def test_models_that_all_objectives_share_count_once(tmp_path: Path) -> None:
    path = tmp_path / "climb.yaml"
    path.write_text("profile: smoke\nbaselines: {mixtures: [uniform, proportional, unimax, regmix, climb]}\n")
    config = load_config(path)

    def count(asset: str, objective: str) -> int:
        return sum(one.count for one in models_of(asset, objective, config))

    seeds = len(config.target.seeds)
    assert count("target_comparison", "general") == 6 * seeds  # the answer and five baselines
    assert count("target_comparison", "science") == 3 * seeds  # uniform, proportional and UniMax are the same mixtures
    budget = sum(config.search.iterations)
    assert [count("baseline_mixtures", name) for name in config.objectives] == [2 * budget, budget]  # one random swarm
    assert count("confirmation_results", "general") - count("confirmation_results", "science") == (
        3 * config.search.choice.seeds
    )


def test_the_rate_is_that_of_the_models_nearest_in_size(finished_once: Path, tmp_path: Path) -> None:
    """A large model keeps a core busier than a small one: at the rate of proxies, targets would seem to take hours."""
    materializer = Materializer(load_config(finished_once / "climb.yaml"))
    config, store = materializer.config, materializer.store
    rates: dict[int, list[float]] = {}
    for model in store.all_of("proxy_models"):
        rate = model.run["tokens_per_second"] * model.summary["parameters"] / model.run["threads"]
        rates.setdefault(model.summary["parameters"], []).append(rate)
    proxy, target = (median(rates[size]) for size in sorted(rates))
    node = ("target_comparison", "general")
    many = with_profile(finished_once, tmp_path, profile="smoke", target={"training": {"tokens": 10**9}})
    seconds = Estimates(many, store, {node: None}).seconds(node, changed=True)
    assert seconds == pytest.approx(models_of(*node, many)[0].work(512, 0.0) / target, rel=1e-6)
    assert config.runtime.workers == 1 and proxy != target


def test_what_was_never_measured_is_unknown(paper: Config) -> None:
    materializer = Materializer(paper)
    node = ("proxy_results", "iteration-01")
    estimates = Estimates(paper, materializer.store, {node: None, ("domains", None): None})
    assert estimates.seconds(node, changed=False) is None
    assert estimates.seconds(("domains", None), changed=False) is None
    cost = add_up([(*node, None), ("domains", None, 3.0)], paper)
    assert cost.unknown == ("proxy_results",) and cost.seconds == 3
    assert cost.model_bytes == models_of(*node, paper)[0].bytes(paper.tokenizer.vocabulary)
    assert "not known for proxy_results" in cost.in_words() and "GB of models" in cost.in_words()
    assert Cost(0, ("domains",), 0).in_words() == "time unknown, not known for domains"


def test_what_has_no_model_to_train_takes_no_time(paper: Config) -> None:
    fidelity, choice = ("proxy_fidelity", None), ("confirmation_results", "general")  # neither trains any as published
    estimates = Estimates(paper, Materializer(paper).store, {fidelity: None, choice: None})
    assert [estimates.seconds(node, changed=False) for node in (fidelity, choice)] == [0.0, 0.0]


def test_before_anything_was_made_it_is_what_check_measured(finished_once: Path, tmp_path: Path) -> None:
    made = Materializer(load_config(finished_once / "climb.yaml"))
    config = with_profile(tmp_path, tmp_path, profile="smoke")
    documents, store = made.store.current("corpus_shards", "first.jsonl"), Materializer(config).store
    assert documents is not None
    shard, search = ("embeddings", "first.jsonl"), ("proxy_results", "iteration-01")
    nodes = {("corpus_shards", "first.jsonl"): documents, shard: None, search: None}
    assert [Estimates(config, store, nodes).seconds(node, changed=False) for node in (shard, search)] == [None, None]
    training = {training_key(config, config.proxy): Speed(1e-4, 3e-4)}
    Speeds({embedding_key(config): Speed(0.5, 1.5)}, training, scoring_tokens=10.0).save(config.lake)
    estimates = Estimates(config, store, nodes)
    assert estimates.seconds(shard, changed=False) == documents.summary["kept"]  # a second each
    (models,) = models_of(*search, config)
    tokens = models.count * (config.proxy.trained_tokens + models.points * models.tasks * 10)
    assert estimates.seconds(search, changed=False) == pytest.approx(tokens * 2e-4, abs=0.05)
    wider = with_profile(tmp_path, tmp_path, profile="smoke", proxy={"hidden": 64})
    assert Estimates(wider, store, nodes).seconds(search, changed=True) is None  # of such a model nothing is known


def test_larger_models_cost_what_their_size_says(finished_once: Path, tmp_path: Path) -> None:
    small = with_profile(finished_once, tmp_path, profile="smoke")
    proxy, mixture = {"size": "350M", "tokens": 100_000_000}, {"tokens": 10**9}
    large = with_profile(finished_once, tmp_path, profile="smoke", proxy=proxy, mixture=mixture)
    node = ("proxy_results", "iteration-01")

    def estimate(config: Config) -> float:
        store = Materializer(config).store
        seconds = Estimates(config, store, {node: store.current(*node)}).seconds(node, changed=True)
        assert seconds is not None
        return seconds

    ratio = models_of(*node, large)[0].work(512, 0.0) / models_of(*node, small)[0].work(512, 0.0)
    assert estimate(large) > 3600 * 24
    assert estimate(large) / max(estimate(small), 0.05) <= ratio * 2


def test_scoring_is_measured_in_tokens_of_training_for_one_task_at_one_point() -> None:
    run = {"tokens_per_second": 1000.0}
    assert measure_scoring([(12.0, run, 6)]) == {"scoring_tokens": 2000.0}  # three tasks at two points
    assert measure_scoring([(12.0, run, 6), (0.0, {}, 6), (18.0, run, 6)]) == {"scoring_tokens": 2000.0}


def test_scoring_counts_as_it_was_measured(finished_once: Path) -> None:
    """Of small proxies it takes most of the time, so that training alone would promise far too little."""
    materializer = Materializer(load_config(finished_once / "climb.yaml"))
    config, store = materializer.config, materializer.store
    node = ("proxy_results", "iteration-01")
    made = store.current(*node)
    assert made is not None
    (models,) = models_of(*node, config)
    measured = made.run["scoring_tokens"]
    scored = [item.run["seconds"] for item in store.all_of("proxy_scores")]
    assert measured > 0 and len(scored) and min(scored) > 0
    estimate = Estimates(config, store, {node: made}).seconds(node, changed=True)
    without = Estimates(config, store, {node: None}).seconds(node, changed=True)
    assert estimate is not None and without is not None
    shares = models.work(512, measured) / models.work(512, 0.0)
    assert estimate == pytest.approx(without * shares, abs=0.1 * (1 + shares))


def test_carrying_evidence_costs_the_scoring_of_the_models_that_can_be_carried(
    finished_once: Path, tmp_path: Path
) -> None:
    nodes = [("carried_evidence", None), ("training_tokens", None), ("proxy_results", "iteration-01")]

    def estimate(tasks: int, *, renewed: bool = True, **settings: object) -> float:
        names = {f"task_{number}": {"kind": "text", "sources": ["first"], "documents": 8} for number in range(tasks)}
        config = with_profile(
            finished_once, tmp_path, profile="smoke", tasks=names, objectives={"general": {"task_0": 1}}, **settings
        )
        store = Materializer(config).store
        current = {node: store.current(*node) for node in nodes}
        seconds = Estimates(config, store, current).seconds(nodes[0], changed=False, renewed=renewed)
        assert seconds is not None
        return seconds

    once = estimate(500)
    assert once > 1 and estimate(1000) == pytest.approx(2 * once, rel=0.1)
    as_last_time = estimate(500, search={"carry": False})
    assert as_last_time < once
    assert estimate(500, renewed=False) == as_last_time  # all models there are, are of this search
    assert estimate(500, proxy={"hidden": 24}) == as_last_time  # no model of that training is kept


def test_a_setting_that_nobody_tried_makes_its_asset_unknown(finished_once: Path) -> None:
    materializer = Materializer(load_config(finished_once / "climb.yaml"))
    store, node = materializer.store, ("cluster_model", None)
    estimates = Estimates(materializer.config, store, {node: store.current(*node)})
    assert estimates.seconds(node, changed=True) is None
    assert estimates.seconds(node, changed=False) is not None
    assert make_plan(materializer).cost(materializer.config) == Cost(0, (), 0)
