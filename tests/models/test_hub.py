"""Which of a hub repository's files are fetched: one set of weights a component, nothing else."""

from __future__ import annotations

from sdcli.models.hub import choose_files

CONFIGURATION = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "vae/config.json",
]
UNET = "unet/diffusion_pytorch_model"
WEIGHTS = [
    "text_encoder/model.safetensors",
    f"{UNET}.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
]


def weights(*names: str) -> list[str]:
    """Of these files, those chosen."""
    return choose_files(names)


def test_of_a_whole_repository_only_what_is_read_is_chosen() -> None:
    """A repository as Stable Diffusion 1.5's, with everything that people put into one."""
    others = [
        *(".gitattributes", "README.md", "v1-inference.yaml", "image.png"),
        *("v1-5-pruned.ckpt", "v1-5-pruned.safetensors", "v1-5-pruned-emaonly.safetensors"),
        *("safety_checker/config.json", "safety_checker/model.safetensors"),
        *("feature_extractor/preprocessor_config.json", "image_encoder/config.json"),
        *("controlnet/config.json", "prior/model.safetensors"),
        *(f"{UNET}.bin", f"{UNET}.fp16.bin", f"{UNET}.fp16.safetensors"),
        *(f"{UNET}.non_ema.bin", f"{UNET}.non_ema.safetensors"),
        *("text_encoder/pytorch_model.bin", "text_encoder/flax_model.msgpack"),
        *("text_encoder/model.onnx", "vae/diffusion_flax_model.msgpack", "vae/model.onnx"),
        *("checkpoint-500/unet/config.json", f"checkpoint-500/{UNET}.safetensors"),
    ]
    assert sorted(choose_files([*others, *CONFIGURATION, *WEIGHTS])) == sorted(
        [*CONFIGURATION, *WEIGHTS]
    )


def test_each_component_is_chosen_for_by_itself() -> None:
    names = [f"{UNET}.safetensors", f"{UNET}.bin", "text_encoder/pytorch_model.bin"]
    assert sorted(weights(*names)) == ["text_encoder/pytorch_model.bin", f"{UNET}.safetensors"]


def test_the_index_of_shards_comes_along() -> None:
    names = [f"{UNET}-00001-of-00001.safetensors", f"{UNET}.safetensors.index.json"]
    assert sorted(weights(*names)) == sorted(names)


def test_a_single_file_checkpoint_is_no_model_folder() -> None:
    assert weights("sd.safetensors", "sd.ckpt", "sd.yaml", "config.json") == []


def test_the_order_of_the_names_does_not_matter() -> None:
    names = [*CONFIGURATION, *WEIGHTS, f"{UNET}.bin"]
    assert choose_files(names) == choose_files(reversed(names))
