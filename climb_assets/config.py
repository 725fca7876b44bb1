"""The configuration: one strict, frozen tree.

What belongs here: every setting, its type, its bounds and the source of its default; `config_file` reads it. A profile
(``profiles/*.yaml``) or the user's ``climb.yaml`` changes values; no other module holds a magic number.
`runtime`, `dagster` and `sql` say how, `taxonomy` says when, never what: they enter no fingerprint.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from climb_assets.config_balance import Balance
from climb_assets.config_base import LAKE, Name, Section, Share
from climb_assets.config_baselines import Baselines
from climb_assets.config_cells import Cells
from climb_assets.config_corpus import Contamination, Licences, NearDuplicates, Settle
from climb_assets.config_dagster import Dagster
from climb_assets.config_encoder import Encoder
from climb_assets.config_quality import Quality
from climb_assets.config_ray import Ray
from climb_assets.config_search import Search
from climb_assets.config_sql import Sql
from climb_assets.config_store import Address, RawPlace
from climb_assets.config_tasks import Task
from climb_assets.config_taxonomy import Taxonomy
from climb_assets.config_trainer import Trainer
from climb_assets.config_training import Training

RAW, TASK_FILES = "raw", "tasks"  # places in a lake
RESERVED = frozenset({"key", "iteration", "weights", "diverged", "source", "doubt", "trust"})


class Corpus(Section):
    """How raw files become documents."""

    raw: RawPlace = Field(Path(LAKE, RAW), description=f"raw files: a folder ({RAW} in the lake), or s3://bucket/raw")
    link_roots: tuple[Path, ...] = Field(
        (), description="folders outside raw that links in it may lead into, such as a hub's cache"
    )
    settle: Settle = Settle()
    text_column: str = "text"
    text_files: Literal["whole", "form_feed", "blank_lines", "length"] = Field(
        "length",
        description="how a .txt file is parted: not at all; at form feeds; at blank lines; or in pieces of at most "
        "text_characters, cut at a blank line, else at a line's end, else at a space. Its pieces share a split",
    )
    text_characters: int = Field(20_000, ge=100, description="the longest piece of a .txt file, by text_files: length")
    min_characters: int = Field(200, ge=1, description="shorter texts are filtered (docs/sources.md)")
    max_record_bytes: int = Field(64 * 2**20, ge=1024, description="a longer record is quarantined, not held in memory")
    max_expansion: int = Field(1000, ge=1, description="a compressed file may unpack to this many times its size")
    max_window_bytes: int = Field(
        2**31, ge=2**10, description="window that a zstd file may ask for (--long=31); memory is used as it fills"
    )
    max_rows: int = Field(100_000, ge=1, description="rows that any file may hold, and one more for each of its bytes")
    max_values: int = Field(1_000_000, ge=1, description="JSON values in one record; each costs a hundred bytes")
    max_nesting: int = Field(100, ge=1, le=500, description="how deep the JSON of a record may be nested")
    part_documents: int = Field(2048, ge=1, description="documents in one part, the slice that a crash can lose")
    search_eval: Share = Field(0.05, description="share of articles held out for tasks that decide")
    report_eval: Share = Field(0.05, description="share of articles held out for tasks that only report")
    split_seed: int = 0
    near_duplicates: NearDuplicates = NearDuplicates()
    contamination: Contamination = Contamination()
    licences: Licences = Licences()


class Tokenizer(Section):
    """The tokenizer, frozen with the search: proxy rankings do not transfer across tokenizers (DoReMi #18)."""

    path: Path | None = Field(None, description="a tokenizers JSON file; without one, a byte-level BPE is trained")
    name: str | None = Field(None, description="a Hugging Face tokenizer name, for machines with a hub")
    vocabulary: int = Field(8192, ge=512, le=65536, description="entries of the trained BPE (docs/sources.md)")
    training_bytes: int = Field(
        30_000_000, ge=10_000, description="text the BPE is trained on: seconds (docs/sources.md)"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.path is not None and self.name is not None:
            raise ValueError("give tokenizer.path or tokenizer.name, not both")
        return self


class Clusters(Section):
    """k-means, pruning and merging."""

    count: int = Field(1000, ge=2, description="K_init (paper section 3.1)")
    iterations: int = Field(20, ge=1, description="Lloyd iterations of FAISS")
    sample_per_cluster: int = Field(256, ge=1, description="documents a centroid that k-means takes (FAISS' default)")
    seed: int = 42
    prune: dict[Name, float] = Field(
        default={"quality": 3.0, "educational_value": 3.0, "informational_value": 3.0, "advertisement": 3.0},
        description="least mean score of a cluster that is kept, per dimension (paper section 3.1: 3.0)",
    )
    merge_distance: float | None = Field(1.5, gt=0, description="Ward linkage distance (paper section 3.1: 1.5)")
    domains: int | None = Field(None, ge=2, description="merge to this number of domains instead; cells part these")
    balance: Balance | None = Field(
        None, description="merge to domains that are neither too large nor too small instead: below"
    )
    cells: Cells | None = Field(None, description="part each domain by the quality of its documents: below")
    terms: int = Field(6, ge=1, description="c-TF-IDF terms that name a domain")

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if [self.merge_distance, self.domains, self.balance].count(None) != 2:
            keys = "clusters.merge_distance, clusters.domains and clusters.balance"
            raise ValueError(f"give exactly one of {keys}; set the others to null")
        if self.balance is not None and self.cells is not None:
            raise ValueError(
                "clusters.balance bounds whole domains and does not go with clusters.cells, which parts them; set one "
                "of the two to null"
            )
        return self


class Mixture(Section):
    """The data set that is written for the target."""

    tokens: int = Field(ge=1, description="token budget of the target model")
    max_epochs: float = Field(4.0, gt=0, description="a domain is repeated at most this often (Olmix: k = 4)")
    shard_documents: int = Field(20_000, ge=1, description="documents in one exported Parquet file, at most about")
    seed: int = 42


class Comparison(Section):
    """The target models that judge the mixture."""

    training: Training
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=2)
    confidence: float = Field(0.95, gt=0.5, lt=1)


SEARCH_PROXY = "proxy"  # what the table of fidelity calls the search's own setting


class Fidelity(Section):
    """Whether proxies rank mixtures as target models do."""

    mixtures: int = Field(6, ge=0, description="first candidates trained at both sizes, beside the baselines; 0: none")
    seeds: int = Field(1, ge=1, description="target models a mixture, of target.seeds")
    settings: dict[Name, Training] = Field(default_factory=dict, description="further proxy settings to compare")
    wanted: float = Field(0.8, gt=0, le=1, description="rank correlation that is good enough for a search")
    resamples: int = Field(2000, ge=100, description="bootstrap resamples of the interval")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="coverage of the interval")

    @model_validator(mode="after")
    def _names(self) -> Self:
        if SEARCH_PROXY in self.settings:
            raise ValueError(f"{SEARCH_PROXY!r} is the search's own setting; give fidelity.settings another name")
        return self


class Runtime(Section):
    """Where and how fast, never what; but the device and its precision enter the fingerprints of vectors and models."""

    backend: Literal["local", "ray"] = Field(
        "local", description="who works on shards and proxies: processes of this machine, or of a Ray cluster"
    )
    workers: int | None = Field(
        None, ge=1, description="processes that work on shards and proxies; default: as many as cores and memory allow"
    )
    ray: Ray = Ray()
    checkpoint_seconds: float = Field(30.0, gt=0, description="at most this much training of a proxy is lost")
    threads: int | None = Field(
        None,
        ge=1,
        description="threads of FAISS and of the encoder; default: one a core, or a share of them for each worker",
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compile: Literal["auto", "always", "never"] = Field(
        "auto",
        description="torch.compile of the training step; auto: on a GPU only; on a CPU it pays for long swarms; it may "
        "change the last bits of a loss and makes nothing stale, so keep to one choice within a search",
    )
    confirm_hours: float = Field(
        12.0, gt=0, description="`climb up` asks, or needs --yes, before work that takes longer by its estimate"
    )
    confirm_gigabytes: float = Field(100.0, gt=0, description="the same for models that take more room on the disk")
    cache_gigabytes: float = Field(
        100.0, gt=0, description="room in the lake for artefacts fetched from a bucket, and as much for raw files"
    )
    environment: Literal["warn", "stale"] = Field(
        "warn",
        description="what a change of packages or processor does: warn tells of it, stale computes again; "
        "a change of device or precision always computes vectors and models again",
    )
    private: bool = Field(False, description="new files and sockets are for this account alone, as under umask 077")


class Config(Section):
    """The whole tree."""

    profile: Name = "demo"
    lake: Path = Field(Path(LAKE), description="the folder of all that is made; the profile demo has its own")
    store: Address | None = Field(
        None,
        description="where artefacts lie instead, such as s3://bucket/climb; the lake keeps raw files, Dagster's "
        "history, work under way and a cache",
    )
    corpus: Corpus = Corpus()
    tokenizer: Tokenizer = Tokenizer()
    encoder: Encoder = Encoder()
    quality: Quality = Quality()
    clusters: Clusters = Clusters()
    taxonomy: Taxonomy = Taxonomy()
    search: Search = Search()
    proxy: Training
    tasks: dict[Name, Task]
    objectives: dict[Name, dict[Name, Annotated[float, Field(gt=0)]]] = Field(min_length=1)
    mixture: Mixture
    target: Comparison
    baselines: Baselines = Baselines()
    fidelity: Fidelity = Fidelity()
    runtime: Runtime = Runtime()
    dagster: Dagster = Dagster()
    sql: Sql = Sql()

    @model_validator(mode="after")
    def _trainers_fit(self) -> Self:
        if self.proxy.trainer is not None and "doremi" in self.baselines.mixtures:
            raise ValueError("baselines.mixtures names doremi, which needs climb's own loop; drop it or proxy.trainer")
        trainings = {"proxy": self.proxy, "target.training": self.target.training}
        trainings |= {f"fidelity.settings.{name}": training for name, training in self.fidelity.settings.items()}
        for key, training in trainings.items():
            named = training.trainer.metrics if isinstance(training.trainer, Trainer) else {}
            for task in sorted(named.keys() - self.tasks.keys()):
                raise ValueError(f"{key}.trainer.metrics names {task!r}, which is no task; name some of tasks")
        return self

    @model_validator(mode="after")
    def _tasks_exist(self) -> Self:
        for name in RESERVED & self.tasks.keys():
            raise ValueError(f"a task cannot be named {name!r}, a column of the search's history has that name")
        for task in self.search.choice.no_regression:
            if task not in self.tasks or self.tasks[task].split != "search_eval":
                raise ValueError(
                    f"search.choice.no_regression names task {task!r}, which does not decide; "
                    "name one whose split is search_eval"
                )
        if self.search.limits.repetition_scale is not None and self.proxy.simulate_epochs:
            raise ValueError(
                "search.limits.repetition_scale counts twice what proxies with proxy.simulate_epochs have measured; "
                "set one of them to null or false"
            )
        trained = self.proxy.trained_tokens
        if self.proxy.simulate_epochs and trained > self.mixture.tokens:
            raise ValueError(
                f"proxy.tokens ({trained}) exceed mixture.tokens, the budget whose epochs they simulate; "
                "raise mixture.tokens to the target's budget or set proxy.simulate_epochs to false"
            )
        for objective, weights in self.objectives.items():
            if not weights:
                raise ValueError(f"objectives.{objective} is empty; give it tasks with weights")
            for task in weights:
                if task not in self.tasks:
                    raise ValueError(
                        f"objectives.{objective} names task {task!r}, which is not among tasks: {sorted(self.tasks)}"
                    )
                if self.tasks[task].split != "search_eval":
                    raise ValueError(
                        f"objectives.{objective} names task {task!r}, which is only for the report; "
                        "set its split to search_eval"
                    )
        return self
