"""The configuration of the search: the sections under ``search``.

What belongs here: settings of predictors, proposals, limits and the choice, each default with its source.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from climb_assets.config_base import Section, Share

Family = Literal["lightgbm", "small_trees", "gaussian_process", "gaussian_process_ard", "share_ridge", "mixing_law"]


class LightGBM(Section):
    """LightGBM as published (section 3.1), completed from NVIDIA's 8_predict.py."""

    trees: int = Field(1000, ge=1, description="8_predict.py: num_iterations")
    learning_rate: float = Field(0.01, gt=0, description="8_predict.py")
    max_depth: int = Field(4, ge=1, description="paper section 3.1")
    min_leaf: int = Field(5, ge=1, description="paper section 3.1: at least 5 samples per leaf")
    l1: float = Field(1.0, ge=0, description="8_predict.py: reg_alpha")
    l2: float = Field(1.0, ge=0, description="8_predict.py: reg_lambda")
    early_stopping: int = Field(20, ge=1, description="paper section 3.1: rounds")
    metrics: tuple[Literal["l1", "l2"], ...] = Field(
        ("l2",), min_length=1, description="the first that stops improving stops the fit; RegMix: l1 and l2"
    )
    validation: Share = Field(0.1, gt=0, description="8_predict.py: 90/10 split")


class SmallTrees(Section):
    """Stochastic gradient boosting of small trees, for the few rows of a search (docs/sources.md)."""

    trees: int = Field(200, ge=1)
    learning_rate: float = Field(0.05, gt=0)
    max_depth: int = Field(3, ge=1)
    min_leaf: int = Field(3, ge=1)
    subsample: float = Field(0.7, gt=0, le=1, description="share of the rows that each tree sees")
    features: float = Field(0.5, gt=0, le=1, description="share of the domains that each split may choose from")


class GaussianProcess(Section):
    """A Gaussian process with a Matern-5/2 kernel."""

    inputs: Literal["sqrt", "weights"] = Field(
        "sqrt", description="what of a weight the kernel sees; the root was far better (docs/sources.md)"
    )
    relevance: float = Field(
        0.5, gt=0, description="gaussian_process_ard: how far the logarithms of the domains' lengths lie apart, a prior"
    )
    steps: int = Field(40, ge=1, description="of the search for the most probable lengths and variances")


class ShareRidge(Section):
    """Ridge regression on the weights and on logarithms of the weights."""

    offsets: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (1e-2, 1e-3), min_length=1, description="added to a weight before its logarithm is taken"
    )


class MixingLaw(Section):
    """The log-linear law c + exp(b + t . w) of data mixing laws and Olmix (docs/sources.md)."""

    shrinkage: float = Field(
        0.1, gt=0, description="residual that a slope of 1 counts as, losses standardised; few rows need it"
    )


class Predictor(Section):
    """The regression from mixtures to the loss of one task."""

    kind: Literal["stack"] | Family = Field(
        "stack", description="stack: a weighted mean of members; lightgbm: as published"
    )
    members: tuple[Family, ...] = Field(
        ("small_trees", "gaussian_process", "gaussian_process_ard", "share_ridge", "mixing_law"),
        min_length=1,
        description="of the stack; each counts by its out-of-fold predictions",
    )
    folds: int = Field(5, ge=2, description="folds of the cross-validation that weighs members and is reported")
    lightgbm: LightGBM = LightGBM()
    small_trees: SmallTrees = SmallTrees()
    gaussian_process: GaussianProcess = GaussianProcess()
    share_ridge: ShareRidge = ShareRidge()
    mixing_law: MixingLaw = MixingLaw()


class Acquisition(Section):
    """Which mixtures of the pool are trained next."""

    kind: Literal["greedy", "published", "expected_improvement", "lower_bound"] = Field(
        "greedy", description="published: a random draw from the best predicted (section 2.2, 8_predict.py)"
    )
    top: int = Field(128, ge=1, description="published only; 8_predict.py: N = max(M * M, this), the head M come from")
    deviations: float = Field(1.0, ge=0, description="lower_bound only: mean less this many standard deviations")
    separation: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="least total variation between two candidates of one iteration; published asks for none",
    )
    local_moves: Share = Field(
        0.0,
        description="share of the ranked mixtures that are moves around the best; no gain was seen (docs/sources.md)",
    )
    local_strength: float = Field(100.0, gt=0, description="Dirichlet strength of a move; larger stays nearer")


class Limits(Section):
    """What a mixture may be, beside `search.max_usage` and the epochs of `mixture.max_epochs`."""

    floor: float = Field(0.0, ge=0, lt=0.5, description="least weight of every domain; 0 lets a domain be left out")
    floors: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(
        default_factory=dict, description="domain name or number: least weight"
    )
    ceilings: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict, description="domain name or number: largest weight"
    )
    divergence: float = Field(
        0.0, ge=0, description="added to a prediction: this times KL(mixture, prior); Olmix: 0.05 (docs/sources.md)"
    )
    repetition_scale: float | None = Field(
        None,
        gt=0,
        description="R* of arXiv 2305.16264 (15.4): repeated tokens count for less in predictions; none: in full, "
        "as is right where proxy.simulate_epochs has measured the repetition",
    )

    @field_validator("floors", "ceilings", mode="before")
    @classmethod
    def _numbers_are_names(cls, value: object) -> object:
        return {str(key): weight for key, weight in value.items()} if isinstance(value, dict) else value


class Choice(Section):
    """How the answer is chosen."""

    rule: Literal["confirmed", "published"] = Field(
        "confirmed", description="published: the least prediction, never trained; confirmed: the best of a re-run list"
    )
    measured: int = Field(2, ge=1, description="best measured mixtures that are re-run")
    average: int = Field(32, ge=0, description="best predicted mixtures whose average is re-run too; 0: none (RegMix)")
    caution: float = Field(
        1.0,
        ge=0,
        description="how often a prediction's deviation, as far as it is above what is ordinary among left-out rows, "
        "counts against a mixture where the best predicted are chosen; 0: the least mean, as the published rule has it",
    )
    seeds: int = Field(2, ge=2, description="fresh seeds of each mixture of the list; they show the noise too")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="of 'better than the best baseline'")
    tolerance: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="total variation by which the limits of today's supply may move an answer without new training; "
        "as far as two candidates are apart at least",
    )
    no_regression: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="task: bits per byte that an answer may lose on it against proportional"
    )

    @model_validator(mode="after")
    def _floors_need_a_confirmation(self) -> Self:
        if self.rule == "published" and self.no_regression:
            raise ValueError(
                "search.choice.no_regression needs search.choice.rule confirmed; the published has no floors"
            )
        return self


class Search(Section):
    """The iterative search (paper section 2.2)."""

    seed: int = 42
    iterations: tuple[int, ...] = Field((64, 32, 16), description="candidates per iteration, 4:2:1 (section 3.1)")
    temperature: float = Field(0.5, gt=0, description="5_mixture.py: prior ** temperature, renormalised")
    strength: tuple[float, float] = Field((0.1, 5.0), description="5_mixture.py: Dirichlet strengths, log-spaced")
    strengths: int = Field(15, ge=1, description="5_mixture.py: number of strengths")
    max_usage: float = Field(15.0, gt=1, description="5_mixture.py: a weight is at most this times the domain's prior")
    min_weight: float = Field(
        2e-4, ge=0, lt=0.1, description="5_mixture.py: smaller weights become 0; also the rounding step"
    )
    pool: int = Field(100_000, ge=100, description="8_predict.py: mixtures that the predictor ranks")
    first: Literal["prior", "spread"] = Field(
        "prior", description="first candidates: drawn evenly from the pool, or far from one another in it"
    )
    evidence: Path | None = Field(
        None,
        description="folder with ratios.csv and metrics.csv, runs to begin with; domains.csv where they are over other "
        "domains; metric.json where it is known by what they were measured",
    )
    carry: bool = Field(
        True,
        description="begin a renewed search with what the kept models of earlier generations say of today's domains",
    )
    anchors: int = Field(2, ge=0, description="first candidates that are trained again, to measure the noise of seeds")
    repeats: int = Field(2, ge=0, description="further seeds of each anchor; 0 measures no noise")
    predictor: Predictor = Predictor()
    acquisition: Acquisition = Acquisition()
    stop: Literal["advise", "obey"] = Field(
        "advise",
        description="obey: an iteration after the first trains nothing where the stop rule says stop for every "
        "objective; advise: it is told beside the answer",
    )
    limits: Limits = Limits()
    choice: Choice = Choice()

    @model_validator(mode="after")
    def _plan(self) -> Self:
        if not self.iterations or len(self.iterations) > 30 or min(self.iterations) < 1:
            raise ValueError("search.iterations lists 1 to 30 positive numbers of candidates")
        if not 0 < self.strength[0] <= self.strength[1]:
            raise ValueError("search.strength is (least, largest), both positive")
        return self
