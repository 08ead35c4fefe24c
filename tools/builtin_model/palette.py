"""The named colours that scenes are painted and captioned with, and the arithmetic on them."""

RGB = tuple[int, int, int]

# Chosen to be far apart: two figures of different names must be tellable at a glance.
COLOURS: dict[str, RGB] = {
    "red": (220, 38, 38),
    "orange": (249, 130, 22),
    "yellow": (250, 214, 30),
    "green": (30, 150, 62),
    "lime": (150, 230, 50),
    "cyan": (40, 205, 220),
    "blue": (40, 90, 230),
    "navy": (22, 30, 100),
    "purple": (130, 50, 190),
    "pink": (250, 125, 185),
    "brown": (125, 74, 35),
    "black": (15, 15, 18),
    "gray": (135, 138, 142),
    "white": (248, 248, 248),
}

SYNONYMS: dict[str, tuple[str, ...]] = {
    "gray": ("gray", "grey"),
    "purple": ("purple", "violet"),
    "cyan": ("cyan", "turquoise"),
    "navy": ("navy", "dark blue"),
}


def distance(first: str, second: str) -> float:
    """Euclidean RGB distance of two named colours, 0 to about 441."""
    pairs = zip(COLOURS[first], COLOURS[second], strict=True)
    return float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


def contrasting(*others: str, least: float = 110.0) -> list[str]:
    """Names of the colours that stand out against every one of the others."""
    return [name for name in COLOURS if all(distance(name, other) >= least for other in others)]


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Blend two colours; `share` is how much of the second one is in the result."""
    r, g, b = (round(p + (q - p) * share) for p, q in zip(first, second, strict=True))
    return (r, g, b)


def tint(colour: RGB, light: tuple[float, float, float]) -> RGB:
    """A colour as it looks under coloured light, each channel scaled and clipped."""
    r, g, b = (min(255, round(c * k)) for c, k in zip(colour, light, strict=True))
    return (r, g, b)
