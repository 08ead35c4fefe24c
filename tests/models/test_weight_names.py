"""Which files of a component's folder are its weights, among all that real folders hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcli.errors import ModelError
from sdcli.models.folder import weight_files
from sdcli.models.weight_names import choose

STEM = "diffusion_pytorch_model"
SHARDS = [f"{STEM}-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]  # FLUX.1-dev's
# transformers writes a variant before the shard's number; diffusers before 0.32 wrote it after.
HALF_SHARDS = [f"model.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)]
OLD_HALF_SHARDS = [f"{STEM}-0000{n}-of-00002.fp16.safetensors" for n in (1, 2)]
# All that stands in unet/ of stable-diffusion-v1-5/stable-diffusion-v1-5.
SD15 = [
    f"{STEM}{variant}.{ending}"
    for variant in ("", ".fp16", ".non_ema")
    for ending in ("bin", "safetensors")
]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        pytest.param(SD15, [f"{STEM}.safetensors"], id="Stable Diffusion 1.5"),
        pytest.param(
            [name for name in SD15 if name.endswith("bin")], [f"{STEM}.bin"], id="pickles alone"
        ),
        pytest.param(
            [f"{STEM}.non_ema.safetensors", f"{STEM}.bin"], [f"{STEM}.bin"], id="other weights"
        ),
        pytest.param([f"{STEM}.non_ema.bin"], [f"{STEM}.non_ema.bin"], id="nothing else"),
        pytest.param(
            [f"{STEM}.fp16.safetensors", f"{STEM}.bin"], [f"{STEM}.fp16.safetensors"], id="safe"
        ),
        pytest.param([*SHARDS, f"{STEM}.safetensors.index.json"], SHARDS, id="shards"),
        pytest.param([*HALF_SHARDS, "model.safetensors"], ["model.safetensors"], id="half in two"),
        pytest.param(HALF_SHARDS[::-1], HALF_SHARDS, id="half alone"),
        pytest.param(OLD_HALF_SHARDS[::-1], OLD_HALF_SHARDS, id="half in two, as once"),
        pytest.param(
            [*SHARDS[:2], f"{STEM}.safetensors"], [f"{STEM}.safetensors"], id="whole before parts"
        ),
        pytest.param(
            ["pytorch_model.bin", "model.safetensors", "flax_model.msgpack", "openvino_model.bin"],
            ["model.safetensors"],
            id="a text encoder of several programs",
        ),
        pytest.param([f"{STEM}.ckpt", f"{STEM}.msgpack"], [], id="another format"),
        pytest.param(["config.json", "openvino_model.bin"], [], id="of another program"),
        pytest.param(["sdxl_vae.safetensors"], ["sdxl_vae.safetensors"], id="renamed"),
        pytest.param(["a.safetensors", "b.safetensors"], [], id="two that are renamed"),
    ],
)
def test_one_set_of_weights_is_chosen(names: list[str], chosen: list[str]) -> None:
    assert choose(names) == choose(reversed(names)) == chosen


def test_a_part_that_is_missing_is_told(tmp_path: Path) -> None:
    for name in (SHARDS[0], SHARDS[2]):
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=rf"part 2 of 3 of {STEM} is missing"):
        weight_files(tmp_path)
