"""The verdict claims no more than the seeds show, and of what it claims at least 95 % is true."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel

from climb_assets.errors import ComputeError
from climb_assets.search.confidence import (
    best_baseline,
    choose_answer,
    compare_with_all,
    compared_noise,
    conclude,
    judge,
    mean_interval,
    probability_best,
)
from climb_assets.search.item_sampling import ItemLosses, no_item_noise
from climb_assets.search.noise import SeedNoise, TableNoise
from climb_assets.search.seed_table import tabulate_items, tabulate_seeds

OURS, THEIRS = ["first", "second", "predicted", "average"], ["uniform", "proportional", "unimax"]
CLEAR = {"first": 1.00, "second": 1.02, "predicted": 1.01, "average": 1.03, "uniform": 1.3, "proportional": 1.2}


def rng(seed=0):
    return np.random.default_rng(seed)


def anchored(deviation, degrees):
    """Return the noise of anchors on which a seed has no common effect."""
    return TableNoise(SeedNoise(deviation, degrees), SeedNoise(deviation, degrees))


def table(means, seeds=2, noise=0.01, common=0.0, anchors=None, seed=0):
    """Return a table of losses around the means; `common` is what a seed does to all mixtures."""
    draw = rng(seed)
    shifts = draw.normal(0, common, seeds) if common else np.zeros(seeds)
    losses = {name: dict(enumerate(mean + shifts + draw.normal(0, noise, seeds))) for name, mean in means.items()}
    return tabulate_seeds(losses, anchors)


def judged(seeds, answer, baselines, confidence=0.95):
    names = [name for name in seeds.names if name not in baselines]
    return {gap.baseline: gap for gap in judge(seeds, answer, names, baselines, confidence, rng())}


def test_with_one_pair_and_no_anchors_it_is_the_paired_t_interval():
    seeds = table({"answer": 1.0, "uniform": 1.05}, seeds=6, common=0.2)
    gap = judged(seeds, "answer", ["uniform"])["uniform"]
    expected = ttest_rel(*seeds.losses).confidence_interval(0.95)
    assert (gap.low, gap.high) == pytest.approx((expected.low, expected.high), rel=0.03)


def test_noise_is_pooled_by_squares_and_degrees():
    alone = table(CLEAR)
    pooled = table(CLEAR, anchors=anchored(0.05, 4))
    assert pooled.paired_noise().degrees == alone.paired_noise().degrees + 4 == 9
    expected = (alone.paired_noise().deviation ** 2 * 5 + 0.05**2 * 4) / 9
    assert pooled.paired_noise().deviation == pytest.approx(expected**0.5)
    assert alone.total.degrees < pooled.total.degrees == alone.total.degrees + 4


def test_what_a_seed_does_to_all_mixtures_widens_no_difference():
    quiet, moved = table(CLEAR), table(CLEAR, common=1.0)
    assert moved.paired_noise().deviation < 2 * quiet.paired_noise().deviation
    assert moved.total.deviation > 10 * quiet.total.deviation


def test_one_seed_is_enough_where_anchors_tell_the_noise():
    gaps = judged(table(CLEAR, seeds=1, anchors=anchored(0.01, 4)), "first", ["uniform", "proportional"])
    assert gaps["uniform"].verdict == "better than"


def test_without_anchors_one_seed_is_refused():
    with pytest.raises(ComputeError, match=r"search\.choice\.seeds"):
        table(CLEAR, seeds=1)


def test_the_noise_of_one_model_has_as_many_degrees_of_freedom_as_there_is_evidence():
    by_mixture = [table(CLEAR, seeds=4, common=0.001, noise=1.0, seed=seed).total for seed in range(20)]
    assert np.mean([noise.degrees for noise in by_mixture]) > 10  # near those of 6 mixtures with 4 seeds
    by_seed = table(CLEAR, seeds=4, common=1.0, noise=0.001).total
    assert by_seed.degrees == pytest.approx(3, abs=0.01)


def test_the_noise_of_a_gap_is_that_of_pairs_like_it():
    """Mixtures that are alike err alike; their small differences say nothing of those to other mixtures."""
    draw = rng(2)
    ours, theirs = draw.normal(0, 0.1, 6), draw.normal(0, 0.1, (3, 6))
    losses = {name: dict(enumerate(1 + ours + draw.normal(0, 0.001, 6))) for name in OURS}
    seeds = tabulate_seeds(
        losses | {name: dict(enumerate(1 + own)) for name, own in zip(THEIRS, theirs, strict=True)}, None
    )
    among, between = compared_noise(seeds, OURS[:1], OURS[1:]), compared_noise(seeds, OURS, THEIRS)
    assert between.deviation > 50 * among.deviation
    assert between.deviation > 1.05 * seeds.paired_noise().deviation


@pytest.mark.parametrize("common", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seeds", [2, 4])
def test_the_interval_of_the_loss_holds_whatever_a_seed_does_to_all_mixtures(common, seeds):
    draw, held = rng(5), []
    for trial in range(300):
        truth = dict(zip(OURS + THEIRS, draw.normal(0, 1, 7).tolist(), strict=True))
        tried = table(truth, seeds=seeds, noise=1.0, common=common, seed=trial)
        answer = min(OURS, key=tried.means.__getitem__)
        low, high = mean_interval(tried, answer, len(OURS), 0.95)
        held.append(low <= truth[answer] <= high)
    assert np.mean(held) >= 0.95 - 0.025  # two standard errors of the simulation


@pytest.mark.parametrize("losses", [{0: 1.0}, {0: 1.0, 1: float("nan")}])
def test_a_mixture_without_a_finite_loss_is_named(losses):
    with pytest.raises(ComputeError, match="mixture uniform"):
        tabulate_seeds({"answer": {0: 1.0, 1: 1.0}, "uniform": losses}, None)


def test_the_verdicts_follow_the_intervals_and_the_best_baseline_counts():
    means = {"first": 1.0, "far": 1.5, "near": 1.001, "ahead": 0.5}
    gaps = judged(table(means), "first", ["far", "near", "ahead"])
    assert [gap.verdict for gap in gaps.values()] == ["better than", "no better than", "worse than"]
    assert best_baseline(list(gaps.values())).baseline == "ahead"
    assert conclude(list(gaps.values())).startswith("worse than ahead, the best baseline: +0.")


def test_more_candidates_widen_an_interval_and_more_baselines_only_below():
    seeds = table(CLEAR, seeds=1, anchors=anchored(0.01, 9))  # the anchors alone tell the noise

    def gap_to_uniform(candidates, baselines):
        gap = {gap.baseline: gap for gap in judge(seeds, "first", candidates, baselines, 0.95, rng())}["uniform"]
        return gap.difference - gap.low, gap.high - gap.difference

    alone = gap_to_uniform(["first"], ["uniform"])
    below, above = gap_to_uniform(OURS, ["uniform"])
    assert min(below, above) > 1.1 * max(alone)
    more_below, same_above = gap_to_uniform(OURS, ["uniform", "proportional"])
    assert more_below > 1.05 * below and same_above == pytest.approx(above, rel=0.02)


def test_a_predicted_mixture_must_beat_the_measured_ones_by_more_than_noise():
    noise = anchored(0.01, 1000)
    seeds = tabulate_seeds(
        {"measured": {0: 1.0, 1: 1.0}, "slightly": {0: 0.99, 1: 0.99}, "clearly": {0: 0.97, 1: 0.97}}, noise
    )
    assert choose_answer(seeds, ["measured"], ["slightly"], 0.95) == "measured"
    assert choose_answer(seeds, ["measured"], ["slightly"], 0.51) == "slightly"
    assert choose_answer(seeds, ["measured"], ["slightly", "clearly"], 0.95) == "clearly"
    assert choose_answer(seeds, ["measured", "slightly"], [], 0.95) == "slightly"
    assert choose_answer(seeds, [], ["slightly", "clearly"], 0.95) == "clearly"
    assert choose_answer(seeds, ["measured", "slightly"], [], 0.95, {"slightly": 0.02}) == "measured"
    assert choose_answer(seeds, ["measured"], ["clearly"], 0.95, {"clearly": 0.05}) == "measured"
    with pytest.raises(ComputeError, match="no mixture was confirmed"):
        choose_answer(seeds, [], [], 0.95)


def test_the_probability_of_being_best_is_shared_by_equals_and_goes_to_a_clear_best():
    equal = probability_best(tabulate_seeds({name: {0: 1.0, 1: 1.0} for name in OURS}, anchored(0.1, 4)), rng())
    assert list(equal.values()) == pytest.approx([0.25] * 4, abs=0.01)
    clear = probability_best(table({"first": 1.0, "uniform": 2.0}, anchors=anchored(0.01, 9)), rng())
    assert clear["first"] > 0.999
    assert sum(clear.values()) == pytest.approx(1)


def test_two_mixtures_share_the_probability_as_their_t_statistic_says():
    from scipy.stats import t

    seeds = table({"first": 1.0, "uniform": 1.01}, seeds=3, anchors=anchored(0.01, 4))
    ahead = (seeds.means["uniform"] - seeds.means["first"]) / seeds.error_of_difference(
        "first", "uniform", seeds.paired_noise()
    ).deviation
    assert probability_best(seeds, rng())["first"] == pytest.approx(
        t.cdf(ahead, seeds.paired_noise().degrees), abs=0.01
    )


# True means in units of the noise: of the four candidates and the three baselines.
WORLDS = {
    "all equal": lambda draw: np.zeros(7),
    "one baseline equals every candidate": lambda draw: np.array([0, 0, 0, 0, 0, 9, 9]),
    "candidates are no better bred than baselines": lambda draw: draw.normal(0, 2, 7),
    "candidates are ahead": lambda draw: np.array([-3.5, -3, -3.5, -3, 0, 1, 2]) + draw.normal(0, 0.5, 7),
}


@pytest.fixture(scope="module")
def simulated():
    """Return for each world how often the answer was claimed better than the best baseline, how often that was true,
    and how often the interval to the truly best one held; two fresh seeds and four degrees of freedom from anchors."""
    found = {}
    for world, truth_of in WORLDS.items():
        draw, claims = rng(3), []
        for trial in range(250):
            truth = dict(zip(OURS + THEIRS, truth_of(draw).tolist(), strict=True))
            anchors = anchored(float(np.sqrt(draw.chisquare(4) / 4)), 4)
            seeds = table(truth, noise=1.0, common=0.3, anchors=anchors, seed=trial)
            answer = choose_answer(seeds, OURS[:2], OURS[2:], 0.95)
            gaps = judge(seeds, answer, OURS, THEIRS, 0.95, rng(trial))
            to_best = truth[answer] - min(truth[name] for name in THEIRS)
            held, true = best_baseline(gaps).low <= to_best <= best_baseline(gaps).high, to_best < 0
            claims.append((best_baseline(gaps).verdict == "better than", true, held))
        found[world] = np.array(claims)
    return found


def test_the_interval_to_the_best_baseline_holds_whatever_was_chosen(simulated):
    for claims in simulated.values():
        assert claims[:, 2].mean() >= 0.95 - 0.028  # two standard errors of the simulation


def test_where_nothing_is_better_claims_are_rarer_than_allowed(simulated):
    for world in ("all equal", "one baseline equals every candidate"):
        assert simulated[world][:, 0].mean() <= 0.05


def test_of_the_results_called_better_than_the_best_baseline_95_percent_are(simulated):
    for world in ("candidates are no better bred than baselines", "candidates are ahead"):
        called, true = simulated[world][:, 0].astype(bool), simulated[world][:, 1]
        assert true[called].mean() >= 0.95
    assert simulated["candidates are ahead"][:, 0].mean() > 0.6  # and it does claim something


def test_the_interval_of_the_answer_allows_for_its_having_been_chosen():
    seeds = table(CLEAR)
    low, high = mean_interval(seeds, "first", 4, 0.95)
    alone = mean_interval(seeds, "first", 1, 0.95)
    assert low < alone[0] < seeds.means["first"] < alone[1] < high


def items_of(draw, means, common=0.0, own=0.0, of_item=0.0, cross=0.0, seeds=2, items=(40, 30)):
    """Return a table of mixtures measured on drawn items of two tasks; each argument is a standard deviation.

    They are what a seed does to all mixtures, what it does to one, what an item does to one, and what both do to one.
    """
    shift, error = draw.normal(0, common, seeds), draw.normal(0, own, (len(means), seeds))
    drawn = {name: {seed: {} for seed in range(seeds)} for name in means}
    for task, count in zip(("code", "piqa"), items, strict=True):
        sizes, hard = draw.integers(5, 80, count), draw.normal(2, 0.5, count)
        for row, (name, mean) in enumerate(means.items()):
            likes = draw.normal(0, of_item, count)
            for seed in range(seeds):
                level = mean + shift[seed] + error[row, seed]
                bits = sizes * (hard + likes + level + draw.normal(0, cross, count))
                drawn[name][seed][task] = ItemLosses(bits, sizes)
    weights = {"code": 2.0, "piqa": 1.0}
    losses = {
        name: {
            seed: sum(weights[task] / 3 * loss_of(losses) for task, losses in tasks.items()) for seed, tasks in by_seed
        }
        for name, by_seed in ((name, own.items()) for name, own in drawn.items())
    }
    return tabulate_seeds(losses, None, tabulate_items(drawn, weights))


def loss_of(items):
    return items.bits.sum() / items.sizes.sum()


SOURCES = {
    "items only": {"of_item": 0.3},
    "seeds only": {"own": 0.1},
    "both": {"own": 0.03, "of_item": 0.3, "cross": 0.1},
    "both, and what a seed does to all": {"own": 0.03, "of_item": 0.3, "cross": 0.1, "common": 1.0},
    "what a seed does to an item": {"cross": 0.5},
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_interval_of_a_difference_holds_whether_seeds_or_items_decide(source):
    draw, held = rng(1), []
    for _ in range(300):
        pair = items_of(draw, {"answer": 0.0, "uniform": 0.0}, **SOURCES[source])
        (found,) = compare_with_all(pair, "answer", ["uniform"], 0.95, draw).values()
        held.append(found.low <= 0 <= found.high)
    assert 0.925 <= np.mean(held) <= 0.985  # two standard errors of the simulation around 0.95, and more above


def test_the_interval_of_a_loss_holds_whether_seeds_or_items_decide():
    for source in ("items only", "seeds only", "both"):
        draw, held = rng(2), []
        for _ in range(500):
            low, high = mean_interval(
                items_of(draw, {"answer": 0.0, "uniform": 0.0}, **SOURCES[source]), "answer", 1, 0.95
            )
            held.append(low <= 2.0 <= high)
        assert 0.93 <= np.mean(held) <= 0.985


def test_items_widen_every_interval_and_blur_which_is_best():
    means = {"first": 0.0, "second": 0.002, "uniform": 0.03}
    few = items_of(rng(3), means, own=0.001, of_item=0.05)
    without = replace(few, items=no_item_noise(3))
    for seeds, wider in ((few, True), (without, False)):
        (gap,) = judge(seeds, "first", ["first", "second"], ["uniform"], 0.95, rng())
        width = gap.high - gap.low
        if wider:
            widest, interval, likely = width, mean_interval(seeds, "first", 2, 0.95), probability_best(seeds, rng())
    assert widest > 1.5 * width
    assert interval[1] - interval[0] > np.diff(mean_interval(without, "first", 2, 0.95))[0]
    assert max(likely.values()) < max(probability_best(without, rng()).values())


def test_intervals_to_all_others_hold_together():
    draw, held, alone = rng(4), [], []
    for _ in range(300):
        seeds = items_of(draw, dict.fromkeys(["answer", *THEIRS], 0.0), **SOURCES["both"])
        found = compare_with_all(seeds, "answer", THEIRS, 0.95, draw).values()
        held.append(all(one.low <= 0 <= one.high for one in found))
        alone.append(next(iter(found)).confidence)
    assert 0.92 <= np.mean(held) <= 0.98
    assert 0.97 < np.mean(alone) < 0.995
