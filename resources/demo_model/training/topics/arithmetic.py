# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""Small sums, differences and products."""

from __future__ import annotations

import random

from ..exchange import Exchange, Intent, State
from ..noise import vary
from ..wordings import choose, fill, pick, share

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_SIGNS = {"+": "+", "-": "-", "*": "×"}
_ASK = {
    "+": ["{a} + {b}", "{a}+{b}", "{a} + {b} =", "{a}+{b}=", "{a} plus {b}", "add {a} and {b}", "the sum of {a} and {b}", "{a} and {b} together"],
    "-": ["{a} - {b}", "{a}-{b}", "{a} - {b} =", "{a}-{b}=", "{a} minus {b}", "{a} take away {b}", "subtract {b} from {a}", "the difference of {a} and {b}"],
    "*": ["{a} * {b}", "{a}*{b}", "{a} x {b}", "{a} × {b}", "{a} times {b}", "multiply {a} by {b}", "the product of {a} and {b}", "{a}*{b}=", "{a} multiplied by {b}"],
}  # fmt: skip
_FRAMES = [
    "{sum}", "{sum}?", "what is {sum}?", "how much is {sum}?", "[please|can you|could you|] [calculate|compute|work out|tell me] {sum}[ please|]", "[what does|how much does] {sum} make?", "and {sum}?", "do you know {sum}?", "[hello|hi|hey], what is {sum}?", "I need [to know|] {sum}", "[tell me|say] what {sum} is", "[can you tell me|tell me|do you know] [what|how much] {sum} is", "what is the [result|answer] of {sum}?", "{sum} [equals|makes|is][ what|]?", "solve {sum}",
]  # fmt: skip
_FRAMES_BARE = ["{sum}", "[please|can you|could you|] {sum}[ please|]", "what do you get if you {sum}?", "and {sum}"]
_STORIES = {
    "+": [
        "{name} has {a} {things} and gets {b} more. How many {things} does {name} have[ now|]?", "I have {a} {things} and buy {b} more. How many {things} do I have[ now|]?", "there are {a} {things} [here|in a box|on the table] and {b} [there|in another box|more]. How many [are there|in all|together]?",
    ],
    "-": [
        "{name} has {a} {things} and [eats|gives away|loses|sells] {b}. How many {things} does {name} have [left|now]?", "I have {a} {things} and [eat|give away|lose|sell] {b}. How many {things} [do I have left|are left|do I have now]?", "[there are|we have] {a} {things} and {b} [are eaten|are sold|go away]. How many are left?",
    ],
}  # fmt: skip
_THINGS = ["apples", "pears", "books", "coins", "cats", "eggs", "balls", "cards", "stones", "cups"]


def is_held_out_pair(a: int, b: int) -> bool:
    """Say whether the sums of these two numbers are kept from training; only numbers above 20 are."""
    return max(a, b) > 20 and share(f"sum {min(a, b)} {max(a, b)}") < 0.05


def numbers(rng: random.Random, sign: str, held_out: bool) -> tuple[int, int]:
    """Return two numbers up to 999 (sums, differences without a negative result) or up to 12 (products)."""
    while True:
        if sign == "*":
            return rng.randint(0, 12), rng.randint(0, 12) if rng.random() < 0.7 else rng.randint(0, 10)
        limits = rng.choices(((20, 20), (99, 99), (999, 999), (999, 99)), (0.2, 0.3, 0.4, 0.1))[0]
        a, b = (rng.randint(0, limit) for limit in limits)
        if (sign == "-" and a < b) or (sign == "+" and rng.random() < 0.5):
            a, b = b, a
        if max(a, b) > 20 and is_held_out_pair(a, b) != held_out:
            continue
        return a, b


def columns(a: int, b: int, sign: str) -> str:
    """Return a sum or difference worked out column by column, ones first: ``7+8=15, 5+6+1=12, 4+3+1=8``.

    Every step needs one carry at most. A difference (``a`` not below ``b``) shows the digit above after what was
    borrowed from it.
    """
    steps, carry = [], 0
    while a or b or carry or not steps:
        above, below = a % 10, b % 10
        if sign == "+":
            steps.append(f"{above}+{below}{'+1' if carry else ''}={above + below + carry}")
            carry = int(above + below + carry > 9)
            if a < 10 and b < 10:
                break
        else:
            above -= carry
            carry = int(above < below)
            above += 10 * carry
            steps.append(f"{above}-{below}={above - below}")
        a, b = a // 10, b // 10
    return ", ".join(steps)


def explain(a: int, b: int, sign: str) -> str:
    """Return the steps of the sum as a thought, column by column where that helps."""
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    shown = f"{a} {_SIGNS[sign]} {b}"
    if sign != "*" and b > 9 and a > 9:
        return f"{shown}: {columns(a, b, sign)}. So {shown} = {result}."
    return f"{shown} = {result}."


def sums(rng: random.Random, state: State, held_out: bool) -> Exchange:
    """Return a sum, a difference or a product, bare or in a story."""
    sign = rng.choices("+-*", (5, 3, 2))[0]
    a, b = numbers(rng, sign, held_out)
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    shown = {"a": str(a), "b": str(b)}
    if max(a, b) <= 20 and rng.random() < 0.15:
        shown = {"a": ONES[a], "b": ONES[b]}
    shown_sum = f"{a} {_SIGNS[sign]} {b}"
    sentence = f"{shown_sum} = {result}."
    roll = rng.random()
    if sign in _STORIES and max(a, b) > 1 and roll < 0.15:
        intent = "sums in a story"
        slots = shown | {
            "name": rng.choice(["Anna", "Tom", "Ben", "Mia", "Paul", "Lisa"]),
            "things": rng.choice(_THINGS),
        }
        question = vary(fill(pick(_STORIES[sign], rng, held_out=held_out), slots), rng)
    else:
        intent = {"+": "additions", "-": "subtractions", "*": "products"}[sign]
        asked = rng.choice(_ASK[sign])
        bare = asked.split()[0] in ("add", "subtract", "multiply")
        # the numbers are held out here, or (up to 20) the frame around the sum
        frames = _FRAMES_BARE if bare else _FRAMES
        held = held_out and not bare and max(a, b) <= 20
        question = vary(
            fill(pick(frames, rng, held_out=held).replace("{sum}", asked), shown), rng, literal=rng.random() < 0.6
        )
        question = question.replace("=?", "=").replace("= ?", "=")
    # the answer shows its working where there are columns, which is what makes it right
    worked = sign != "*" and (max(a, b) > 99 or (max(a, b) > 20 and min(a, b) > 9))
    full = f"{shown_sum}: {columns(a, b, sign)}. So {sentence}" if worked else sentence
    answer = f"{result}" if state.brief and max(a, b) <= 99 else full
    return Exchange(intent, question, answer, explain(a, b, sign), (answer,))


_TOO_HARD = [
    "[what is|how much is|calculate|compute|] {big} [+|-|*|x|times|plus|minus] {big2}[?|]", "[what is|how much is|calculate|] {a} [/|divided by|:|over] {b}[?|]", "[what is|calculate|] the [square root|cube root|root|logarithm|factorial|square] of {a}[?|]", "[what is|how much is|] {a}[ percent|%] of {big}[?|]", "[what is|how much is|] {a} to the power of {b}[?|]", "[what is|] {a}^{b}[?|]", "[what is|how much is|] {a}.{b} [+|-|*] {b}.{a}[?|]", "solve [the equation |]x + {a} = {b}", "[is|what about] {big} a prime number?", "[what is|tell me|how many digits does] pi[ have|]?", "what is {a} + {b} + {c}?", "{a} + {b} - {c}", "{a} * {b} + {c}", "how many [seconds|minutes|hours] are in {a} [days|weeks|years]?", "[convert|how much is] {a} [miles|pounds|inches|dollars|euros|degrees fahrenheit] [to|in] [kilometres|kilograms|centimetres|euros|dollars|degrees celsius]", "half of {big}?", "[what is|] the [derivative|integral] of x^{b}[?|]",
]  # fmt: skip


def _too_hard(rng: random.Random, state: State, held_out: bool) -> Exchange:
    slots = {
        "a": str(rng.randint(2, 99)), "b": str(rng.randint(2, 30)), "c": str(rng.randint(2, 20)),
        "big": str(rng.randint(1001, 10 ** rng.randint(4, 7))), "big2": str(rng.randint(2, 10 ** rng.randint(2, 6))),
    }  # fmt: skip
    question = vary(fill(pick(_TOO_HARD, rng, held_out=held_out), slots), rng)
    answer = (
        "That is too hard for a small demo: I only do sums of two numbers below 1000. A real Gemma 4 model can do more."
    )
    if state.brief:
        answer = "That is too hard for me."
    thought = choose("[This is more than a small sum.|I only know small sums.] I [say so|admit it].", rng)
    return Exchange("sums that are too hard", question, answer, thought, (answer,), fixed=True)


_GREATER = [
    "which [number|one|] is [bigger|greater|larger|more], {a} or {b}?",
    "what is [bigger|greater|larger|more], {a} or {b}?",
    "is {a} [bigger|greater|larger|more] than {b}?",
    "is {b} [smaller|less] than {a}?",
    "{a} or {b}, [which|what] is [bigger|larger|more]?",
]


def _greater(rng: random.Random, state: State, held_out: bool) -> Exchange:
    a, b = rng.sample(range(101), 2)
    wording = pick(_GREATER, rng, held_out=held_out)
    question = vary(fill(wording, {"a": str(a), "b": str(b)}), rng)
    answer = f"{max(a, b)} is greater than {min(a, b)}."
    if wording.startswith("is "):
        answer = f"Yes, {a} is greater than {b}." if a > b else f"No, {a} is smaller than {b}."
    return Exchange("greater or smaller", question, answer, f"I compare {a} and {b}.", (answer,))


_NEXT = [
    "[what|which number] comes [after|next after] {a}?",
    "what is the [next number|number] after {a}?",
    "count [from 1|] to {n}",
    "[please|can you] count [from 1|] to {n}",
    "[the|] number after {a}?",
]


def _count(rng: random.Random, state: State, held_out: bool) -> Exchange:
    a, n = rng.randint(0, 99), rng.randint(3, 20)
    wording = pick(_NEXT, rng, held_out=held_out)
    question = vary(fill(wording, {"a": str(a), "n": str(n)}), rng)
    answer = ", ".join(str(i) for i in range(1, n + 1)) + "." if "{n}" in wording else f"After {a} comes {a + 1}."
    return Exchange("counting", question, answer, "I count.", (answer,))


INTENTS = [
    Intent("sums", sums, 8.0),
    Intent("sums that are too hard", _too_hard, 1.6),
    Intent("greater or smaller", _greater, 0.8),
    Intent("counting", _count, 0.8),
]
