"""Packed weights: the same numbers, the weights to be had again, and only where they pay."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any, Literal

import pytest
import torch
from quick import slow
from repository import SEPIA
from torch import Tensor, nn

from sdcli.engine import Engine
from sdcli.engine.device import Placement
from sdcli.engine.speed import packing
from sdcli.engine.speed.packing import (
    Packed,
    PackedConv2d,
    PackedLinear,
    PackedPointwise,
    SmallGroupNorm,
    pack,
    plain,
)
from sdcli.images.compare import likeness
from sdcli.request import GenerationRequest

CPU = torch.device("cpu")
PLAIN: dict[type[nn.Module], type[nn.Module]] = {
    PackedLinear: nn.Linear,
    PackedPointwise: nn.Conv2d,
    PackedConv2d: nn.Conv2d,
    SmallGroupNorm: nn.GroupNorm,
}
ROUNDING = {torch.float32: 2e-6, torch.bfloat16: 1e-2}
DTYPES = [
    torch.float32,
    pytest.param(
        torch.bfloat16,
        marks=pytest.mark.skipif(
            not packing.packs(Placement(CPU, torch.bfloat16)),
            reason="this CPU has no instructions for bf16, so its weights are not packed",
        ),
    ),
]

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or not torch.backends.mkldnn.is_available(),
    reason="weights are packed on x86 alone",
)


def packed(layer: nn.Module, dtype: torch.dtype) -> Any:
    """A layer that packs its weight."""
    layer = layer.to(dtype).requires_grad_(False)
    pack(layer, Placement(CPU, dtype))
    return layer


class Without:
    """torch's operators of oneDNN as another version may have them: without one of the names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            raise AttributeError(name)
        return getattr(torch.ops.mkldnn, name)


class Changed(Without):
    """The same with another signature."""

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            return lambda only: only
        return getattr(torch.ops.mkldnn, name)


@pytest.fixture
def other_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], None]]:
    """Puts other operators in the place of torch's."""

    def put(operators: Any) -> None:
        monkeypatch.setattr(packing, "_ONEDNN", operators)
        packing._works.cache_clear()

    yield put
    packing._works.cache_clear()


def test_a_torch_without_one_of_the_private_names_goes_on_plainly(
    other_torch: Callable[[Any], None],
) -> None:
    placement = Placement(CPU, torch.float32)
    assert packing.packs(placement)
    for name in packing._NEEDED:
        other_torch(Without(name))
        assert not packing.packs(placement), name
    for name in ("_linear_pointwise", "_convolution_pointwise"):
        other_torch(Changed(name))
        assert not packing.packs(placement), name


def test_the_plain_pictures_are_the_same(
    builtin: Engine, other_torch: Callable[[Any], None]
) -> None:
    request = GenerationRequest(prompt="a red circle", seed=1, steps=4)
    ours = builtin.generate(request).image
    other_torch(Without("_reorder_convolution_weight"))
    engine = Engine.load(device="cpu")
    assert not any(isinstance(m, Packed) for m in engine._components.backbone.network.modules())
    assert likeness(engine.generate(request).image, ours).greatest <= 1


@contextmanager
def unpacked(engine: Engine) -> Iterator[None]:
    """The engine's networks with torch's own layers."""
    networks = engine._components.backbone.network, engine._components.networks["vae"]
    changed: list[tuple[Any, type, Tensor]] = []
    for module in (m for network in networks for m in network.modules()):
        if type(module) in PLAIN:
            changed.append((module, type(module), module.weight))
            module.weight = nn.Parameter(plain(module), requires_grad=False)
            module.__class__ = PLAIN[type(module)]
    assert changed
    try:
        yield
    finally:
        for module, kind, weight in changed:
            module.__class__ = kind
            module.weight = weight


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 48), (3, 48), (2, 77, 48), (2, 3, 5, 48), (2048, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_that_of_nn_linear(
    shape: tuple[int, ...], bias: bool, dtype: torch.dtype
) -> None:
    layer = nn.Linear(48, 96, bias=bias).to(dtype).requires_grad_(False)
    x = torch.randn(*shape[:-1], 2 * shape[-1])[..., ::2].to(dtype)  # not contiguous
    expected = layer(x)
    assert type(packed(layer, dtype)) is PackedLinear
    _same(layer(x), expected, ROUNDING[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [(4, 48), (48, 3), (48, 96)])
@pytest.mark.parametrize("kernel", [(3, 1, 1), (3, 2, 1), (1, 1, 0)], ids=["3", "half", "1"])
def test_a_convolution_is_that_of_nn_conv2d(
    channels: tuple[int, int],
    kernel: tuple[int, int, int],
    dtype: torch.dtype,
    subtests: pytest.Subtests,
) -> None:
    size, stride, padding = kernel
    modes: tuple[Literal["zeros", "circular"], ...] = ("zeros", "circular")
    several = product(modes, ((1, 1), (2, 2), (9, 7), (32, 32), (64, 40)))
    for mode, places in several:
        with subtests.test(mode=mode, places=places):
            layer = nn.Conv2d(*channels, size, stride, padding).to(dtype).requires_grad_(False)
            layer.padding_mode = mode  # as --tiling sets it
            x = torch.randn(2, channels[0], *places).to(dtype)
            expected = layer(x)
            assert type(packed(layer, dtype)) is (PackedPointwise if size == 1 else PackedConv2d)
            _same(layer(x), expected, ROUNDING[dtype])
            _same(layer(x.to(memory_format=torch.channels_last)), expected, ROUNDING[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("places", [(4, 4), (40, 40)])
def test_a_normalisation_is_that_of_nn_group_norm(
    places: tuple[int, int], dtype: torch.dtype
) -> None:
    layer = nn.GroupNorm(8, 64).to(dtype).requires_grad_(False)
    x = torch.randn(2, 64, *places).to(dtype)
    expected = layer(x)
    layer = packed(layer, dtype)
    assert type(layer) is SmallGroupNorm
    _same(layer(x.to(memory_format=torch.channels_last)), expected, ROUNDING[dtype])


def _same(found: Tensor, expected: Tensor, within: float) -> None:
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert (found.float() - expected.float()).norm() <= within * expected.float().norm()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "make",
    [
        partial(nn.Linear, 48, 96),
        partial(nn.Conv2d, 48, 96, 3),
        partial(nn.Conv2d, 4, 48, 3, 2),
        partial(nn.Conv2d, 48, 96, 1),
    ],
    ids=["linear", "3", "half", "1"],
)
def test_the_weight_comes_back_to_the_last_bit(
    make: Callable[[], nn.Linear | nn.Conv2d], dtype: torch.dtype
) -> None:
    layer = make().to(dtype)
    weight = layer.weight.detach().clone()
    layer = packed(layer, dtype)
    layer(torch.randn(2, weight.shape[1], 9, 9 if weight.ndim == 4 else weight.shape[1]).to(dtype))
    assert layer.weight.is_mkldnn
    assert torch.equal(plain(layer), weight)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 3])
def test_a_weight_that_is_put_in_its_place_counts(size: int, dtype: torch.dtype) -> None:
    """As LoRAs do it, to and fro, and however often the layer was called before."""
    layer, other = (nn.Conv2d(48, 96, size).to(dtype).requires_grad_(False) for _ in range(2))
    x, larger = (torch.randn(2, 48, places, 8).to(dtype) for places in (8, 64))
    expected = {"one": [layer(x), layer(larger)], "other": [other(x), other(larger)]}
    layer = packed(layer, dtype)
    weights: dict[str, Tensor] = {}
    biases = {"one": layer.bias, "other": other.bias}
    for round_ in range(2):
        for name in ("one", "other"):
            if name in weights:
                layer.weight = nn.Parameter(weights[name].detach(), requires_grad=False)
            elif name == "other":
                layer.weight = nn.Parameter(other.weight.detach(), requires_grad=False)
            layer.bias = biases[name]
            for told, meant in zip((x, larger), expected[name], strict=True):
                _same(layer(told), meant, ROUNDING[dtype])
            weights[name] = layer.weight if round_ == 0 else weights[name]


@pytest.mark.skipif(
    "AVX512" not in torch.backends.cpu.get_cpu_capability(),
    reason="oneDNN packs for each shape where vectors are short",
)
def test_shapes_share_a_packing_where_they_can() -> None:
    layer = packed(nn.Conv2d(64, 64, 3, padding=1), torch.float32)
    for places in (32, 40, 48, 64):
        x = torch.randn(1, 64, places, places)
        expected = nn.functional.conv2d(x, plain(layer), layer.bias, padding=1)
        _same(layer(x), expected, ROUNDING[torch.float32])
    assert len({id(weight) for weight in layer._kept.by_shape.values()}) == 1


def test_a_weight_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(torch.ops.mkldnn, name)

    monkeypatch.setattr(packing, "_ONEDNN", Counting())
    layers = [packed(layer, torch.float32) for layer in (nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 1))]
    for _ in range(5):
        for layer in layers:
            layer(torch.randn(1, 8, 16, 16))
    assert [name for name in calls if "reorder" in name] == [
        "_reorder_convolution_weight",
        "_reorder_linear_weight",
    ]


@pytest.mark.parametrize(
    "placement",
    [
        Placement(CPU, torch.float16),
        Placement(torch.device("cuda"), torch.float32),
        Placement(torch.device("mps"), torch.bfloat16),
    ],
    ids=["cpu fp16", "cuda fp32", "mps bf16"],
)
def test_other_formats_and_devices_are_left_alone(placement: Placement) -> None:
    layers = nn.Sequential(nn.Linear(4, 4), nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4))
    pack(layers, placement)
    assert [type(layer) for layer in layers] == [nn.Linear, nn.Conv2d, nn.GroupNorm]


def test_other_processors_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    layer = nn.Linear(4, 4)
    pack(layer, Placement(CPU, torch.float32))
    assert type(layer) is nn.Linear


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(48, 96), nn.Conv2d(48, 96, 1), nn.Conv2d(48, 96, 3, padding=1)],
    ids=["linear", "1×1", "3×3"],
)
def test_a_weight_of_another_format_is_brought_into_the_layers_own(layer: Any) -> None:
    layer.requires_grad_(False)
    layer.weight = nn.Parameter(layer.weight.half().float(), requires_grad=False)
    x = torch.randn(2, 48, *([8, 8] if layer.weight.dim() == 4 else []))
    expected, whole = layer(x), layer.weight
    layer = packed(layer, torch.float32)
    layer.weight = nn.Parameter(whole.half(), requires_grad=False)
    assert torch.equal(plain(layer), whole)
    assert not layer.weight.is_mkldnn
    assert packing.unpacked(layer) == whole.nbytes
    _same(layer(x), expected, 2e-6)
    assert torch.equal(plain(layer), whole)
    assert packing.unpacked(layer) == 0


def test_unpacked_layers_are_of_the_format_that_is_asked(builtin: Engine) -> None:
    layer = packed(nn.Linear(48, 96), torch.bfloat16)
    x = torch.randn(2, 48)
    layer(x.bfloat16())
    packing.unpack(layer, torch.float32)
    layer.float()
    assert layer(x).dtype == torch.float32
    assert plain(layer).dtype == torch.float32


@pytest.mark.parametrize("prompt", ["a red circle", slow(f"a red circle <lora:{SEPIA}:0.7>")])
def test_weights_are_the_files_own_until_they_are_called(
    prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the picture is the one of weights that were brought into their format at once."""
    request = GenerationRequest(prompt=prompt, seed=1, steps=2)

    def weights(engine: Engine) -> list[Tensor]:
        found: list[Any] = [
            m for m in engine._components.backbone.network.modules() if isinstance(m, Packed)
        ]
        return [layer.weight for layer in found if layer.weight.numel() >= 2**16]

    engine = Engine.load(device="cpu")
    assert {weight.dtype for weight in weights(engine)} == {torch.float16}
    late = engine.generate(request).image
    assert all(weight.is_mkldnn for weight in weights(engine))
    monkeypatch.setattr("sdcli.engine.weights.fill._LARGE", sys.maxsize)
    engine = Engine.load(device="cpu")
    assert {weight.dtype for weight in weights(engine)} == {torch.float32}
    assert engine.generate(request).image == late


def test_no_picture_changes(builtin: Engine) -> None:
    request = GenerationRequest(prompt="a red circle", seed=1, steps=8, cfg_scale=5)
    ours = builtin.generate(request).image
    with unpacked(builtin):
        theirs = builtin.generate(request).image
    assert likeness(ours, theirs).greatest <= 1
