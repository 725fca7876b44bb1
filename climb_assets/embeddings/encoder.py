"""The encoder: a sentence-transformers model behind one method, tuned for whole corpora.

What belongs here: loading a model safely and turning texts into unit vectors. Which documents are embedded
and where the vectors go belongs to `embed`.

Against ``SentenceTransformer.encode`` the gain is in the batching: all texts are tokenised in one call, sorted by
their true length in tokens, packed by a budget of padded tokens, and on a CPU each thread works on a
batch of its own, which keeps the batch in the core's cache and makes the result independent of the number of threads.
"""

import contextlib
import functools
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from climb_assets import config
from climb_assets.corpus.outside_files import check_model_folder, read_json
from climb_assets.environment import resolve_device, resolve_precision
from climb_assets.errors import ConfigError
from climb_assets.executor.capacity import thread_count
from climb_assets.graph.hashed_settings import encoder_files

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")  # more slashes, or a leading one, make it a path


class Encoded(NamedTuple):
    """Vectors of texts and what they cost."""

    vectors: NDArray[np.float16]
    tokens: int
    padded_tokens: int


class Encoder:
    """A loaded model. Make one with `load_encoder`."""

    def __init__(self, model: "SentenceTransformer", settings: config.Encoder, precision: str, threads: int) -> None:
        self.precision = precision
        self._model = model
        self._settings = settings
        self._threads = threads if model.device.type == "cpu" else 1

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Embed texts.

        Parameters
        ----------
        texts
            Any number; of each, the first ``encoder.max_tokens`` tokens count, special tokens included.

        Returns
        -------
        Vectors (texts, dimension) of length 1 as in NVIDIA's recipe (docs/sources.md), in the order of the texts,
        and the number of tokens with and without padding.
        """
        vectors = np.zeros((len(texts), self.dimension), np.float16)
        if not texts:
            return Encoded(vectors, 0, 0)
        features = self._tokenize(texts)
        lengths = np.array([len(ids) for ids in features["input_ids"]])
        batches = pack_batches(lengths, self._settings.batch_tokens)

        def run(batch: NDArray[np.int64]) -> None:
            vectors[batch] = self._forward({name: [values[i] for i in batch] for name, values in features.items()})

        with self._one_thread_each(), ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(run, batches))
        padded = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
        return Encoded(vectors, int(lengths.sum()), padded)

    def _tokenize(self, texts: Sequence[str]) -> dict[str, list[list[int]]]:
        prompt = self._model.prompts.get(self._model.default_prompt_name or "") or ""
        prompted = [prompt + text for text in texts]
        return dict(self._model.tokenizer(prompted, truncation=True, max_length=self._settings.max_tokens))

    def _forward(self, features: dict[str, list[list[int]]]) -> NDArray[np.float16]:
        import torch

        with torch.inference_mode():
            padded = self._model.tokenizer.pad(features, return_tensors="pt")
            output = self._model({name: tensor.to(self._model.device) for name, tensor in padded.items()})
            unit = torch.nn.functional.normalize(output["sentence_embedding"].float(), dim=1)
            vectors: NDArray[np.float16] = unit.half().cpu().numpy()
        return vectors

    @contextlib.contextmanager
    def _one_thread_each(self) -> Iterator[None]:
        """Let the batches be what runs in parallel, not the operations inside a batch."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def pack_batches(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Return batches of positions: near in length, longest first, at most `budget` padded tokens or one text each."""
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, budget // int(lengths[order[start]]))
        batches.append(order[start : start + size])
        start += size
    return batches


def check_encoder_folder(settings: config.Config) -> None:
    """Check the folder of `encoder.model`, unless that is a model's name at a hub, without loading it.

    Raises
    ------
    ConfigError
        It is not there, is no model folder, or its weights are not whole.
    """
    key, cure = "encoder.model", "run `climb fetch-encoder`, or give another model"
    for folder in encoder_files(settings).values():
        modules = folder / "modules.json"
        listed = read_json(modules, key, cure) if modules.exists() else [{"path": "", "type": ".Transformer"}]
        try:
            within = [folder / entry["path"] for entry in listed if entry["type"].endswith(".Transformer")]
        except (AttributeError, KeyError, TypeError):
            raise ConfigError(f"{key}: {modules} lists no modules of sentence-transformers; {cure}") from None
        for model in within:
            check_model_folder(model, key, cure)


def load_encoder(settings: config.Encoder, runtime: config.Runtime) -> Encoder:
    """Load the sentence-transformers model of the configuration: safetensors only, no code from the model.

    Raises
    ------
    ConfigError
        The model is not there, is not of this kind, is not whole, or cannot take ``encoder.max_tokens``.
    """
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    local = Path(settings.model).is_dir()
    if not local and not HUB_NAME.fullmatch(settings.model):
        raise ConfigError(
            f"encoder.model: there is no folder {settings.model}; run `climb fetch-encoder`, or give another model"
        )
    device = resolve_device(runtime.device)
    precision = resolve_precision(settings.precision, device)
    try:
        model = SentenceTransformer(
            settings.model,
            device=device,
            trust_remote_code=False,
            revision=settings.revision,
            local_files_only=local,
            model_kwargs={"use_safetensors": True},
        )
        missing = _missing_weights(model, settings.revision)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(
            f"encoder.model: {settings.model} cannot be loaded ({reason}); "
            "give a sentence-transformers model with safetensors weights"
        ) from None
    if missing:
        raise ConfigError(
            f"encoder.model: the weights of {settings.model} lack {missing[0]} and {len(missing) - 1} more; "
            "fetch the model again or give another"
        )
    _check_tokenizer(model, settings)
    model.eval().to(getattr(torch, precision))
    return Encoder(model, settings, precision, runtime.threads or thread_count())


@functools.lru_cache(maxsize=1)
def load_encoder_once(settings: config.Encoder, runtime: config.Runtime) -> Encoder:
    """Return `load_encoder`'s model, loaded once for all shards that a process embeds."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    return load_encoder(settings, runtime)


def _missing_weights(model: "SentenceTransformer", revision: str | None) -> list[str]:
    """Return the parameters that make vectors and that no file of the model holds, sorted.

    Only `transformers` knows which names of a file stand for which parameters, and it tells while it loads; so a second
    copy is loaded and let go. A layer that takes no part in a vector, as the pooler of many models, may be missing.
    """
    import torch
    from transformers import PreTrainedModel

    missing: dict[str, torch.nn.Parameter] = {}
    for part in (module for module in model.modules() if isinstance(module, PreTrainedModel)):
        if not part.name_or_path:  # within another one, which was loaded as a whole
            continue
        loaded: Any = type(part).from_pretrained(
            part.name_or_path,
            revision=revision or "main",
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        info = loaded[1]
        absent = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
        missing |= {name: parameter for name, parameter in part.named_parameters() if name in absent}
    if not missing:
        return []
    with torch.enable_grad():
        vector = model(dict(model.tokenizer(["a"], return_tensors="pt").to(model.device)))["sentence_embedding"]
        used = torch.autograd.grad(vector.sum(), list(missing.values()), allow_unused=True)
    return sorted(name for name, gradient in zip(missing, used, strict=True) if gradient is not None)


def _check_tokenizer(model: "SentenceTransformer", settings: config.Encoder) -> None:
    from transformers import PreTrainedTokenizerFast

    if not isinstance(model.tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(f"encoder.model: {settings.model} has no fast tokenizer; give a model with a tokenizer.json")
    if settings.max_tokens > model.tokenizer.model_max_length:
        limit = model.tokenizer.model_max_length
        raise ConfigError(f"encoder.max_tokens is {settings.max_tokens} but {settings.model} takes {limit}; lower it")
