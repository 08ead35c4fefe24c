"""A sheet of pictures, one a prompt, to be judged by eye."""

from PIL import Image, ImageDraw

PROMPTS = (
    "a red circle",
    "a green square to the left of a pink heart on a white background",
    "a blue ring above an orange cross on a black background",
    "three yellow stars on a navy background",
    "a small white circle inside a large purple square",
    "four red hearts",
    "a large orange triangle on a gradient from blue to white",
    "a cyan crescent in the top left corner on a black background",
    "a red house in the snow at night",
    "a boat by the sea at sunset",
    "mountains at night",
    "a blue house with a red roof by the sea at sunset",
    "a lighthouse by the sea at night with a full moon",
    "a cabin in the forest in the snow",
    "a cactus in the desert",
    "a hot air balloon above the hills at dawn",
    "a castle in the mountains on a rainy day",
    "a snowman next to a pine tree in the snow",
    "a yellow car in a field",
    "a forest in the fog",
    "three pine trees in the hills at sunset",
    "a pink tree in a meadow in the early morning",
    "the sea at night",
    "an orange tent in the woods at midnight",
)
COLUMNS = 6
LABEL = 40  # pixels under each picture
GAP = 4


def sheet(pictures: list[Image.Image], prompts: list[str]) -> Image.Image:
    """Lay the pictures out in rows with their prompts below them."""
    wide, high = pictures[0].width + GAP, pictures[0].height + LABEL
    rows = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (wide * COLUMNS, high * rows), "white")
    pen = ImageDraw.Draw(page)
    for i, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        x, y = i % COLUMNS * wide, i // COLUMNS * high
        page.paste(picture, (x, y))
        pen.multiline_text((x + 2, y + picture.height + 1), _wrapped(prompt), fill="black")
    return page


def _wrapped(text: str, width: int = 21) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
