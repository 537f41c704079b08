"""Passages with the word frequencies of a language, made from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Passages"]

_VOCABULARY = 60_000
_BLOCK = 5_000
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages of 40 to 100 words: a title of six, and the rest.

    Attributes:
        rows: How many.
        seed: The same for the same seed.
    """

    rows: int
    seed: int = 1

    def texts(self) -> Iterator[tuple[int, str, str]]:
        """Yield id, title and body."""
        random = np.random.default_rng(self.seed)
        words, shares = _vocabulary()
        for start in range(0, self.rows, _BLOCK):
            lengths = random.integers(40, 100, size=min(_BLOCK, self.rows - start))
            chosen = words[random.choice(len(words), size=lengths.sum(), p=shares)]
            for number, part in enumerate(np.split(chosen, np.cumsum(lengths)[:-1]), start=start):
                yield number, " ".join(part[:6]), " ".join(part[6:])

    def queries(self, count: int) -> list[str]:
        """Return queries: two to five different words of a passage each, so that common words are common."""
        random = np.random.default_rng(self.seed + 1)
        words, shares = _vocabulary()
        return [
            " ".join(dict.fromkeys(words[random.choice(len(words), size=random.integers(2, 6), p=shares)]))
            for _ in range(count)
        ]


def _vocabulary() -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Words, and how often each is used (Zipf-Mandelbrot)."""
    shares = 1 / (np.arange(_VOCABULARY) + 8.0)
    return np.array([_word(number + 20) for number in range(_VOCABULARY)]), shares / shares.sum()


def _word(number: int) -> str:
    syllables = ""
    while number > 0:
        number, consonant = divmod(number, len(_CONSONANTS))
        number, vowel = divmod(number, len(_VOWELS))
        syllables += _CONSONANTS[consonant] + _VOWELS[vowel]
    return syllables + "x"
