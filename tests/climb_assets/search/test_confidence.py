"""The verdict claims no more than the seeds show, and of what it claims at least 95 % is true."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from climb_assets.errors import ComputeError
from climb_assets.search.confidence import (
    SeedNoise,
    best_baseline,
    choose_answer,
    conclude,
    judge,
    mean_interval,
    probability_best,
    tabulate_seeds,
)

OURS, THEIRS = ["first", "second", "predicted", "average"], ["uniform", "proportional", "unimax"]
CLEAR = {"first": 1.00, "second": 1.02, "predicted": 1.01, "average": 1.03, "uniform": 1.3, "proportional": 1.2}


def rng(seed=0):
    return np.random.default_rng(seed)


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
    pooled = table(CLEAR, anchors=SeedNoise(0.05, 4))
    assert pooled.paired.degrees == alone.paired.degrees + 4 == 9
    expected = (alone.paired.deviation**2 * 5 + 0.05**2 * 4) / 9
    assert pooled.paired.deviation == pytest.approx(expected**0.5)
    assert alone.total.degrees < pooled.total.degrees == alone.total.degrees + 4


def test_what_a_seed_does_to_all_mixtures_widens_no_difference():
    quiet, moved = table(CLEAR), table(CLEAR, common=1.0)
    assert moved.paired.deviation < 2 * quiet.paired.deviation
    assert moved.total.deviation > 10 * quiet.total.deviation


def test_one_seed_is_enough_where_anchors_tell_the_noise():
    gaps = judged(table(CLEAR, seeds=1, anchors=SeedNoise(0.01, 4)), "first", ["uniform", "proportional"])
    assert gaps["uniform"].verdict == "better than"


def test_without_anchors_one_seed_is_refused():
    with pytest.raises(ComputeError, match=r"search\.choice\.seeds"):
        table(CLEAR, seeds=1)


def test_the_noise_of_one_model_has_as_many_degrees_of_freedom_as_there_is_evidence():
    by_mixture = [table(CLEAR, seeds=4, common=0.001, noise=1.0, seed=seed).total for seed in range(20)]
    assert np.mean([noise.degrees for noise in by_mixture]) > 10  # near those of 6 mixtures with 4 seeds
    by_seed = table(CLEAR, seeds=4, common=1.0, noise=0.001).total
    assert by_seed.degrees == pytest.approx(3, abs=0.01)


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
    seeds = table(CLEAR, anchors=SeedNoise(0.01, 4))

    def gap_to_uniform(candidates, baselines):
        gap = {gap.baseline: gap for gap in judge(seeds, "first", candidates, baselines, 0.95, rng())}["uniform"]
        return gap.difference - gap.low, gap.high - gap.difference

    alone = gap_to_uniform(["first"], ["uniform"])
    below, above = gap_to_uniform(OURS, ["uniform"])
    assert min(below, above) > 1.1 * max(alone)
    more_below, same_above = gap_to_uniform(OURS, ["uniform", "proportional"])
    assert more_below > 1.05 * below and same_above == pytest.approx(above, rel=0.02)


def test_a_predicted_mixture_must_beat_the_measured_ones_by_more_than_noise():
    noise = SeedNoise(0.01, 1000)
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
    equal = probability_best(tabulate_seeds({name: {0: 1.0, 1: 1.0} for name in OURS}, SeedNoise(0.1, 4)), rng())
    assert list(equal.values()) == pytest.approx([0.25] * 4, abs=0.01)
    clear = probability_best(table({"first": 1.0, "uniform": 2.0}, anchors=SeedNoise(0.01, 9)), rng())
    assert clear["first"] > 0.999
    assert sum(clear.values()) == pytest.approx(1)


def test_two_mixtures_share_the_probability_as_their_t_statistic_says():
    from scipy.stats import t

    seeds = table({"first": 1.0, "uniform": 1.01}, seeds=3, anchors=SeedNoise(0.01, 4))
    ahead = (seeds.means["uniform"] - seeds.means["first"]) / seeds.difference_error
    assert probability_best(seeds, rng())["first"] == pytest.approx(t.cdf(ahead, seeds.paired.degrees), abs=0.01)


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
        for trial in range(400):
            truth = dict(zip(OURS + THEIRS, truth_of(draw).tolist(), strict=True))
            anchors = SeedNoise(float(np.sqrt(draw.chisquare(4) / 4)), 4)
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
        assert claims[:, 2].mean() >= 0.95 - 0.02  # two standard errors of the simulation


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
