"""Generated pictures with captions: one shape in one colour and size at one place."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["COLOURS", "PLACES", "SHAPES", "SIZES", "WORDS", "Scene", "split_scenes"]

SHAPES = ("circle", "square", "triangle", "cross", "ring", "bar")
COLOURS = {
    "red": (214, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 210),
    "yellow": (235, 205, 40),
    "purple": (130, 50, 160),
    "orange": (245, 130, 30),
    "black": (25, 25, 25),
    "turquoise": (50, 195, 195),
}
SIZES = {"small": 0.10, "medium": 0.16, "large": 0.24}
PLACES = {
    f"{vertical} {horizontal}": (x, y)
    for (vertical, y), (horizontal, x) in itertools.product(
        (("top", 0.25), ("middle", 0.5), ("bottom", 0.75)), (("left", 0.25), ("centre", 0.5), ("right", 0.75))
    )
}
_WORDINGS = (
    "a {size} {colour} {shape} at the {place}",
    "{place}: a {colour} {shape}, {size}",
    "there is a {shape} that is {colour} and {size} in the {place} part",
    "picture of a {size} {shape} in {colour}, {place}",
)
WORDS = sorted(
    {
        *SHAPES,
        *COLOURS,
        *SIZES,
        *(word for place in PLACES for word in place.split()),
        *["a", "at", "the", ":", ",", "there", "is", "that", "and", "in", "part", "picture", "of"],
    }
)
"""Every word of every caption."""

_SIDE = 32
_FINE = 4


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows."""

    shape: str
    colour: str
    size: str
    place: str

    def caption(self, choice: random.Random) -> str:
        """Describe it in one of several wordings."""
        return choice.choice(_WORDINGS).format(shape=self.shape, colour=self.colour, size=self.size, place=self.place)

    def picture(self, choice: random.Random) -> Any:
        """Draw it, each time a little differently: as a ``PIL.Image.Image`` of 32 x 32 pixels."""
        from PIL import Image, ImageDraw  # noqa: PLC0415 - of the extra media

        side = _SIDE * _FINE
        paper = choice.randint(215, 255)
        picture = Image.new("RGB", (side, side), (paper, paper, paper))
        x, y = ((value + choice.uniform(-0.04, 0.04)) * side for value in PLACES[self.place])
        radius = SIZES[self.size] * choice.uniform(0.92, 1.08) * side
        red, green, blue = (min(255, max(0, part + choice.randint(-15, 15))) for part in COLOURS[self.colour])
        draw = ImageDraw.Draw(picture)
        _DRAW[self.shape](draw, x, y, radius, (red, green, blue))
        return picture.resize((_SIDE, _SIDE), Image.Resampling.BOX)


def _cross(draw: Any, x: float, y: float, r: float, fill: tuple[int, int, int]) -> None:
    draw.rectangle((x - r, y - r / 4, x + r, y + r / 4), fill=fill)
    draw.rectangle((x - r / 4, y - r, x + r / 4, y + r), fill=fill)


_DRAW: dict[str, Any] = {
    "circle": lambda draw, x, y, r, fill: draw.ellipse((x - r, y - r, x + r, y + r), fill=fill),
    "square": lambda draw, x, y, r, fill: draw.rectangle((x - r, y - r, x + r, y + r), fill=fill),
    "triangle": lambda draw, x, y, r, fill: draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=fill),
    "cross": _cross,
    "ring": lambda draw, x, y, r, fill: draw.ellipse((x - r, y - r, x + r, y + r), outline=fill, width=int(r / 2)),
    "bar": lambda draw, x, y, r, fill: draw.rectangle((x - r, y - r / 3, x + r, y + r / 3), fill=fill),
}


def split_scenes(seed: int = 7, held_out: int = 520) -> tuple[Sequence[Scene], Sequence[Scene]]:
    """Return the combinations to train on, and those that no training sees."""
    scenes = [Scene(*values) for values in itertools.product(SHAPES, COLOURS, SIZES, PLACES)]
    random.Random(seed).shuffle(scenes)
    return scenes[held_out:], scenes[:held_out]
