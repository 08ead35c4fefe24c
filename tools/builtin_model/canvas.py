"""A supersampled drawing surface; (0, 0) is its top left corner, (1, 1) its bottom right one."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from .palette import RGB

SIDE = 128  # pixels of the finished picture: the model's native size
SUPERSAMPLING = 3  # drawn this much larger, then averaged down: smooth edges without any library

Point = tuple[float, float]


class Canvas:
    """One picture in the making."""

    def __init__(self, colour: RGB) -> None:
        self.scale = SIDE * SUPERSAMPLING
        self.image = Image.new("RGB", (self.scale, self.scale), colour)
        self.pen = ImageDraw.Draw(self.image)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.scale, y * self.scale) for x, y in points]

    def polygon(self, points: Sequence[Point], colour: RGB) -> None:
        self.pen.polygon(self._pixels(points), fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: RGB) -> None:
        self.pen.rectangle(self._pixels([(left, top), (right, bottom)]), fill=colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: RGB) -> None:
        self.pen.ellipse(self._pixels([(x - rx, y - ry), (x + rx, y + ry)]), fill=colour)

    def line(self, points: Sequence[Point], width: float, colour: RGB) -> None:
        self.pen.line(self._pixels(points), fill=colour, width=max(1, round(width * self.scale)))

    def gradient(self, upper: RGB, lower: RGB, *, top: float = 0.0, bottom: float = 1.0) -> None:
        """Fill a horizontal band with a vertical blend."""
        first, last = round(top * self.scale), round(bottom * self.scale)
        ramp = Image.linear_gradient("L").resize((self.scale, max(1, last - first)))
        self.image.paste(
            Image.composite(
                Image.new("RGB", ramp.size, lower), Image.new("RGB", ramp.size, upper), ramp
            ),
            (0, first),
        )

    def veil(self, colour: RGB, opacity: float) -> None:
        """Lay a translucent colour over everything drawn so far."""
        sheet = Image.new("RGB", self.image.size, colour)
        self.image.paste(Image.blend(self.image, sheet, opacity))

    def cut_out(self, outline: Sequence[Point], hole: Sequence[Point] | None, colour: RGB) -> None:
        """Fill an outline but leave its hole unpainted, so that the backdrop shows through."""
        stencil = Image.new("L", self.image.size, 0)
        pen = ImageDraw.Draw(stencil)
        pen.polygon(self._pixels(outline), fill=255)
        if hole:
            pen.polygon(self._pixels(hole), fill=0)
        self.image.paste(Image.new("RGB", self.image.size, colour), mask=stencil)

    def finish(self) -> Image.Image:
        """The picture at its final size."""
        return self.image.resize((SIDE, SIDE), Image.Resampling.BOX)
