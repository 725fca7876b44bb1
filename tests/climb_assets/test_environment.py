"""The environment: what auto comes to, what is recorded, and which changes count."""

import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.environment import (
    Difference,
    Environment,
    architecture_class,
    classify_architecture,
    counted,
    differences,
    is_installed,
    package_versions,
    resolve_backend,
    resolve_device,
    resolve_precision,
    resolve_revision,
)

COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40


def test_planning_needs_no_torch_where_there_is_no_gpu(tmp_path: Path) -> None:
    (tmp_path / "nvme0").touch()
    program = (
        "import sys, pathlib\nfrom climb_assets.environment import *\n"
        "device = resolve_device('auto', pathlib.Path(sys.argv[1]))\n"
        "print(device, resolve_precision('auto', device), architecture_class(), 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "cpu"
    assert done.stdout.split()[-1] == "False"


@pytest.mark.parametrize("file", ["nvidia0", "nvidiactl", "nvhost-ctrl", "dxg", "kfd"])
def test_where_there_may_be_a_gpu_torch_is_asked(tmp_path, file) -> None:
    import torch

    (tmp_path / file).touch()
    assert resolve_device("auto", tmp_path) == ("cuda" if torch.cuda.is_available() else "cpu")


def test_what_is_asked_for_is_taken(tmp_path: Path) -> None:
    assert resolve_device("cuda", tmp_path) == "cuda"
    (tmp_path / "nvidia0").touch()
    assert resolve_device("cpu", tmp_path) == "cpu"
    assert resolve_precision("float16", "cpu") == "float16"
    assert resolve_precision("float32", "cuda") == "float32"


def test_encoder_and_training_compute_in_the_same_precision_on_a_cpu() -> None:
    import torch

    fast = architecture_class().endswith(("avx512_bf16", "amx_bf16"))
    assert resolve_precision("auto", "cpu") == ("bfloat16" if fast else "float32")
    assert resolve_precision("auto", "cpu", gradients=True) == resolve_precision("auto", "cpu")
    if platform.machine() == "x86_64":
        assert fast == torch.cpu._is_avx512_bf16_supported()


@pytest.mark.parametrize("backend", ["torch", "openvino", "static"])
def test_a_backend_that_is_asked_for_is_taken(backend) -> None:
    assert resolve_backend(backend, "cpu") == resolve_backend(backend, "cuda") == backend


def test_int8_is_taken_where_the_processor_has_it_and_openvino_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    fast = bool({"avx512_vnni", "avx_vnni", "amx_int8"} & set(listed))
    assert (resolve_precision("auto", "cpu", backend="openvino") == "int8") == fast
    assert resolve_precision("auto", "cpu", backend="static") == resolve_precision("auto", "cpu") != "int8"
    assert resolve_precision("bfloat16", "cpu", backend="openvino") == "bfloat16"
    assert resolve_backend("auto", "cuda") == "torch"
    for installed in (True, False):
        monkeypatch.setattr("climb_assets.environment.is_installed", lambda distribution, found=installed: found)
        assert resolve_backend("auto", "cpu") == ("openvino" if fast and installed else "torch")


def test_what_is_installed_is_found_by_its_distribution() -> None:
    assert is_installed("numpy") and is_installed("scikit-learn") and not is_installed("nothing-of-that-name")


def test_a_gpu_computes_in_what_it_has_and_trains_in_no_float16() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no GPU here")
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    assert resolve_precision("auto", "cuda") == ("bfloat16" if native else "float16")
    assert resolve_precision("auto", "cuda", gradients=True) == ("bfloat16" if native else "float32")


@pytest.mark.parametrize(
    ("machine", "features", "expected"),
    [
        ("x86_64", "sse2 avx avx2 fma", "x86_64 avx2"),
        ("AMD64", "avx avx2 avx512f", "x86_64 avx512f"),
        ("x86_64", "avx2 avx512f avx512_bf16", "x86_64 avx512_bf16"),
        ("x86_64", "avx2 avx512f avx512_bf16 amx_bf16", "x86_64 amx_bf16"),
        ("x86_64", "", "x86_64"),
        ("arm64", "", "aarch64"),
        ("aarch64", "asimd sve", "aarch64 sve"),
        ("riscv64", "rv64", "riscv64"),
    ],
)
def test_a_processor_has_a_class(machine, features, expected) -> None:
    assert classify_architecture(machine, frozenset(features.split())) == expected


def test_this_processor_has_the_features_that_numpy_finds() -> None:
    umath = np._core._multiarray_umath.__cpu_features__
    if platform.machine() != "x86_64":
        pytest.skip("no x86")
    best = architecture_class().partition(" ")[2]
    assert umath["AVX2"] == (best in ("avx2", "avx512f", "avx512_bf16", "amx_bf16"))
    assert umath["AVX512F"] == (best in ("avx512f", "avx512_bf16", "amx_bf16"))


def test_versions_are_those_of_the_distributions_that_modules_come_from() -> None:
    found = package_versions(frozenset({"numpy", "sklearn", "yaml", "faiss", "nothing_of_that_name"}))
    assert found["python"] == platform.python_version()
    assert found["numpy"] == version("numpy")
    assert found["scikit-learn"] == version("scikit-learn")
    assert found["pyyaml"] == version("pyyaml")
    assert {"faiss-cpu", "faiss-gpu"} & found.keys()
    assert len(found) == 5


def test_a_module_is_of_the_distributions_that_python_finds() -> None:
    program = (  # in a process of its own: what this one has imported may have added places to look
        "import json\nfrom importlib.metadata import packages_distributions\n"
        "from climb_assets.environment import package_versions\nmodules = packages_distributions()\n"
        "print(json.dumps([modules, package_versions(frozenset(modules))]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules, found = json.loads(done.stdout)
    names = {re.sub(r"[-_.]+", "-", name).lower() for distributions in modules.values() for name in distributions}
    assert found.keys() == {"python"} | names


def test_what_is_left_of_a_distribution_without_its_metadata_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "numpy-1.0.dist-info").mkdir()
    (tmp_path / "numpy-1.0.dist-info" / "RECORD").write_text("numpy/core.py,,\n")
    program = (
        "import sys\nsys.path.append(sys.argv[1])\n"
        "from climb_assets.environment import package_versions\nprint(package_versions(frozenset({'numpy'}))['numpy'])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version("numpy")


HERE = Environment("x86_64 avx2", "cpu", "float32", packages={"numpy": "2.3.1", "python": "3.11.7"})


def test_a_record_is_flat_and_leaves_out_what_is_not_used() -> None:
    assert HERE.record == {
        "architecture": "x86_64 avx2",
        "device": "cpu",
        "precision": "float32",
        "package numpy": "2.3.1",
        "package python": "3.11.7",
    }
    assert Environment("aarch64").record == {"architecture": "aarch64"}


@pytest.mark.parametrize(
    ("before", "now", "size"),
    [
        ("2.3.1", "2.3.2", "patch"),
        ("2.3.1", "2.3", "patch"),
        ("2.13.0+cpu", "2.13.1+cpu", "patch"),
        ("2.13.0+cpu", "2.13.0+cu128", "release"),
        ("2.3.1", "2.4.1", "release"),
        ("2.3.1", "3.3.1", "release"),
        ("2.3.1", "2.3.2rc1", "release"),
        ("2.3.1", None, "release"),
        (None, "2.3.1", "release"),
        ("unknown", "2.3.1", "release"),
    ],
)
def test_a_version_changes_by_a_patch_or_a_release(before, now, size) -> None:
    records = [{"package numpy": version} if version else {} for version in (before, now)]
    assert differences(*records) == [Difference("package numpy", before, now, size)]


def test_what_is_computed_on_and_in_is_told_as_such() -> None:
    gpu = Environment("aarch64", "cuda", "bfloat16", COMMIT, HERE.packages)
    found = differences(HERE.record, gpu.record)
    assert [(difference.name, difference.now) for difference in found] == [
        ("architecture", "aarch64"),
        ("commit", COMMIT),
        ("device", "cuda"),
        ("precision", "bfloat16"),
    ]
    assert {difference.size for difference in found} == {"computing"}


records = st.dictionaries(st.sampled_from(["architecture", "device", "package a", "package b"]), st.text(max_size=3))


@given(records, records)
def test_differences_lead_from_one_record_to_the_other(before, now) -> None:
    found = differences(before, now)
    led = {**before, **{each.name: each.now for each in found}}
    assert {name: value for name, value in led.items() if value is not None} == now
    assert differences(now, now) == []


def test_what_would_mix_two_kinds_of_vectors_or_models_always_counts() -> None:
    encoder = Environment("x86_64 avx2", "cpu", "float32", COMMIT, {"numpy": "2.3.1"})
    assert counted(encoder, "warn") == {"device", "precision", "commit"}
    assert counted(encoder, "stale") == encoder.record.keys()
    assert counted(Environment("aarch64", packages={"numpy": "2.3.1"}), "warn") == set()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache of models as the hub's library lays it out, with two models in it."""
    for owner, commit in (("owner", COMMIT), ("sentence-transformers", OTHER)):
        folder = tmp_path / f"models--{owner}--encoder"
        blob, snapshot = folder / "blobs" / "b10b", folder / "snapshots" / commit
        for made in (blob.parent, snapshot, folder / "refs"):
            made.mkdir(parents=True)
        blob.write_text("{}")
        (snapshot / "config.json").symlink_to(os.path.relpath(blob, snapshot))
        (folder / "refs" / "main").write_text(commit)
        (folder / "refs" / "v1").write_text(commit)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("model", "revision", "commit"),
    [
        ("owner/encoder", None, COMMIT),
        ("owner/encoder", "main", COMMIT),
        ("owner/encoder", "v1", COMMIT),
        ("owner/encoder", COMMIT, COMMIT),
        ("owner/encoder", OTHER, OTHER),  # pinned: there is nothing to look up
        ("owner/encoder", "v2", None),
        ("encoder", None, OTHER),
        ("owner/another", None, None),
        ("no/model/at all", None, None),
    ],
)
def test_a_model_of_the_hub_has_a_commit(cache, model, revision, commit) -> None:
    assert resolve_revision(model, revision) == commit


def test_the_commit_is_that_of_what_is_loaded(cache: Path) -> None:
    from huggingface_hub import try_to_load_from_cache

    loaded = try_to_load_from_cache("owner/encoder", "config.json", cache_dir=cache)
    assert isinstance(loaded, str)
    assert Path(loaded).parent.name == resolve_revision("owner/encoder", None)


def test_a_folder_has_no_commit(cache: Path) -> None:
    assert resolve_revision(str(cache), None) is None
