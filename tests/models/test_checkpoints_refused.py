"""Files that are no checkpoint for sdcli: told by name in one line, before torch is imported."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

INPUT = "model.diffusion_model.input_blocks.0.0.weight"
SD1 = "cond_stage_model.transformer.text_model.final_layer_norm.weight"


def tensors(*names: str, channels: int = 4) -> bytes:
    """A safetensors file with those tensors."""
    shapes = {INPUT: (8, channels, 3, 3)}
    return save({name: np.zeros(shapes.get(name, (4,)), "f2") for name in names})


def pickled(content: object) -> bytes:
    """A file as torch saves it, with any content."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content))
    return data.getvalue()


class Malicious:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("it-ran"),)


WHOLE = tensors(INPUT, SD1)
CASES = [
    pytest.param(
        "a.safetensors", WHOLE[:40], "is damaged, or not a safetensors file", id="cut short"
    ),
    pytest.param(
        "a.safetensors", WHOLE[:-5], "is damaged, or not a safetensors file", id="cut late"
    ),
    pytest.param("a.safetensors", b"", "is empty", id="empty"),
    pytest.param("a.safetensors", pickled({}), "no Stable Diffusion checkpoint", id="a pickle"),
    pytest.param("a.ckpt", b"hello", "is damaged, or was not saved by torch", id="no pickle"),
    pytest.param(
        "a.ckpt", b"PK\x03\x04 and so on", "is damaged, or was not saved by torch", id="no zip"
    ),
    pytest.param("a.ckpt", pickled(Malicious()), "holds more than tensors", id="malicious"),
    pytest.param("a.ckpt", pickled([1, 2]), "no Stable Diffusion checkpoint", id="no tensors"),
    pytest.param(
        "a.safetensors",
        save({"x": np.zeros(1)}, {"sdcli": '{"family": "no such"}'}),
        "was not written by sdcli",
        id="strange metadata",
    ),
    pytest.param("a.txt", b"hello", "does not have the ending of a checkpoint", id="text"),
    pytest.param(
        "a.safetensors",
        tensors("lora_unet_x.lora_up.weight", "lora_unet_x.lora_down.weight"),
        "is a LoRA",
        id="LoRA",
    ),
    pytest.param("a.safetensors", tensors("emb_params"), "is a textual inversion", id="embedding"),
    pytest.param(
        "a.safetensors", tensors("encoder.down.0.block.0.conv1.weight"), "is a VAE", id="VAE"
    ),
    pytest.param("a.safetensors", tensors(INPUT), "without its text encoder and VAE", id="UNet"),
    pytest.param(
        "a.safetensors", tensors("double_blocks.0.img_attn.qkv.weight"), "a Flux model", id="Flux"
    ),
    pytest.param(
        "a.safetensors",
        tensors("model.diffusion_model.x_embedder.proj.weight", INPUT),
        "a Stable Diffusion 3 model",
        id="SD3",
    ),
    pytest.param(
        "a.safetensors",
        tensors("conditioner.embedders.0.model.ln_final.weight", INPUT),
        "an SDXL refiner model",
        id="refiner",
    ),
    pytest.param(
        "a.safetensors", tensors(INPUT, SD1, channels=8), "takes 8 channels", id="editing"
    ),
    pytest.param("a.safetensors", WHOLE, "looks like Stable Diffusion 1, but has no", id="pruned"),
]


@pytest.mark.parametrize(("name", "content", "message"), CASES)
def test_is_told_in_one_line(sdcli: Any, name: str, content: bytes, message: str) -> None:
    Path(name).write_bytes(content)
    result = sdcli("gen", "a fox", "-m", name, "-o", "x.png")
    assert result.code == 2
    assert message in result.err
    assert result.err.count("error:") == 1
    assert "Traceback" not in result.err
    assert [path.name for path in Path().iterdir()] == [name]
