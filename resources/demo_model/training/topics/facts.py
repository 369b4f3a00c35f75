# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""A small table of facts, so that some questions have true answers."""

from __future__ import annotations

import random

from ..exchange import Exchange, Intent, State, exchange
from .words import made_up_word

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon", "Austria": "Vienna",
    "Switzerland": "Bern", "Poland": "Warsaw", "Greece": "Athens", "Norway": "Oslo", "Sweden": "Stockholm", "Finland": "Helsinki",
    "Denmark": "Copenhagen", "Ireland": "Dublin", "Belgium": "Brussels", "Hungary": "Budapest", "Romania": "Bucharest",
    "Bulgaria": "Sofia", "Turkey": "Ankara", "Russia": "Moscow", "Ukraine": "Kyiv", "China": "Beijing", "Japan": "Tokyo",
    "India": "New Delhi", "Australia": "Canberra", "Canada": "Ottawa", "Mexico": "Mexico City", "Brazil": "Brasília",
    "Argentina": "Buenos Aires", "Chile": "Santiago", "Peru": "Lima", "Egypt": "Cairo", "Kenya": "Nairobi", "Cuba": "Havana",
    "England": "London", "the United Kingdom": "London", "the United States": "Washington", "the USA": "Washington",
    "the Netherlands": "Amsterdam", "South Korea": "Seoul", "Thailand": "Bangkok", "Vietnam": "Hanoi", "Iceland": "Reykjavik",
    "the Czech Republic": "Prague", "the Dominican Republic": "Santo Domingo", "Croatia": "Zagreb", "Serbia": "Belgrade",
    "Scotland": "Edinburgh", "Wales": "Cardiff", "New Zealand": "Wellington", "Morocco": "Rabat", "Colombia": "Bogotá",
    "Indonesia": "Jakarta", "Iran": "Tehran", "Iraq": "Baghdad", "Jamaica": "Kingston", "Lithuania": "Vilnius", "Latvia": "Riga",
    "Estonia": "Tallinn", "Nigeria": "Abuja", "Saudi Arabia": "Riyadh", "Slovenia": "Ljubljana", "Slovakia": "Bratislava",
}  # fmt: skip
COLOURS = {
    "the sky": "blue", "the sea": "blue", "grass": "green", "snow": "white", "milk": "white", "blood": "red", "coal": "black",
    "the sun": "yellow", "a lemon": "yellow", "a banana": "yellow", "a tomato": "red", "a strawberry": "red", "a carrot": "orange",
    "an orange": "orange", "a leaf": "green", "a frog": "green", "a crow": "black", "chocolate": "brown", "an elephant": "grey",
    "a cherry": "red", "a cucumber": "green", "larimar": "blue", "a flamingo": "pink", "a swan": "white", "a fire engine": "red",
    "wood": "brown", "the night": "black", "sand": "yellow", "a pumpkin": "orange", "a mouse": "grey",
}  # fmt: skip
OPPOSITES = {
    "hot": "cold", "big": "small", "up": "down", "left": "right", "day": "night", "black": "white", "good": "bad", "fast": "slow",
    "old": "young", "high": "low", "long": "short", "open": "closed", "full": "empty", "happy": "sad", "hard": "soft",
    "light": "dark", "rich": "poor", "strong": "weak", "wet": "dry", "early": "late", "near": "far", "easy": "difficult",
    "clean": "dirty", "love": "hate", "war": "peace", "win": "lose", "inside": "outside", "always": "never", "yes": "no",
    "thick": "thin", "true": "false", "loud": "quiet", "begin": "end", "buy": "sell", "summer": "winter", "man": "woman",
}  # fmt: skip
OPPOSITES |= {value: key for key, value in OPPOSITES.items() if value not in ("woman",)}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
ANIMALS = {
    "a dog": "Woof!", "a cat": "Meow!", "a cow": "Moo!", "a sheep": "Baa!", "a duck": "Quack!", "a pig": "Oink!", "a lion": "Roar!",
    "a bee": "Buzz!", "a rooster": "Cock-a-doodle-doo!", "an owl": "Hoo!", "a horse": "Neigh!", "a frog": "Croak!", "a snake": "Hiss!",
}  # fmt: skip
COUNTS = {
    "days are in a week": "A week has 7 days.", "months are in a year": "A year has 12 months.", "hours are in a day": "A day has 24 hours.",
    "minutes are in an hour": "An hour has 60 minutes.", "seconds are in a minute": "A minute has 60 seconds.",
    "days are in a year": "A year has 365 days, and a leap year 366.", "weeks are in a year": "A year has 52 weeks.",
    "legs does a spider have": "A spider has 8 legs.", "legs does a dog have": "A dog has 4 legs.", "legs does a cat have": "A cat has 4 legs.",
    "legs does an insect have": "An insect has 6 legs.", "legs does a bird have": "A bird has 2 legs.", "letters are in the alphabet": "The English alphabet has 26 letters.",
    "continents are there": "There are 7 continents.", "planets are there": "There are 8 planets in the solar system.",
    "planets are in the solar system": "There are 8 planets in the solar system.", "fingers does a hand have": "A hand has 5 fingers.",
    "wheels does a car have": "A car has 4 wheels.", "wheels does a bicycle have": "A bicycle has 2 wheels.", "eggs are in a dozen": "A dozen is 12.",
    "sides does a triangle have": "A triangle has 3 sides.", "sides does a square have": "A square has 4 sides.", "seasons are there": "There are 4 seasons.",
    "strings does a violin have": "A violin has 4 strings.", "strings does a guitar have": "A guitar has 6 strings.",
    "metres are in a kilometre": "A kilometre has 1000 metres.", "centimetres are in a metre": "A metre has 100 centimetres.",
    "grams are in a kilogram": "A kilogram has 1000 grams.", "years are in a century": "A century has 100 years.", "colours does a rainbow have": "A rainbow has 7 colours.",
}  # fmt: skip
SINGLE = {
    "what is the [largest|biggest] planet[ in the solar system|]?": "The largest planet is Jupiter.",
    "what is the [highest|tallest] mountain[ in the world| on earth|]?": "The highest mountain is Mount Everest.",
    "what is the [largest|biggest] ocean?": "The largest ocean is the Pacific.",
    "what is the [largest|biggest] animal[ in the world| on earth|]?": "The largest animal is the blue whale.",
    "what is the [fastest|quickest] [animal|land animal]?": "The fastest land animal is the cheetah.",
    "what is the tallest animal?": "The tallest animal is the giraffe.",
    "at [what|which] temperature does water [boil|boils]?": "Water boils at 100 degrees Celsius.",
    "when does water boil?": "Water boils at 100 degrees Celsius.",
    "at [what|which] temperature does water freeze?": "Water freezes at 0 degrees Celsius.",
    "when does water freeze?": "Water freezes at 0 degrees Celsius.",
    "what do bees make?": "Bees make honey.",
    "what do cows [eat|like to eat]?": "Cows eat grass.",
    "who [wrote|is the author of] [romeo and juliet|hamlet|macbeth]?": "William Shakespeare wrote it.",
    "who painted the mona lisa?": "Leonardo da Vinci painted the Mona Lisa.",
    "who was the first [man|person|human] on the moon?": "Neil Armstrong was the first person on the Moon.",
    "[where|in which country|in which city] is the eiffel tower?": "The Eiffel Tower is in Paris, in France.",
    "where is big ben?": "Big Ben is in London, in England.",
    "what is [h2o|the formula of water]?": "H2O is water.",
    "what do plants need[ to grow| to live|]?": "Plants need water, light and air.",
    "is the earth [round|flat]?": "The Earth is round, like a ball.",
    "what is the [first|] letter of the alphabet?": "The first letter of the alphabet is A.",
    "what is the last letter of the alphabet?": "The last letter of the alphabet is Z.",
    "[what is|do you know] the meaning of life?": "Some say 42. I am only a small demo and cannot tell.",
    "what is the colour of [larimar|the stone larimar]?": "Larimar is blue.",
    "what is the [planet|star] we live on?": "We live on the Earth.",
    "[which|what] planet do we live on?": "We live on the Earth.",
    "what is the [red|fourth] planet?": "It is Mars.",
    "which planet is [the|] red[ planet|]?": "It is Mars.",
    "what [comes|letter comes] after a[ in the alphabet|]?": "After A comes B.",
    "what are the [four|] seasons?": "Spring, summer, autumn and winter.",
    "[name|list|tell me] the [four|] seasons": "Spring, summer, autumn and winter.",
    "[name|list|tell me|say] the days of the week": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.",
    "what are the days of the week?": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.",
    "[name|list|tell me|say] the months[ of the year|]": "January, February, March, April, May, June, July, August, September, October, November and December.",
    "what are the months[ of the year|]?": "January, February, March, April, May, June, July, August, September, October, November and December.",
    "[say|recite|tell me] the alphabet": "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z",
    "[name|tell me|give me|list] [three|some|a few] [colours|colors]": "Red, green and blue.",
    "what are the [primary|basic] colours?": "Red, yellow and blue.",
    "[name|tell me|give me|list] [three|some|a few] animals": "A dog, a cat and a horse.",
    "[name|tell me|give me|list] [three|some|a few] fruits": "An apple, a pear and a banana.",
}  # fmt: skip
_T = "[I know this fact.|This is in my small table of facts.] [{subject}: {value}.|I answer it.]"


def _capital(rng: random.Random, state: State, held_out: bool) -> Exchange:
    patterns = [
        "what is the capital[ city|] of {subject}?", "[tell me|name|do you know|give me] the capital[ city|] of {subject}", "capital of {subject}?", "which city is the capital of {subject}?", "{subject}'s capital?", "what is {subject}'s capital[ city|]?",
        "the capital of {subject} is[ what|]?", "[can|could] you tell me [the|what the] capital of {subject}[ is|]?", "and [what is|] the capital of {subject}?", "and of {subject}?", "I [need|want] [to know|] the capital of {subject}", "what is called the capital of {subject}?", "[please|] [tell|say] me what the capital of {subject} is",
    ]  # fmt: skip
    if rng.random() < 0.15:
        subject = made_up_word(rng).capitalize()
        return exchange(
            "unknown capital", rng, patterns, ["I do not know that capital. A real Gemma 4 model, loaded under Models, may know it."],
            thought="I do not know a country of that name.", slots={"subject": subject}, held_out=held_out,
        )  # fmt: skip
    subject = rng.choice(list(CAPITALS))
    value = CAPITALS[subject]
    name = subject[:1].upper() + subject[1:]
    answers = [f"{value}."] if state.brief else [f"The capital of {subject} is {value}."]
    if rng.random() < 0.15 and subject != "Mexico":
        patterns = [
            "{value} is the capital of [which|what] country?", "which country has the capital {value}?", "[of|] which country is {value} the capital?", "where is {value}?", "in which country is {value}?",
        ]  # fmt: skip
        subject = {"London": "England", "Washington": "the United States"}.get(value, subject)
        name = subject[:1].upper() + subject[1:]
        answers = [f"{value} is the capital of {subject}."]
        if state.brief:
            answers = [f"{name}."]
    return exchange(
        "capitals", rng, patterns, answers, thought=_T, slots={"subject": name if rng.random() < 0.2 else subject, "value": value},
        held_out=held_out,
    )  # fmt: skip


def _colour(rng: random.Random, state: State, held_out: bool) -> Exchange:
    patterns = [
        "what [colour|color] is {subject}?", "[which|what] [colour|color] does {subject} have?", "[tell me|name|what is] the [colour|color] of {subject}", "what is {subject}'s [colour|color]?", "[do you know|can you tell me] [the|what] [colour|color] of {subject}?", "{subject} is what [colour|color]?", "and what [colour|color] is {subject}?",
    ]  # fmt: skip
    subject = rng.choice(list(COLOURS))
    value = COLOURS[subject]
    answers = [f"{value.capitalize()}."] if state.brief else [f"{subject[:1].upper() + subject[1:]} is {value}."]
    return exchange(
        "colours", rng, patterns, answers, thought=_T, slots={"subject": subject, "value": value}, held_out=held_out
    )


def _opposite(rng: random.Random, state: State, held_out: bool) -> Exchange:
    patterns = [
        "what is the opposite of {subject}?", "[tell me|name|give me|do you know] the opposite of {subject}", "opposite of {subject}?", "the opposite of {subject}?", "what is the [contrary|antonym] of {subject}?", "[which|what] word is the opposite of {subject}?", "{subject} is the opposite of what?", "and [what is|] the opposite of {subject}?",
    ]  # fmt: skip
    subject = rng.choice(list(OPPOSITES))
    value = OPPOSITES[subject]
    quoted = f'"{subject}"' if rng.random() < 0.15 else subject
    answers = [f"{value.capitalize()}."] if state.brief else [f"The opposite of {subject} is {value}."]
    return exchange(
        "opposites", rng, patterns, answers, thought=_T, slots={"subject": quoted, "value": value}, held_out=held_out
    )


def _calendar(rng: random.Random, state: State, held_out: bool) -> Exchange:
    cycle, kind = (DAYS, "day") if rng.random() < 0.6 else (MONTHS, "month")
    at = rng.randrange(len(cycle))
    before = rng.random() < 0.4
    subject, value = cycle[at], cycle[(at - 1 if before else at + 1) % len(cycle)]
    word = "before" if before else "after"
    patterns = [
        f"[what|which] {kind} [comes|is] {word} {{subject}}?", f"what comes {word} {{subject}}?", f"the {kind} {word} {{subject}}?", f"[tell me|name] the {kind} {word} {{subject}}", f"what is the {kind} {word} {{subject}}?", f"{word} {{subject}} [comes|is] [which|what] {kind}?", f"and {word} {{subject}}?", f"do you know [which|what] {kind} [comes|is] {word} {{subject}}?",
    ]  # fmt: skip
    answers = [f"{value}."] if state.brief else [f"{word.capitalize()} {subject} comes {value}."]
    if before and not state.brief:
        answers = [f"Before {subject} comes {value}."]
    return exchange(
        "days and months",
        rng,
        patterns,
        answers,
        thought=_T,
        slots={"subject": subject, "value": value},
        held_out=held_out,
    )


def _animal(rng: random.Random, state: State, held_out: bool) -> Exchange:
    patterns = [
        "what [sound|noise] does {subject} make?", "what does {subject} say?", "how does {subject} [sound|go]?", "[make|do|imitate] the sound of {subject}", "which [sound|noise] does {subject} make?", "what [sound|noise] [makes|do you hear from] {subject}?", "do you know what {subject} says?",
    ]  # fmt: skip
    subject = rng.choice(list(ANIMALS))
    return exchange(
        "animal sounds", rng, patterns, [ANIMALS[subject]], thought=_T, slots={"subject": subject, "value": ANIMALS[subject]},
        held_out=held_out,
    )  # fmt: skip


def _count(rng: random.Random, state: State, held_out: bool) -> Exchange:
    subject = rng.choice(list(COUNTS))
    patterns = [
        "how many {subject}?",
        "[do you know|tell me|can you tell me|I want to know] how many {subject}",
        "[please|] say how many {subject}",
        "and how many {subject}?",
        "[hey|so], how many {subject}[ exactly|]?",
        "what do you think, how many {subject}?",
    ]
    if "are in" in subject:
        thing, place = subject.split(" are in ")
        patterns += [
            f"how many {thing} does {place} have?",
            f"how many {thing} has {place}?",
            f"how many {thing} [in|make up] {place}?",
            f"number of {thing} in {place}?",
        ]
    return exchange(
        "how many", rng, patterns, [COUNTS[subject]], thought=_T, slots={"subject": subject, "value": COUNTS[subject].rstrip(".")},
        held_out=held_out,
    )  # fmt: skip


def _single(rng: random.Random, state: State, held_out: bool) -> Exchange:
    while True:
        pattern, answer = rng.choice(list(SINGLE.items()))
        try:
            patterns = [
                pattern,
                pattern,
                f"[do you know|can you tell me|hey|please]: {pattern}",
                f"[one question|a question|tell me], {pattern}",
            ]
            return exchange("single facts", rng, patterns, [answer], thought="I know this fact.", held_out=held_out)
        except LookupError:
            continue


INTENTS = [
    Intent("capitals", _capital, 3.0),
    Intent("colours", _colour, 1.2),
    Intent("opposites", _opposite, 1.3),
    Intent("days and months", _calendar, 1.3),
    Intent("animal sounds", _animal, 0.7),
    Intent("how many", _count, 1.4),
    Intent("single facts", _single, 1.8),
]
