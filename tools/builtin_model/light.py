"""The colours of the sky and of the light that falls from it, by time of day."""

from .palette import RGB

Light = tuple[float, float, float]

SKIES: dict[str, tuple[RGB, RGB]] = {
    "day": ((84, 156, 232), (196, 226, 248)),
    "sunset": ((104, 58, 124), (252, 142, 62)),
    "night": ((8, 12, 40), (34, 46, 96)),
    "dawn": ((136, 152, 208), (252, 208, 196)),
}
# Objects keep more of their own colour than the ground does, or no red house would be red at night.
GROUND_LIGHT: dict[str, Light] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (0.86, 0.64, 0.56),
    "night": (0.3, 0.36, 0.56),
    "dawn": (0.92, 0.86, 0.9),
}
OBJECT_LIGHT: dict[str, Light] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (0.98, 0.84, 0.78),
    "night": (0.7, 0.72, 0.82),
    "dawn": (0.98, 0.94, 0.96),
}
GRAY_SKY: RGB = (150, 156, 166)
SNOW: RGB = (240, 244, 250)
