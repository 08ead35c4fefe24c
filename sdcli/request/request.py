"""GenerationRequest: the one schema of everything that is needed to make one picture again.

Flags, presets, the config file and a picture's own text are all read into these fields; a field
carries its flag, its limits and its help, so nothing else lists them a second time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, PrivateAttr, ValidationError, model_validator

from sdcli.errors import UsageError
from sdcli.prompts import lora_tags
from sdcli.request.schema.basics import ModelFields, PictureFields, PromptFields
from sdcli.request.schema.guidance import (
    ApproximateFields,
    GuidanceFields,
    check_approximate,
    check_guidance,
)
from sdcli.request.schema.img2img import InitFields, check_init, check_inversion
from sdcli.request.schema.inpaint import MASKS, MaskFields, check_mask
from sdcli.request.schema.sampling import SamplingFields, VariationFields, check_variation
from sdcli.request.schema.upscale import (
    OF_A_SECOND_PASS,
    HiresFields,
    TileFields,
    check_hires,
    check_tiles,
    enlarging,
)
from sdcli.sampling import AUTOMATIC, Sampler, TrainingTable, resolve
from sdcli.sampling.img2img import Tail, entered
from sdcli.sampling.schedules.custom import sigmas_at

from . import options
from .fields import MULTIPLE, field_error
from .options import LISTED, SCHEDULE_OPTIONS, SOLVER_OPTIONS

if TYPE_CHECKING:
    from PIL.Image import Image

DEFAULT_STRENGTH = 0.75  # A1111's
FIRST_PASS = "<first pass>"
"""As a picture to begin from: what the first pass of a hires fix made."""

_PROMPTS = (
    *("prompt", "negative_prompt", "invert_prompt"),
    *("hires_prompt", "hires_negative_prompt"),
)


class GenerationRequest(
    TileFields,
    HiresFields,
    MaskFields,
    InitFields,
    VariationFields,
    ApproximateFields,
    GuidanceFields,
    SamplingFields,
    PictureFields,
    ModelFields,
    PromptFields,
):
    """Everything needed to make *one* picture again, frozen and flat.

    Names are put in their canonical form, and an option equal to the sampler's or schedule's own
    default becomes None, so that equal requests compare equal. Raises pydantic's ValidationError
    naming every field that is wrong, unknown keys included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    _pictures: Mapping[str, Image] = PrivateAttr(default_factory=dict)

    @property
    def pictures(self) -> Mapping[str, Image]:
        """Pictures that were handed over and are in no file, by the names that fields have."""
        return self._pictures

    def with_pictures(self, pictures: Mapping[str, Image]) -> Self:
        """Return the request with pictures in memory; `init_img` and `mask` may name them."""
        copy = self.model_copy()
        copy._pictures = dict(pictures)
        return copy

    @model_validator(mode="before")
    @classmethod
    def _canonical_names(cls, data: Any) -> Any:
        return options.canonical(data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        sampler, chosen = self.resolved_sampler, self.solver_options() | self.schedule_options()
        listed = {key: value for key in LISTED if (value := getattr(self, key)) is not None}
        if len(listed) > 1:
            raise field_error("timesteps", "sigmas and timesteps cannot both be listed")
        for key, levels in listed.items():
            options.check_listed(sampler, key, levels, steps=self.steps)
        options.check_options(sampler, chosen, steps=self.steps, scheduled=not listed)
        if self.ensd and not self.obeys_ensd:
            path = "takes its noise from a path that belongs to the seed"
            why = path if sampler.brownian else "draws no noise after the first"
            raise field_error("ensd", f"{self.sampler} {why}, so ENSD has no effect")
        try:
            for prompt in (self.prompt, self.invert_prompt, self.hires_prompt):
                lora_tags.split(prompt or "")
        except UsageError as error:
            raise field_error("prompt", error.message, error.hint) from error
        check_inversion(self, sampler)
        check_init(self, sampler)
        check_mask(self, sampler)
        check_hires(self, sampler)
        check_tiles(self)
        check_guidance(self, sampler)
        check_approximate(self)
        check_variation(self)
        for key in _PROMPTS:
            if re.search(r"[\0\ud800-\udfff]", getattr(self, key) or ""):
                raise field_error(key, "a prompt cannot hold NUL characters or broken Unicode")
        if self.hires:
            self._check_second()
        return self

    def _check_second(self) -> None:
        """Raise a field error of the hires fix for what is wrong with its second pass."""
        try:
            self.second()
        except UsageError as error:
            field = "hires_size" if self.hires_scale is None else "hires_scale"
            raise field_error(field, error.message, error.hint) from error

    def second(self) -> GenerationRequest:
        """Make the second pass of a hires fix a request of its own, from the picture FIRST_PASS.

        Of the size that is left of it, if this request has one. Options that its sampler does not
        have are left out. Raises UsageError.
        """
        sampler = resolve(self.hires_sampler or self.sampler)
        scheduler = self.hires_scheduler or (AUTOMATIC if sampler.grid else self.scheduler)
        legal = options.legal_options(resolve(sampler.name, scheduler))
        idle = {*SOLVER_OPTIONS, *SCHEDULE_OPTIONS} - legal.keys()
        own = {*HiresFields.model_fields, *OF_A_SECOND_PASS}
        values = self.model_dump(exclude={*own, *LISTED, *idle})
        values |= {
            "prompt": self.prompt if self.hires_prompt is None else self.hires_prompt,
            "negative_prompt": self.negative_prompt
            if self.hires_negative_prompt is None
            else self.hires_negative_prompt,
            "sampler": sampler.name,
            "scheduler": scheduler,
            "steps": self.hires_steps or self.steps,
            "init_img": FIRST_PASS,
            "strength": self.hires_strength,
            "full_steps": self.hires_strength > 0,
        }
        if self.ensd and not options.obeys_ensd(sampler, values):
            values["ensd"] = 0
        if self.token_merging_ratio_hr is not None:
            values["token_merging_ratio"] = self.token_merging_ratio_hr
        if self.width and self.height:
            size = (self.width, self.height)
            plan = enlarging(size, scale=self.hires_scale, wanted=self.hires_size)
            values |= {"width": MULTIPLE * plan.cut[0], "height": MULTIPLE * plan.cut[1]}
        try:
            return GenerationRequest(**values)
        except ValidationError as error:
            wrong = error.errors()[0]
            context = wrong.get("ctx") or {}
            field = context.get("field") or ".".join(map(str, wrong["loc"]))
            message = context.get("message") or wrong["msg"]
            raise UsageError(f"second pass: {field}: {message}", context.get("hint", "")) from error

    @property
    def shared(self) -> tuple[Any, ...]:
        """What pictures must have in common to be made at once: all but texts and seeds."""
        own = {*_PROMPTS, "seed", "variation_seed", "variation_strength"} - {"invert_prompt"}
        tags = (lora_tags.split(text or "")[1] for text in (self.prompt, self.hires_prompt))
        return self.model_dump(exclude=own), *tags

    @property
    def tags(self) -> list[lora_tags.Tag]:
        """The LoRAs of its prompts, each once."""
        both = (self.prompt, self.hires_prompt or "")
        return list(dict.fromkeys(tag for text in both for tag in lora_tags.split(text)[1]))

    @property
    def unknown_tags(self) -> list[str]:
        """What looks like a tag in its prompts, and is of no kind that anybody knows."""
        return [*lora_tags.unknown(self.prompt), *lora_tags.unknown(self.hires_prompt or "")]

    @property
    def texts(self) -> list[str]:
        """Every prompt that it has."""
        return [text for key in _PROMPTS if (text := getattr(self, key))]

    @property
    def passes(self) -> list[GenerationRequest]:
        """This request, and its second pass if there is one. Raises UsageError."""
        return [self, self.second()] if self.hires else [self]

    @property
    def adaptive(self) -> bool:
        """Whether a sampler of it chooses its steps for one picture at a time."""
        return any(each.resolved_sampler.adaptive for each in self.passes)

    @property
    def draws_on_the_way(self) -> bool:
        """Whether noise after the first goes into the picture."""
        return self.inpaint_method == "repaint" or any(
            options.draws_noise(each.resolved_sampler, each.solver_options())
            for each in self.passes
        )

    @property
    def hires(self) -> bool:
        """Whether a second, larger pass follows."""
        return self.hires_scale is not None or self.hires_size is not None

    @property
    def resolved_sampler(self) -> Sampler:
        """The sampler's row, with this request's schedule set."""
        return resolve(self.sampler, self.scheduler)

    @property
    def masked(self) -> bool:
        """Whether only a part of the picture is made anew."""
        return any(getattr(self, key) for key in MASKS)

    @property
    def obeys_ensd(self) -> bool:
        """Whether the run draws noise after the first that ENSD seeds anew."""
        return options.obeys_ensd(self.resolved_sampler, self.solver_options())

    def levels(self, table: TrainingTable) -> tuple[float, ...]:
        """Return the run's σ's over this model's table: listed ones, or the schedule's."""
        if self.sigmas is not None:
            return self.sigmas
        if self.timesteps is not None:
            return sigmas_at(self.timesteps, table)
        return self.resolved_sampler.sigmas(self.steps, table=table, **self.schedule_options())

    def tail(self, table: TrainingTable) -> Tail:
        """Return where the picture enters the run, over this model's table."""
        if self.sigmas is not None or self.timesteps is not None:
            levels = self.levels(table)
            return Tail(levels, levels[0], levels)
        strength = DEFAULT_STRENGTH if self.strength is None else self.strength
        return entered(
            self.resolved_sampler,
            self.steps,
            strength,
            full=self.full_steps,
            table=table,
            **self.schedule_options(),
        )

    def solver_options(self) -> dict[str, Any]:
        """Return the solver's options that are set, by keyword."""
        return self._set_of(SOLVER_OPTIONS)

    def schedule_options(self) -> dict[str, float]:
        """Return the schedule's options that are set, by keyword."""
        return self._set_of(SCHEDULE_OPTIONS)

    def _set_of(self, keys: tuple[str, ...]) -> dict[str, Any]:
        values = {key: getattr(self, key) for key in keys}
        return {key: value for key, value in values.items() if value is not None}
