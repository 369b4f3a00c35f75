# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""What a system prompt may ask of every answer: a word to begin or end with, a manner, or another language."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from ..exchange import Exchange
from ..wordings import choose
from .words import NAMES

_WORDS = (
    "Ahoy",
    "Hooray",
    "Hello",
    "Well",
    "Captain",
    "Sir",
    "Madam",
    "Boss",
    "My friend",
    "Bingo",
    "Okay",
    "Meow",
    "Listen",
)
_BEGIN = [
    "[Begin|Start|Always begin|Always start] [every answer|each answer|all answers|your answers] with {word}.",
    "[Your answers|All answers] [begin|start] with {word}.",
    "Say {word} before [every|each] answer.",
]
_END = [
    "[End|Finish|Always end] [every answer|each answer|all answers|your answers] with {word}.",
    "[Your answers|All answers] end with {word}.",
    "Say {word} after [every|each] answer.",
]
_PIRATE = ["[Talk|Speak|Answer|Write] like a pirate.", "You are a pirate.", "[Be|Play] a pirate."]
_CAT = ["[Talk|Speak|Answer|Write] like a cat.", "You are a cat.", "[Be|Play] a cat."]
_LANGUAGE = {
    "German": [
        "[Answer|Reply|Respond|Speak|Write|Always answer] in German.",
        "Use German[ only|].",
        "Antworte auf Deutsch.",
        "Sprich Deutsch.",
    ],
    "French": [
        "[Answer|Reply|Respond|Speak|Write|Always answer] in French.",
        "Use French[ only|].",
        "Répondez en français.",
    ],
    "Spanish": [
        "[Answer|Reply|Respond|Speak|Write|Always answer] in Spanish.",
        "Use Spanish[ only|].",
        "Responde en español.",
    ],
}
_SENTENCES = {
    "German": {"greeting": "Hallo! Was kann ich für dich tun?", "how are you": "Mir geht es gut, danke.", "who are you": "Ich bin Larimar, ein kleines Demo-Modell.", "thanks": "Gern geschehen.", "goodbye": "Auf Wiedersehen!", "": "Auf Deutsch kann ich dazu nichts sagen."},
    "French": {"greeting": "Bonjour! Que puis-je faire?", "how are you": "Je vais bien, merci.", "who are you": "Je suis Larimar, un petit modèle.", "thanks": "De rien.", "goodbye": "Au revoir!", "": "Je ne sais pas le dire en français."},
    "Spanish": {"greeting": "¡Hola! ¿Qué puedo hacer?", "how are you": "Estoy bien, gracias.", "who are you": "Soy Larimar, un modelo pequeño.", "thanks": "De nada.", "goodbye": "¡Adiós!", "": "No sé decirlo en español."},
}  # fmt: skip

Style = Callable[[Exchange], Exchange]


def style(rng: random.Random) -> tuple[str, Style, bool]:
    """Return a sentence for the system prompt, what it makes of an exchange, and whether it is about a language."""
    roll = rng.random()
    if roll < 0.32:
        word = rng.choice(_WORDS) if rng.random() < 0.8 else rng.choice(NAMES)
        return choose(rng.choice(_BEGIN), rng).replace("{word}", word), _around(f"{word}! ", ""), False
    if roll < 0.60:
        word = rng.choice(_WORDS) if rng.random() < 0.8 else rng.choice(NAMES)
        return choose(rng.choice(_END), rng).replace("{word}", word), _around("", f" {word}!"), False
    if roll < 0.70:
        return choose(rng.choice(_PIRATE), rng), _around("Arr! ", " Ahoy!"), False
    if roll < 0.76:
        return choose(rng.choice(_CAT), rng), _around("", " Meow!"), False
    language = rng.choice(tuple(_LANGUAGE))
    sentences = _SENTENCES[language]

    def translate(exchange: Exchange) -> Exchange:
        if exchange.intent in ("additions", "subtractions", "products") and exchange.answer.count("=") == 1:
            return exchange
        answer = sentences.get(exchange.intent, sentences[""])
        return replace(exchange, answer=answer, accepted=(answer,), fixed=True)

    return choose(rng.choice(_LANGUAGE[language]), rng), translate, True


def _around(before: str, after: str) -> Style:
    def change(exchange: Exchange) -> Exchange:
        accepted = tuple(before + answer + after for answer in exchange.accepted)
        return replace(exchange, answer=before + exchange.answer + after, accepted=accepted, fixed=False)

    return change
