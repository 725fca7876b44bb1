"""Backends of the encoder: what each has to do with the vectors that torch gives in float32."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from climb_assets.config import Runtime
from climb_assets.config_encoder import Encoder as EncoderSettings
from climb_assets.embeddings.encoder import Encoder, load_encoder
from climb_assets.errors import ConfigError

LAYERS = "encoder.layer."
MISSING = "OpenVINO is not installed: pip install 'climb[openvino]'"


@pytest.fixture(scope="session")
def settings(settings: EncoderSettings, tmp_path_factory: pytest.TempPathFactory) -> EncoderSettings:
    """The tiny encoder with weights so large that its layers decide what comes out."""
    folder = tmp_path_factory.mktemp("lively") / "model"
    shutil.copytree(settings.model, folder)
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        if name.startswith(LAYERS) and tensor.ndim == 2:
            tensor *= 10
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return settings.model_copy(update={"model": str(folder)})


@pytest.fixture(scope="session")
def encoder(settings: EncoderSettings) -> Encoder:
    """Torch in float32."""
    return load(settings, "torch", "float32")


def load(settings: EncoderSettings, backend: str, precision: str, threads: int = 2) -> Encoder:
    """Load the tiny encoder by another backend."""
    changed = settings.model_copy(update={"backend": backend, "precision": precision})
    return load_encoder(changed, Runtime(threads=threads, device="cpu"))


def deviation(encoder: Encoder, reference: Encoder, texts: list[str]) -> float:
    """Return how far vectors lie from those of the reference, as a share of how far texts lie apart."""
    one, other = (each.encode(texts).vectors.astype(np.float64) for each in (encoder, reference))
    return float(np.sqrt(np.square(one - other).sum() / np.square(other - other.mean(axis=0)).sum()))


@pytest.mark.parametrize(("precision", "most"), [("float32", 0.001), ("bfloat16", 0.05), ("int8", 0.1)])
def test_openvino_gives_the_vectors_of_torch(
    settings: EncoderSettings, encoder: Encoder, texts: list[str], precision: str, most: float
) -> None:
    pytest.importorskip("openvino", reason=MISSING)
    loaded = load(settings, "openvino", precision)
    assert (loaded.backend, loaded.precision, loaded.dimension) == ("openvino", precision, encoder.dimension)
    assert deviation(loaded, encoder, texts) < most
    assert loaded.encode(texts).tokens == encoder.encode(texts).tokens


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_openvino_gives_the_same_bytes_again_on_any_number_of_threads(
    settings: EncoderSettings, texts: list[str], precision: str
) -> None:
    pytest.importorskip("openvino", reason=MISSING)
    made = {load(settings, "openvino", precision, threads).encode(texts).vectors.tobytes() for threads in (1, 2, 2, 3)}
    assert len(made) == 1


def test_int8_is_another_arithmetic_than_float32(settings: EncoderSettings, texts: list[str]) -> None:
    pytest.importorskip("openvino", reason=MISSING)
    assert deviation(load(settings, "openvino", "int8"), load(settings, "openvino", "float32"), texts) > 0.01


def test_weights_are_rounded_by_half_a_step_at_most() -> None:
    openvino = pytest.importorskip("openvino", reason=MISSING)
    import openvino.opset13 as operations

    from climb_assets.embeddings.models import quantise_weights

    weights = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    weights[3] = 0
    given = operations.parameter([-1, 64], np.float32)
    graph = openvino.Model([operations.matmul(given, operations.constant(weights), False, True)], [given])
    assert quantise_weights(graph) == 64
    compiled = openvino.Core().compile_model(
        graph, "CPU", {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "INFERENCE_PRECISION_HINT": "f32"}
    )
    rounded = compiled([np.eye(64, dtype=np.float32)])[0].T
    steps = np.abs(weights).max(axis=1, keepdims=True) / 127
    assert (np.abs(rounded - weights) <= steps / 2 + 1e-6).all()


def test_openvino_that_is_not_installed_is_one_sentence(
    settings: EncoderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("climb_assets.environment", "climb_assets.embeddings.encoder"):
        monkeypatch.setattr(f"{module}.is_installed", lambda distribution: False)
    with pytest.raises(ConfigError, match=r"pip install 'climb\[openvino\]', or use torch"):
        load(settings, "openvino", "auto")
    assert load(settings, "auto", "float32").backend == "torch"


def test_openvino_computes_on_no_gpu(settings: EncoderSettings) -> None:
    pytest.importorskip("openvino", reason=MISSING)
    with pytest.raises(ConfigError, match=r"set runtime\.device: cpu"):
        load_encoder(settings.model_copy(update={"backend": "openvino"}), Runtime(device="cuda"))


def test_a_static_model_looks_at_words_one_by_one(settings: EncoderSettings) -> None:
    static = load(settings, "static", "float32")
    one, turned, other = static.encode(["river lake bread", "bread river lake", "oven proof set"]).vectors.astype(float)
    np.testing.assert_allclose(one, turned, atol=1e-3)
    assert one @ other < 0.9


def test_a_static_model_gives_the_same_bytes_again(settings: EncoderSettings, texts: list[str]) -> None:
    made = {load(settings, "static", "float32", threads).encode(texts).vectors.tobytes() for threads in (1, 2, 2)}
    assert len(made) == 1
