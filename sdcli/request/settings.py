"""Settings: how a run is carried out and where its pictures go, but not what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sdcli.images.formats import Format, format_of
from sdcli.models.library import Folders, Only

from .fields import flag

DEFAULT_OUTPUT = "outputs/{date}/{index:05}-{seed}"


class Settings(BaseModel):
    """Device, output and batching: the part of a run that no picture depends on beyond rounding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Annotated[
        int,
        Field(ge=1, le=10_000, description="Pictures per seed: seed, seed+1, …"),
        flag("--count", "-c", panel="Sampling", metavar="N"),
    ] = 1
    interpolate_seeds: Annotated[
        str | None,
        Field(description="Walk between the pictures of these seeds, such as 1,2."),
        flag("--interpolate-seeds", panel="Variations", metavar="SEEDS"),
    ] = None
    frames: Annotated[
        int,
        Field(ge=2, le=10_000, description="Number of pictures in that walk."),
        flag("--frames", panel="Variations", metavar="N"),
    ] = 16
    batch_size: Annotated[
        Annotated[int, Field(ge=1)] | Literal["auto"],
        Field(description="Pictures to make at once; changes none beyond rounding."),
        flag("--batch-size", "-b", panel="Sampling", metavar="N|auto"),
    ] = "auto"
    device: Annotated[
        str,
        Field(
            pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cuda, cuda:N, mps or cpu."
        ),
        flag("--device", panel="Model", metavar="DEVICE"),
    ] = "auto"
    dtype: Annotated[
        Literal["auto", "fp16", "bf16", "fp32"],
        Field(description="Number format; auto is fp16 on a GPU and fp32 on a CPU."),
        flag("--dtype", panel="Model", metavar="auto|fp16|bf16|fp32"),
    ] = "auto"
    offload: Annotated[
        Literal["none", "model", "sequential"],
        Field(description="Keep weights in main memory until needed, by network or by layer."),
        flag("--offload", panel="Model", metavar="none|model|sequential"),
    ] = "none"
    compile: Annotated[
        bool,
        Field(description="Compile the UNet: a slow first step, then faster ones."),
        flag("--compile", panel="Model", metavar=""),
    ] = False
    cuda_graphs: Annotated[
        bool,
        Field(
            description="Launch each step as one CUDA graph: helps small pictures on fast cards."
        ),
        flag("--cuda-graphs", panel="Model", metavar=""),
    ] = False
    models_dir: Annotated[
        tuple[str, ...],
        Field(description="Folder with your models: A1111's, ComfyUI's or your own; repeatable."),
        flag("--models-dir", panel="Model", metavar="FOLDER", repeatable=True),
    ] = ()
    embeddings_dir: Annotated[
        tuple[str, ...],
        Field(description="Folder of embeddings, besides those of --models-dir; repeatable."),
        flag("--embeddings-dir", panel="Model", metavar="FOLDER", repeatable=True),
    ] = ()
    style: Annotated[
        tuple[str, ...],
        Field(description="Add a style from A1111's styles.csv; repeatable."),
        flag("--style", panel="Prompt", metavar="NAME", repeatable=True),
    ] = ()
    styles_file: Annotated[
        tuple[str, ...],
        Field(description="Style file; else styles.csv in the models folders."),
        flag("--styles-file", panel="Prompt", metavar="FILE", repeatable=True),
    ] = ()
    wildcards_dir: Annotated[
        tuple[str, ...],
        Field(description="Folder with the lines for __name__ in prompts; repeatable."),
        flag("--wildcards-dir", panel="Prompt", metavar="FOLDER", repeatable=True),
    ] = ()
    offline: Annotated[
        bool,
        Field(description="Never use the network."),
        flag("--offline", panel="Model", metavar=""),
    ] = False
    output: Annotated[
        str,
        Field(
            min_length=1,
            description="Template, folder (ending in /), file, or - for bytes on stdout.",
        ),
        flag("--output", "-o", panel="Output", metavar="PATH"),
    ] = DEFAULT_OUTPUT
    format: Annotated[
        Format | None,
        Field(description="png, jpg or webp; else by the output's ending, else png."),
        flag("--format", panel="Output", metavar="png|jpg|webp"),
    ] = None
    quality: Annotated[
        int,
        Field(ge=1, le=100, description="Quality of jpg and webp."),
        flag("--quality", panel="Output", metavar="1-100"),
    ] = 90
    animate: Annotated[
        str | None,
        Field(
            pattern=r"\.(?i:gif|webp)$", description="Also save all pictures as one .gif or .webp."
        ),
        flag("--animate", panel="Output", metavar="FILE"),
    ] = None
    preview: Annotated[
        str | None,
        Field(
            pattern=r"\.(?i:png|jpe?g|webp)$", description="Keep the picture so far in this file."
        ),
        flag("--preview", panel="Output", metavar="FILE"),
    ] = None
    preview_every: Annotated[
        int,
        Field(ge=1, description="Steps between previews."),
        flag("--preview-every", panel="Output", metavar="N"),
    ] = 5
    show: Annotated[
        bool,
        Field(description="Also show each picture in the terminal."),
        flag("--show", panel="Output", metavar=""),
    ] = False
    overwrite: Annotated[
        bool,
        Field(description="Replace existing files."),
        flag("--overwrite", panel="Output", metavar=""),
    ] = False
    no_metadata: Annotated[
        bool,
        Field(description="Leave the settings out of the file."),
        flag("--no-metadata", panel="Output", metavar=""),
    ] = False

    @field_validator(
        "models_dir", "embeddings_dir", "style", "styles_file", "wildcards_dir", mode="before"
    )
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @property
    def models_folders(self) -> Folders:
        """The folders that models, LoRAs, VAEs and embeddings are found in."""
        own = [
            Only(Path(folder).expanduser(), "embedding", "--embeddings-dir")
            for folder in self.embeddings_dir
        ]
        return [*(Path(folder).expanduser() for folder in self.models_dir), *own]

    @property
    def file_format(self) -> Format:
        """The format to write: chosen, or by the output's ending, or png."""
        return self.format or format_of(self.output) or "png"
