"""The encoder: a sentence-transformers model behind one method, tuned for whole corpora.

What belongs here: loading a model safely and turning texts into unit vectors. Which documents are embedded
and where the vectors go belongs to `embed`.

Against ``SentenceTransformer.encode`` the gain is in the batching: all texts are tokenised in one call, sorted by
their true length in tokens, packed by a budget of padded tokens, and on a CPU each thread works on a
batch of its own, which keeps the batch in the core's cache and makes the result independent of the number of threads.
What computes a batch is the backend's: `models`.
"""

import functools
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from climb_assets import config, config_encoder
from climb_assets.corpus.outside_files import check_model_folder, read_json
from climb_assets.embeddings.encoder_tokenizer import EncoderTokenizer, Features
from climb_assets.embeddings.models import OpenvinoModel, StaticModel, TorchModel
from climb_assets.embeddings.static import distil
from climb_assets.environment import is_installed, resolve_backend, resolve_device, resolve_precision
from climb_assets.errors import ConfigError
from climb_assets.executor.capacity import thread_count
from climb_assets.graph.hashed_settings import encoder_files
from climb_assets.one_thread import on_one_thread

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Encoding

Model = Callable[[Features], NDArray[np.float32]]

HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")  # more slashes, or a leading one, make it a path


class Encoded(NamedTuple):
    """Vectors of texts and what they cost."""

    vectors: NDArray[np.float16]
    tokens: int
    padded_tokens: int


class Encoder:
    """A loaded model. Make one with `load_encoder`."""

    def __init__(
        self, tokenizer: EncoderTokenizer, model: Model, batch_tokens: int, threads: int, backend: str, precision: str
    ) -> None:
        self.backend, self.precision = backend, precision
        self._tokenizer, self._model = tokenizer, model
        self._batch_tokens, self._threads = batch_tokens, threads
        self.dimension = self._embed(tokenizer.tokenise(["a"])).shape[1]

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
        encodings = self._tokenizer.tokenise(texts)
        lengths = np.array([len(encoding) for encoding in encodings])
        batches = pack_batches(lengths, self._batch_tokens)

        def run(batch: NDArray[np.int64]) -> None:
            vectors[batch] = self._embed([encodings[i] for i in batch])

        with on_one_thread(), ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(run, batches))  # batches run in parallel, not the operations inside one
        padded = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
        return Encoded(vectors, int(lengths.sum()), padded)

    def _embed(self, encodings: "Sequence[Encoding]") -> NDArray[np.float16]:
        return self._model(self._tokenizer.pad(encodings)).astype(np.float16)


def pack_batches(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Return batches of positions: near in length, longest first, at most `budget` padded tokens or one text each."""
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, budget // int(lengths[order[start]]))
        batches.append(order[start : start + size])
        start += size
    return batches


def check_encoder(settings: config.Config) -> None:
    """Check the folder of `encoder.model`, unless that is a model's name at a hub, and the backend, without loading it.

    Raises
    ------
    ConfigError
        The folder is not there, is no model folder, or its weights are not whole; or the backend cannot be used.
    """
    device = resolve_device(settings.runtime.device)
    _check_backend(resolve_backend(settings.encoder.backend, device), device)
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


def load_encoder(settings: config_encoder.Encoder, runtime: config.Runtime) -> Encoder:
    """Load the sentence-transformers model of the configuration: safetensors only, no code from the model.

    Raises
    ------
    ConfigError
        The model is not there, is not of this kind, is not whole, or cannot take ``encoder.max_tokens``; or what the
        backend needs is not installed, or not for this device.
    """
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    local = Path(settings.model).is_dir()
    if not local and not HUB_NAME.fullmatch(settings.model):
        raise ConfigError(
            f"encoder.model: there is no folder {settings.model}; run `climb fetch-encoder`, or give another model"
        )
    device = resolve_device(runtime.device)
    backend = resolve_backend(settings.backend, device)
    precision = resolve_precision(settings.precision, device, backend=backend)
    _check_backend(backend, device)
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
    prompt = model.prompts.get(model.default_prompt_name or "") or ""
    tokenizer = EncoderTokenizer(model.tokenizer, settings.max_tokens, prompt)
    threads = (runtime.threads or thread_count()) if device == "cpu" else 1
    loaded = _load_backend(model.eval(), tokenizer, backend, precision, threads)
    return Encoder(tokenizer, loaded, settings.batch_tokens, threads, backend, precision)


def _load_backend(
    model: "SentenceTransformer", tokenizer: EncoderTokenizer, backend: str, precision: str, threads: int
) -> Model:
    """Return what computes batches; see `climb_assets.embeddings.models`."""
    import torch

    if backend == "openvino":
        return OpenvinoModel(model, tokenizer.names, precision, threads)
    computed = TorchModel(model.to(getattr(torch, precision)))
    if backend == "torch":
        return computed
    with on_one_thread():
        return StaticModel(distil(model.tokenizer, computed, threads))


@functools.lru_cache(maxsize=1)
def load_encoder_once(settings: config_encoder.Encoder, runtime: config.Runtime) -> Encoder:
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


def _check_backend(backend: str, device: str) -> None:
    if backend != "openvino":
        return
    if not is_installed("openvino"):
        raise ConfigError("encoder.backend: openvino is not installed; pip install 'climb[openvino]', or use torch")
    if device != "cpu":
        raise ConfigError("encoder.backend: openvino computes on the CPU; set runtime.device: cpu, or use torch")


def _check_tokenizer(model: "SentenceTransformer", settings: config_encoder.Encoder) -> None:
    from transformers import PreTrainedTokenizerFast

    if not isinstance(model.tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(f"encoder.model: {settings.model} has no fast tokenizer; give a model with a tokenizer.json")
    if settings.max_tokens > model.tokenizer.model_max_length:
        limit = model.tokenizer.model_max_length
        raise ConfigError(f"encoder.max_tokens is {settings.max_tokens} but {settings.model} takes {limit}; lower it")
