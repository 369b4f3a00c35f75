# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""What is said: commands, spoken questions with their answers, numbers, and words without any sense.

A sentence has two forms: as it is spoken ("set a timer for ten minutes") and as it is written down, with digits, a
capital and a mark at its end ("Set a timer for 10 minutes."). Whole wordings are kept from training by a hash, so that
the evaluation hears combinations of words that were never trained.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from ..conversations import INTENTS
from ..exchange import State
from ..topics import facts
from ..wordings import choose, share

HELD_OUT_SHARE = 0.1
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """Something to say."""

    kind: str
    """``command``, ``question``, ``digits``, ``words`` or ``phrase``."""
    spoken: str
    """Lower case, numbers in words, no marks but apostrophes."""
    written: str
    """What a transcription should say."""
    answer: str = ""
    """What the model answers when it is asked this; empty for what only wants writing down."""


def number_words(value: int) -> str:
    """Return 0 to 59 in words."""
    if value < 20:
        return (*DIGITS, *_TEENS)[value]
    return " ".join(filter(None, (_TENS[value // 10 - 2], DIGITS[value % 10] if value % 10 else "")))


LISTS: dict[str, list[str]] = {
    "room": ["kitchen", "bedroom", "bathroom", "living room", "garden", "garage", "office", "hall", "cellar"],
    "thing": ["light", "lamp", "heating", "radio", "television", "fan", "coffee machine", "oven", "computer", "printer", "alarm", "music"],
    "door": ["door", "window", "gate", "curtain", "box", "drawer"],
    "colour": ["red", "green", "blue", "yellow", "white", "black", "orange", "purple", "pink", "brown", "grey"],
    "pane": ["chat", "settings", "webcam", "camera", "microphone", "history", "models", "help", "window", "menu", "calendar", "map", "browser", "clock", "calculator", "notes"],
    "file": ["file", "picture", "photo", "document", "letter", "page", "folder", "recording", "video", "song", "message", "list", "note", "report", "story", "table"],
    "name": ["Anna", "Tom", "Peter", "Maria", "Sam", "Julia", "Paul", "Emma", "Jack", "Alice", "David", "Clara"],
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "month": ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
    "when": ["today", "tomorrow", "tonight", "now", "later", "soon", "this morning", "this evening", "in the afternoon", "at night", "next week"],
    "food": ["milk", "bread", "butter", "eggs", "apples", "bananas", "cheese", "coffee", "tea", "water", "sugar", "rice", "fish", "soup", "cake", "tomatoes", "potatoes"],
    "chore": ["buy", "cook", "clean", "water the flowers", "feed the cat", "walk the dog", "wash the car", "pay the bill", "call the doctor", "read a book", "write an email", "go home", "take a break", "take the train", "make dinner", "do the shopping"],
    "music": ["music", "jazz", "the news", "the radio", "a song", "my favourite song", "something quiet", "something loud", "the next song", "a film"],
    "place": ["home", "school", "work", "the station", "the airport", "the hospital", "the park", "the beach", "the library", "the market", "the bank", "the city"],
    "animal": ["dog", "cat", "horse", "bird", "cow", "fish", "mouse", "duck", "sheep", "pig", "lion", "bee"],
    "weather": ["rain", "snow", "sun", "wind", "warm", "cold", "hot", "cloudy", "sunny", "windy"],
    "direction": ["up", "down", "left", "right", "forward", "back", "higher", "lower", "faster", "slower"],
}  # fmt: skip
"""Words for the slots of :data:`COMMANDS`; with the patterns' own words they are the vocabulary."""

COMMANDS = [
    "[turn|switch] [on|off] the {thing}", "[turn|switch] the {thing} [on|off]", "[turn|switch] [on|off] the {thing} in the {room}", "make the {thing} {colour}", "make the light in the {room} {colour}", "is the {thing} in the {room} [on|off]?",
    "[open|close] the {door}", "[open|close] the {door} in the {room}", "please [open|close] the {door} of the {room}", "[lock|unlock] the {door}",
    "[open|close|show|hide] the {pane}", "open {pane}", "show me the {pane}[ please|]", "go to the {pane}", "where is the {pane}?", "how do I open the {pane}?", "go back to the {pane}",
    "[open|save|send|print|delete|copy|show|find|read|close] the {file}", "[open|save|send|print|delete|copy|find] [this|my|the last|the first|the next] {file}", "send the {file} to {name}", "save this as a {file}", "make a new {file}", "read the {file} to me", "rename the {file}", "delete the [first|second|third|last] {file}", "move the {file} to the [left|right|top|bottom]",
    "take a note", "take a [picture|photo]", "take a note for {name}", "take a picture of the {animal}", "make a note about the {file}", "start [recording|listening|writing|the timer|dictation]", "stop [recording|listening|writing|talking|the timer|the music|dictation]", "[start|stop|pause|continue] the {file}",
    "what time is it[ now|]?", "what day is it[ today|]?", "what is the time?", "what is the date[ today|]?", "what is the weather[ like|] {when}?", "will it be {weather} {when}?", "is it {weather} {when}?", "how is the weather in the {room}?",
    "set a timer for {number} minutes", "set an alarm for {number}", "set the alarm for {number} on {day}", "wake me up at {number}", "wake me up in {number} minutes", "set the timer to {number} seconds", "set the {thing} to {number}", "stop the timer in {number} minutes", "turn the {thing} to {number}",
    "remind me to {chore}", "remind me to {chore} {when}", "remind me on {day} to {chore}", "remind me in {number} minutes to {chore}", "remind {name} to {chore}", "I have to {chore} {when}", "we must {chore} on {day}", "please {chore}[ {when}|]", "can you {chore} {when}?", "do not forget to {chore}",
    "add {food} to the [list|shopping list]", "add {food} and {food} to the list", "buy {food} and {food}", "buy {number} {food}", "I need {food} and {food}", "we need {food} {when}", "is there [more|any] {food} in the {room}?", "take the {food} off the list", "put the {food} on the table", "I like {food} with {food}",
    "play {music}", "play {music} in the {room}", "please play {music}", "stop the {thing}", "play {music} for {name}", "louder please", "make it [louder|quieter|brighter|darker|bigger|smaller|warmer|colder|shorter|longer]", "turn the volume [up|down]", "turn it {direction}", "set the volume to {number}",
    "call {name}", "call {name} {when}", "call {name} at [home|work]", "send a message to {name}", "write to {name}", "write an email to {name}", "tell {name} that I am [late|here|at home|on the way|busy|ready]", "ask {name} to {chore}", "is {name} at home?", "when does {name} come {when}?", "where is {name}?",
    "go {direction}", "move {direction}", "scroll {direction}", "one step {direction}", "turn {direction}", "look {direction}", "move the window {direction}", "go to page {number}", "zoom [in|out]", "next page", "previous page", "first page", "last page",
    "how far is it to {place}?", "take me to {place}", "how do I get to {place}?", "when is the next train to {place}?", "show me the way to {place}", "I am going to {place} {when}", "drive to {place}", "book a ticket to {place} for {day}",
    "the meeting is on {day}", "the meeting is {when}", "move the meeting to {day}", "my birthday is in {month}", "what is on {day}?", "the party is on the {ordinal} of {month}", "I will be back on {day}", "see you on {day}", "see you {when}", "good [morning|evening|night] {name}", "we leave on the {ordinal} of {month}",
    "the {animal} is {colour}", "I see a {colour} {animal}", "I see {number} {animal}s in the {room}", "where is the {animal}?", "do you see the {animal} in the {room}?", "the {animal} likes {food}", "give the {animal} some {food}", "the {file} is in the {colour} {file}", "a {colour} {door} and a {colour} {door}",
    "copy that", "undo that", "undo the last step", "repeat that[ please|]", "say that again[ please|]", "yes[ please|]", "no[ thank you|]", "cancel", "help me[ please|]", "search for {food}", "search for the {file}", "select [all|nothing|everything]", "new line", "new chat", "clear the chat", "stop the answer", "translate this {file}", "what can you see?", "what do you hear?", "describe the {file}", "what does the {file} say?", "read it again",
]  # fmt: skip
"""The patterns of commands, in the manner of :mod:`..wordings`."""

LISTS["noun"] = [
    *(word for name in ("room", "thing", "door", "pane", "file", "animal") for word in LISTS[name]),
    "time", "date", "day", "month", "year", "hour", "weather", "number", "name", "word", "answer", "question", "colour", "price", "size", "way", "train", "bus", "street", "house", "table", "plan", "problem", "reason", "title", "address", "password", "screen", "key", "mouse", "speed", "volume", "language", "game", "team", "score",
]  # fmt: skip
PHRASES = [
    "what is the {noun}?", "what is the {noun}[ now| {when}|]?", "what is the {noun} of the {noun}?", "what is the {noun} for?", "what is the {noun} in the {room}?", "what is the {noun} like?", "what is a {noun}?", "what is that {noun}?", "what is in the {noun}?", "what is {name} doing {when}?",
    "what does the {noun} [mean|cost|need|show|do]?", "what do you [know|think|want|need|like]?", "what do you know about the {noun}?", "what {noun} [is it|do you have|do you want|is this]?", "what about the {noun}?", "what are the {noun}s?", "what was the {noun}?", "what comes after the {noun}?",
    "where is [the|my|your] {noun}?", "where are the {noun}s?", "where does {name} live?", "where do you want to go {when}?", "where did you see the {noun}?", "when is the {noun}?", "when does the {noun} [begin|end|start|come]?", "when do we [eat|leave|meet|start]?", "who is [the|my|your] {noun}?", "who has the {noun}?", "who is {name}?", "who are they?", "why is the {noun} {colour}?", "why do you need the {noun}?",
    "which {noun} is {colour}?", "which {noun} do you [want|like|need|see]?", "how is the {noun}?", "how is {name}?", "how big is the {noun}?", "how far is the {noun}?", "how much is the {noun}?", "how many {noun}s do you see?", "how do I [find|use|open|change|save] the {noun}?", "how long is the {noun}?", "how old is {name}?",
    "is the {noun} [ready|here|there|open|new|old|big|small]?", "is this the {noun}?", "is there a {noun} in the {room}?", "are you [ready|there|here|busy|sure]?", "do you have a {noun}?", "do you know the {noun}?", "does {name} like the {noun}?", "can I have the {noun}?", "can you [see|hear|find|read] the {noun}?", "may I see the {noun}?",
    "tell me the {noun}[ of the {noun}|]", "tell {name} about the {noun}", "tell me about {name}", "tell me a [story|joke|secret]", "say the {noun} again", "show {name} the {noun}", "show me a {colour} {noun}", "give {name} the {noun}", "give me the {noun}", "bring the {noun} to {name}", "look at the {noun}", "put the {noun} in the {room}", "put it on the {noun}", "find the {colour} {noun}", "find a {noun} for {name}", "change the {noun}", "check the {noun} {when}", "choose a {noun}", "count the {noun}s", "use the {colour} {noun}", "use this {noun}", "wait for {name}",
    "write to {name} {when}", "write a {file} to {name}", "write the {noun} down", "write down the {noun}", "write a {noun}", "send {name} a {file}", "the {noun} is [ready|here|there|open|new|old|big|small|{colour}]", "the {noun} and the {noun}", "my {noun} is in the {room}", "your {noun} is {colour}", "this is the {noun}", "this is my {noun}", "this {noun} is {colour}", "that is a {colour} {noun}", "here is the {noun}", "there is a {noun} in the {room}",
    "{name} has a {noun}", "{name} is in the {room}", "{name} and {name} are here", "{name} likes {food}", "I have a {noun}", "I want a {colour} {noun}", "I like the {noun}", "I see {name}", "I know {name}", "I need the {noun} {when}", "we have {number} {noun}s", "we need a {noun}", "it is a {noun}", "it is {colour}", "it is {number}", "a {noun} for {name}", "a {noun} or a {noun}", "on the {noun}", "in the {room}", "with {name}", "not the {noun}", "no {noun} {when}", "more {food}", "{food} or {food}", "{day} or {day}", "{day} {when}", "in {month}", "from {month} to {month}", "between {number} and {number}", "{colour} and {colour}", "the {ordinal} {noun}", "the {ordinal} of {month}",
]  # fmt: skip
"""Of what training hears besides: other beginnings and endings, so that few words tell which ones must follow."""

_ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
_PLURALS = (("mouses", "mice"), ("sheeps", "sheep"), ("fishs", "fish"), ("boxs", "boxes"), ("buss", "buses"))
_SLOT = re.compile(r"\{(\w+)\}")


def _command(rng: random.Random) -> Sentence:
    return _filled("command", COMMANDS, rng)


def _phrase(rng: random.Random) -> Sentence:
    return _filled("phrase", PHRASES, rng)


def _filled(kind: str, patterns: list[str], rng: random.Random) -> Sentence:
    numbers: list[str] = []

    def word(match: re.Match[str]) -> str:
        name = match.group(1)
        if name == "number":
            numbers.append(str(rng.randint(2, 12) if rng.random() < 0.6 else rng.randint(13, 59)))
            return numbers[-1]
        return rng.choice(_ORDINALS if name == "ordinal" else LISTS[name])

    written = _SLOT.sub(word, choose(rng.choice(patterns), rng))
    for regular, right in _PLURALS:
        written = written.replace(regular, right)
    return _sentence(kind, written)


def _sentence(kind: str, written: str, answer: str = "") -> Sentence:
    """Return the sentence of a wording: capital, mark, and its numbers in words."""
    text = written[:1].upper() + written[1:]
    if text[-1] not in ".?!":
        text += "."
    return Sentence(kind, spoken_form(text), text, answer)


def spoken_form(written: str) -> str:
    """Return how a written sentence is said: numbers up to 59 in words, no capitals, no marks."""
    said = re.sub(r"\d+", lambda match: number_words(int(match.group())), written)
    return " ".join(re.sub(r"[^a-z' ]+", " ", said.lower()).split())


TALK = {
    "who are you": ["who are you?", "what are you?", "what is your name?", "tell me your name"],
    "what can you do": ["what can you do?", "how can you help me?", "what do you do?", "help me"],
    "how are you": ["how are you?", "how are you today?", "how is it going?"],
    "greeting": ["hello", "hello there", "hi there", "good morning", "good evening"],
    "thanks": ["thank you", "thank you very much", "thanks a lot", "many thanks"],
    "goodbye": ["goodbye", "bye", "see you later", "good night"],
    "joke": ["tell me a joke", "make me laugh", "do you know a joke?"],
    "send a message": ["how do I send a message?", "how do I ask a question?"],
    "new line": ["how do I make a new line?", "how do I start a new line?"],
    "stop an answer": ["how do I stop an answer?", "how can I stop you?"],
    "webcam pane": ["how do I open the camera?", "what is the webcam for?", "how do I use the webcam?"],
    "microphone pane": ["how do I use the microphone?", "where is the microphone?", "how do I talk to you?"],
    "how to load a real model": ["how do I load a real model?", "where do I get a real model?"],
    "privacy": ["is my data safe?", "do you send my data?", "is this private?"],
}  # fmt: skip
"""Spoken questions whose answers are those of the intent of that name."""


@cache
def _talk_intents() -> dict[str, Callable[[random.Random], str]]:
    sources = {intent.name: intent.source for intent in INTENTS}
    return {
        name: (lambda rng, source=sources[name]: source(rng, State(), False).answer) for name in TALK if name in sources
    }


@cache
def _talk_answers() -> dict[str, tuple[str, ...]]:
    sources = {intent.name: intent.source for intent in INTENTS}
    return {
        spoken_form(wording): sources[name](random.Random(0), State(), False).accepted
        for name, wordings in TALK.items()
        for wording in wordings
        if name in sources
    }


def answers_to(sentence: Sentence) -> tuple[str, ...]:
    """Return what may be said to a spoken question, as the language model is taught now; empty for anything else."""
    if not sentence.answer:
        return ()
    return _talk_answers().get(sentence.spoken, (sentence.answer,))


def _question(rng: random.Random) -> Sentence:
    """Return a spoken question that the language model has an answer to."""
    roll = rng.random()
    if roll < 0.25:
        country, capital = rng.choice(list(facts.CAPITALS.items()))
        asked = choose("[what is|tell me|do you know] the capital of ", rng) + f" {country}"
        return _sentence("question", _asked(asked), f"The capital of {country} is {capital}.")
    if roll < 0.37:
        thing, colour = rng.choice(list(facts.COLOURS.items()))
        asked = f"what colour is {thing}?"
        return _sentence("question", asked, f"{thing[:1].upper() + thing[1:]} is {colour}.")
    if roll < 0.47:
        word, opposite = rng.choice(list(facts.OPPOSITES.items()))
        return _sentence("question", f"what is the opposite of {word}?", f"The opposite of {word} is {opposite}.")
    if roll < 0.57:
        cycle, kind = (facts.DAYS, "day") if rng.random() < 0.6 else (facts.MONTHS, "month")
        at, before = rng.randrange(len(cycle)), rng.random() < 0.5
        word, subject = "before" if before else "after", cycle[at]
        answer = cycle[(at - 1 if before else at + 1) % len(cycle)]
        asked = f"[what|which] {kind} [comes|is] {word} {subject}?"
        return _sentence("question", choose(asked, rng), f"{word.capitalize()} {subject} comes {answer}.")
    if roll < 0.64:
        animal, sound = rng.choice(list(facts.ANIMALS.items()))
        asked = choose(f"what [does {animal} say|sound does {animal} make]?", rng)
        return _sentence("question", asked, sound)
    if roll < 0.72:
        subject, answer = rng.choice(list(facts.COUNTS.items()))
        return _sentence("question", f"how many {subject}?", answer)
    if roll < 0.84:
        a, b = rng.randint(1, 20), rng.randint(1, 20)
        a, b = max(a, b), min(a, b)
        plus = rng.random() < 0.6
        asked = choose("[what is|how much is]", rng) + f" {a} {'plus' if plus else 'minus'} {b}?"
        return _sentence("question", asked, f"{a} {'+' if plus else '-'} {b} = {a + b if plus else a - b}.")
    name = rng.choice(list(_talk_intents()))
    return _sentence("question", rng.choice(TALK[name]), _talk_intents()[name](rng))


def _asked(wording: str) -> str:
    wording = " ".join(wording.split())
    return wording if wording.startswith("tell") else wording + "?"


_PROPER = {word.lower(): word for name in ("name", "day", "month") for word in LISTS[name]} | {"i": "I"}


@cache
def vocabulary() -> tuple[str, ...]:
    """Return every word that commands are made of, as it is written inside a sentence; numbers apart."""
    rng = random.Random(0)
    written = (_command(rng).written for _ in range(20_000))
    words = {word.lower() for text in written for word in re.findall(r"[A-Za-z']+", text)}
    return tuple(sorted(_PROPER.get(word, word) for word in words))


def _words(rng: random.Random) -> Sentence:
    """Return words of the vocabulary in no order at all, so that hearing cannot be replaced by guessing."""
    return _sentence("words", " ".join(rng.choices(vocabulary(), k=rng.randint(2, 5))))


def digit_string(rng: random.Random) -> Sentence:
    """Return 1 to 8 digits, said one by one and written without spaces."""
    digits = [rng.randrange(10) for _ in range(rng.randint(1, 8))]
    return Sentence("digits", " ".join(DIGITS[digit] for digit in digits), "".join(map(str, digits)))


_MAKERS = (_command, _question, digit_string, _words)
_SHARES = (0.54, 0.2, 0.1, 0.16)


def is_held_out(sentence: Sentence) -> bool:
    """Say whether this combination of words is kept from training."""
    return len(sentence.spoken.split()) > 2 and share(sentence.spoken) < HELD_OUT_SHARE


def sentences(seed: int, *, held_out: bool, kind: str | None = None) -> Iterator[Sentence]:
    """Yield sentences without end, of one side of the split; equal seeds give equal sentences."""
    rng = random.Random(f"{seed} {held_out} {kind}")
    by_kind = dict(zip(("command", "question", "digits", "words"), _MAKERS, strict=True)) | {"phrase": _phrase}
    while True:
        maker = by_kind[kind] if kind else rng.choices(_MAKERS, _SHARES)[0]
        sentence = maker(rng)
        if is_held_out(sentence) == held_out:
            yield sentence
