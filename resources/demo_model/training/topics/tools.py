# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""Questions that a declared tool answers: the clock and the calculator."""

from __future__ import annotations

import random
from typing import Any

from ..exchange import Call, Exchange
from ..noise import vary
from ..wordings import choose, fill, pick

_CLOCK_NAMES = ("get_time", "get_time", "get_time", "get_current_time", "clock")
_CALCULATOR_NAMES = ("calculate", "calculate", "calculate", "calculator", "compute")
_CLOCK_DESCRIPTIONS = [
    "[Return|Get|Tell|Returns|Gives] the [current|local|] time[ of day| now| and date|].",
    "[What time it is|The clock of this computer].",
    "[Current|Local] [time|date and time].",
]
_CALCULATOR_DESCRIPTIONS = [
    "[Evaluate|Calculate|Compute|Work out|Evaluates] [an|the|a] [arithmetic |mathematical |]expression.",
    "[A|The] calculator[ for sums|].",
    "[Do|Does] [arithmetic|a sum|sums|maths].",
]
_ASK_TIME = [
    "what time is it[ now| please|]?", "what is the time[ now|]?", "[please|can you|could you] tell me the [time|current time]", "how late is it?", "do you know what time it is?", "[time|the time][ please|]?", "what [day|date] is it[ today|]?", "which day is today?", "what is [the date|today's date]?", "is it [late|already late|past noon]?", "look at the clock", "[check|tell me] the [clock|time|date]",
]  # fmt: skip
_ASK_SUM = [
    "what is {sum}?", "{sum}", "{sum} =", "how much is {sum}?", "[please|can you] [calculate|compute|work out] {sum}", "[calculate|compute] {sum}", "use the calculator[ for|:] {sum}", "I need {sum}", "tell me what {sum} is", "what does {sum} make?",
]  # fmt: skip
_WORDS = {"+": " plus ", "-": " minus ", "*": " times ", "/": " divided by "}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")  # fmt: skip


def declarations(rng: random.Random) -> list[dict[str, Any]]:
    """Return the clock, the calculator, or both, as the chat template takes them."""
    kinds = rng.choice((("clock",), ("calculator",), ("clock", "calculator"), ("calculator", "clock")))
    return [_clock(rng) if kind == "clock" else _calculator(rng) for kind in kinds]


def _clock(rng: random.Random) -> dict[str, Any]:
    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    if rng.random() < 0.3:
        parameters["properties"] = {
            "timezone": {
                "type": "string",
                "description": rng.choice(("Name of the time zone", "Time zone", "Optional")),
            }
        }
    return _declared(rng.choice(_CLOCK_NAMES), choose(rng.choice(_CLOCK_DESCRIPTIONS), rng), parameters)


def _calculator(rng: random.Random) -> dict[str, Any]:
    argument: dict[str, Any] = {"type": "string"}
    if rng.random() < 0.6:
        argument["description"] = rng.choice(
            ("What to calculate", "The expression", "Arithmetic expression such as 2 + 3", "Expression")
        )
    parameters: dict[str, Any] = {"type": "object", "properties": {"expression": argument}}
    if rng.random() < 0.7:
        parameters["required"] = ["expression"]
    return _declared(rng.choice(_CALCULATOR_NAMES), choose(rng.choice(_CALCULATOR_DESCRIPTIONS), rng), parameters)


def _declared(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def use(tool: dict[str, Any], rng: random.Random, held_out: bool) -> Exchange:
    """Return a question that calls for this tool, the call, and the answer from what it returned."""
    name = tool["function"]["name"]
    if name in _CALCULATOR_NAMES:
        return _sum(name, rng, held_out)
    question = vary(pick(_ASK_TIME, rng, held_out=held_out), rng)
    hour, minute = rng.randrange(24), rng.randrange(60)
    clock = f"{hour:02d}:{minute:02d}"
    date = f"{rng.randint(2024, 2031)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    spoken = f"{rng.choice(_DAYS)}, {rng.randint(1, 28)} {rng.choice(_MONTHS)} {rng.randint(2024, 2031)}"
    result = rng.choice(
        (clock, clock, f"{clock}:{rng.randrange(60):02d}", f"{date} {clock}", date, f"{spoken}, {clock}", spoken)
    )
    answer = f"It is {result}."
    return Exchange("asks the clock", question, answer, "I look at the clock.", (answer,), call=Call(name, {}, result))


def _sum(name: str, rng: random.Random, held_out: bool) -> Exchange:
    sign = rng.choice("++--**/")
    a, b = (rng.randrange(1, 10 ** rng.randint(1, 5)) for _ in range(2))
    if sign == "/":
        b = rng.randint(2, 99)
        a = b * rng.randrange(1, 2000)
    result = str({"+": a + b, "-": a - b, "*": a * b, "/": a // max(b, 1)}[sign])
    asked = rng.choice((f"{a} {sign} {b}", f"{a}{sign}{b}", f"{a}{_WORDS[sign]}{b}"))
    question = vary(fill(pick(_ASK_SUM, rng, held_out=False), {"sum": asked}), rng, literal=True)
    answer = f"The result is {result}."
    call = Call(name, {"expression": f"{a} {sign} {b}"}, result)
    return Exchange("asks the calculator", question, answer, "I use the calculator.", (answer,), call=call)
