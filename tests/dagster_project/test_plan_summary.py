"""A plan as people read it: short whatever the number of shards."""

from climb_assets.config import Config
from climb_assets.graph.estimates import Cost
from climb_assets.graph.planner import Cause, Plan, StaleItem
from dagster_project.plan_summary import describe_plan


def shards_in_order(count: int) -> list[str]:
    return [f"shard-{number:04}" for number in range(count)]


def make_items(asset: str, shards: list[str], cause: Cause, seconds: float | None) -> list[StaleItem]:
    return [StaleItem(asset, shard, (cause,), seconds, True) for shard in shards]


def test_a_thousand_shards_are_as_many_rows_as_reasons(config: Config) -> None:
    shards = shards_in_order(1000)
    grouped = make_items("embeddings", shards[:990], Cause("config", "encoder.max_tokens"), 2.0)
    grouped += make_items("embeddings", shards[990:], Cause("missing", "embeddings"), None)
    inputs = tuple(Cause("data", f"embeddings@{shard}") for shard in shards)
    plan = Plan((*grouped, StaleItem("cluster_model", None, inputs, 5.0, False)))
    text = describe_plan(plan, {}, plan.cost(config))
    assert len(text.splitlines()) == 2 + 3 + 1
    rows = {line.split()[0]: line for line in text.splitlines()[2:5]}
    assert set(rows) == {"embeddings[990", "embeddings[10", "cluster_model"}
    assert "33 minutes" in rows["embeddings[990"] and "config: encoder.max_tokens" in rows["embeddings[990"]
    assert "unknown" in rows["embeddings[10"] and "missing: embeddings" in rows["embeddings[10"]
    assert "data: embeddings (1,000 partitions)" in rows["cluster_model"]
    assert "1000 of 1001 stale for certain" in text


def test_a_few_partitions_are_named(config: Config) -> None:
    plan = Plan(tuple(make_items("embeddings", ["a", "b"], Cause("code", "climb_assets.embeddings.embed"), 1.0)))
    assert "embeddings[a, b]  yes" in describe_plan(plan, {}, plan.cost(config))


def test_a_partition_with_a_reason_of_its_own_has_a_row_of_its_own(config: Config) -> None:
    same, own = Cause("code", "climb_assets.embeddings.embed"), Cause("data", "corpus_shards@b")
    plan = Plan(
        (StaleItem("embeddings", "a", (same,), 1.0, True), StaleItem("embeddings", "b", (same, own), 1.0, True))
    )
    text = describe_plan(plan, {}, plan.cost(config))
    assert "embeddings[a]" in text and "embeddings[b]" in text and "data: corpus_shards@b" in text


def test_a_plan_in_words(config: Config) -> None:
    many = tuple(Cause("config", f"clusters.key_{number}") for number in range(5))
    items = (
        StaleItem("embeddings", "a", (Cause("config", "encoder.max_tokens"),), 12.34, True),
        StaleItem("domains", None, many, None, False),
    )
    text = describe_plan(Plan(items), {}, Plan(items).cost(config))
    assert "embeddings[a]" in text and "config: encoder.max_tokens" in text and "12 s" in text
    assert "perhaps" in text and "and 2 more" in text and "unknown" in text
    assert text.endswith(
        "1 of 2 stale for certain; about 12 s for what was measured here before, not known for domains"
    )
    assert describe_plan(Plan(()), {}, Cost(0, (), 0)) == "Nothing is stale."


def test_a_plan_tells_whether_to_search_on() -> None:
    told = {"general": "another 3 proxies: expected gain 0.0100 bits per byte, not below the noise 0.0020: go on"}
    text = describe_plan(Plan(()), told, Cost(0, (), 0))
    assert text == f"Nothing is stale.\nAnother iteration for general? {told['general']}."
