"""Draws and sums: isolated words -> overlapped clips, utterances of several speakers -> mixtures.

The names here are those of :mod:`utils.mixing.words`; those of :mod:`utils.mixing.speech` go by
``speech``.
"""

from utils.mixing import speech
from utils.mixing.words import PEAK, Recipes, draw, mix, shares

__all__ = ["PEAK", "Recipes", "draw", "mix", "shares", "speech"]
