"""Synthetic signing with glosses and sentences: seeded, made by rules, with invented signs of no sign language."""

from jaxmm.data.sign.procedural.grammar import Sentence, all_sentences, sentences
from jaxmm.data.sign.procedural.lexicon import LEXICON, Sign, lexicon
from jaxmm.data.sign.procedural.signer import Signer
from jaxmm.data.sign.procedural.synthesis import FPS, perform, signs, synthesize

__all__ = [
    "FPS",
    "LEXICON",
    "Sentence",
    "Sign",
    "Signer",
    "all_sentences",
    "lexicon",
    "perform",
    "sentences",
    "signs",
    "synthesize",
]
