"""What a request will take, told before a model is loaded: its model calls and its tokens."""

from __future__ import annotations

from sdcli.images.tiles import Tiling
from sdcli.models import Model
from sdcli.models.tokenizers.clip import ClipTokenizer
from sdcli.prompts.and_prompts import shares
from sdcli.prompts.chunks import read
from sdcli.prompts.lora_tags import split
from sdcli.prompts.schedule import Pass, timeline
from sdcli.request import GenerationRequest
from sdcli.request.calls import calls_over
from sdcli.request.pictures import concrete_size, enlarged_size, read_init, tiles_sized
from sdcli.sampling import TrainingTable


def model_calls(request: GenerationRequest, model: Model) -> int | None:
    """Return all calls of the model for one picture, both prompts together counted as one.

    None where the sampler decides that itself. Raises UsageError.
    """
    total = 0
    for each in request.passes:
        calls = _of_a_pass(each, model.table)
        if calls is None:
            return None
        total += calls
    return total * tile_count(request, model)


def tile_count(request: GenerationRequest, model: Model) -> int:
    """Return the tiles that its picture is made of, 1 for one in a piece. Raises UsageError."""
    if request.upscale is None:
        return 1
    whole = tiles_sized(request, model.native_size, multiple=model.latents.multiple)
    size = enlarged_size(read_init(request).size, request.upscale)
    tiling = Tiling(size, concrete_size(whole), request.tile_overlap)
    return len(tiling.columns) * len(tiling.rows)


def _of_a_pass(request: GenerationRequest, table: TrainingTable) -> int | None:
    sampler = request.resolved_sampler.on(table)
    if sampler.scheduler:
        return None  # of diffusers, which is not there yet
    from_picture = request.init_img is not None and not request.invert
    sigmas = request.tail(table).sigmas if from_picture else request.levels(table)
    return calls_over(request, sampler, tuple(sigmas))


def token_count(request: GenerationRequest, text: str, tokenizer: ClipTokenizer) -> int:
    """Return the most tokens that are read of a prompt at once, without start, end and padding.

    Embeddings count as their names.
    """
    calls = request.resolved_sampler.prompt_calls(request.steps)
    texts = [
        stretch.text
        for share in shares(split(text)[0])
        for stretch in timeline(share.text, Pass(calls, old=request.old_timelines))
    ]
    counts = (
        sum(
            len(chunk)
            for chunk in read(
                each,
                tokenizer.ids,
                comma=tokenizer.id(",</w>"),
                emphasis=request.emphasis,
                words={},
            )
        )
        for each in texts
    )
    return max(counts, default=0)
