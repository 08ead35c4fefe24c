"""Reading ComfyUI's pictures: the nodes that made one, as fields of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from sdcli.errors import UsageError

_SAMPLERS = ("KSampler", "KSamplerAdvanced")
_LATENTS = ("EmptyLatentImage", "EmptySD3LatentImage")
# What these do is said by the nodes that use them, or is nothing that a picture depends on.
_PLAIN = (
    *("CheckpointLoaderSimple", "CLIPTextEncode", "CLIPSetLastLayer", "VAEDecode", "VAEEncode"),
    *("LoraLoader", "LoraLoaderModelOnly", "LoadImage", "SaveImage", "PreviewImage", "VAELoader"),
    *("VAEDecodeTiled", "PrimitiveNode", "Note", "Reroute"),
)
_DEEPEST = 100  # links that are followed

Node = Mapping[str, Any]
Values = dict[str, Any]


def comfyui_values(text: str) -> tuple[Values, dict[str, str]]:
    """Read the request's keys that a "prompt" chunk sets, and what of its nodes cannot be honored.

    ComfyUI's noise is torch's of the CPU, and its weights are not normalized. Raises UsageError for
    a text that is no such thing, or has no sampler in it.
    """
    try:
        nodes = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the picture's nodes are not valid JSON: {error}") from error
    if not isinstance(nodes, dict) or not all(isinstance(node, dict) for node in nodes.values()):
        raise UsageError("the picture's nodes are not ComfyUI's")
    graph = _Graph(nodes)
    samplers = [node for node in graph.nodes.values() if _kind(node) in _SAMPLERS]
    if not samplers:
        raise UsageError("none of the picture's nodes is a sampler that sdcli knows")
    # Of several the first: what another makes of its picture is no part of a request.
    first = next(
        (node for node in samplers if _kind(graph.at(node, "latent_image")) in _LATENTS),
        samplers[0],
    )
    known = (*_SAMPLERS[:1], *_LATENTS, *_PLAIN)
    rest = {_kind(node): "a node" for node in graph.nodes.values() if _kind(node) not in known}
    if len(samplers) > 1:
        rest["KSampler"] = f"{len(samplers) - 1} more of them"
    return {**_sampling(first), **graph.beginning(first), **graph.words(first), "rng": "cpu"}, rest


def _kind(node: Node | None) -> str:
    return str((node or {}).get("class_type", ""))


def _inputs(node: Node | None) -> Mapping[str, Any]:
    inputs = (node or {}).get("inputs")
    return inputs if isinstance(inputs, dict) else {}


def _sampling(node: Node) -> Values:
    inputs = _inputs(node)
    names = {
        "seed": "seed",
        "noise_seed": "seed",
        "steps": "steps",
        "cfg": "cfg_scale",
        "sampler_name": "sampler",
        "scheduler": "scheduler",
    }
    return {
        field: inputs[name]
        for name, field in names.items()
        if isinstance(inputs.get(name), (int, float, str))
    }


class _Graph:
    """Nodes by their ids; a link is a node's id and the number of its output."""

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        self.nodes: Mapping[str, Node] = nodes

    def at(self, node: Node | None, name: str) -> Node | None:
        """Return the node that an input is linked to."""
        link = _inputs(node).get(name)
        return self.nodes.get(str(link[0])) if isinstance(link, list) and link else None

    def beginning(self, sampler: Node) -> Values:
        """Return the size, or the picture that it begins from."""
        latent = self.at(sampler, "latent_image")
        inputs = _inputs(latent)
        if _kind(latent) in _LATENTS:
            return {
                key: inputs[key] for key in ("width", "height") if isinstance(inputs.get(key), int)
            }
        image = _inputs(self.at(latent, "pixels")).get("image")
        if not isinstance(image, str):
            return {}
        strength = _inputs(sampler).get("denoise", 1.0)
        # Its steps are all made, from where the strength enters.
        return {"init_img": image, "strength": strength, "full_steps": True}

    def words(self, sampler: Node) -> Values:
        """Return the prompts, and the model's parts: checkpoint, LoRAs, layers of CLIP, VAE."""
        values: Values = {"prompt": self._text(sampler, "positive")}
        values["negative_prompt"] = self._text(sampler, "negative")
        if "(" in values["prompt"] + values["negative_prompt"]:
            values["emphasis"] = "no-norm"
        tags = []
        node = self.at(sampler, "model")
        for _ in range(_DEEPEST):
            inputs = _inputs(node)
            if name := inputs.get("ckpt_name"):
                values["model"] = _stem(name)
            if name := inputs.get("lora_name"):
                unet = inputs.get("strength_model", 1.0)
                tags.append(f"<lora:{_stem(name)}:{inputs.get('strength_clip', unet)}:{unet}>")
            if (node := self.at(node, "model")) is None:
                break
        values["prompt"] = " ".join(filter(None, (values["prompt"], *reversed(tags))))
        for node in self.nodes.values():
            last = _inputs(node).get("stop_at_clip_layer")
            if isinstance(last, int) and last < -1:
                values["clip_skip"] = -last
            name = _inputs(node).get("vae_name")
            if _kind(node) == "VAELoader" and isinstance(name, str):
                values["vae"] = _stem(name)
        return values

    def _text(self, node: Node | None, name: str) -> str:
        """Return the first text on the way from an input."""
        for _ in range(_DEEPEST):
            node, name = self.at(node, name), _next(self.at(node, name))
            for key in ("text", "string", "value"):
                if isinstance(text := _inputs(node).get(key), str):
                    return text
            if node is None:
                break
        return ""


def _next(node: Node | None) -> str:
    """Return the input of a node through which a text comes."""
    names = ("text", "conditioning", "conditioning_1", "positive", "string", "value")
    return next((name for name in names if name in _inputs(node)), "")


def _stem(name: Any) -> str:
    return PurePath(str(name).replace("\\", "/")).stem
