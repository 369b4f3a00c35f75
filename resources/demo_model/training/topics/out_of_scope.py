# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""Everything that the model cannot answer, and the modest answer to it.

This is the topic that matters most: nonsense is worse than modesty. Questions are put together from many frames,
subjects and deeds, a good part of them with made-up words, so that a word never seen means "I do not know".
"""

from __future__ import annotations

import random

from ..exchange import Exchange, Intent, Source, State
from ..noise import vary
from ..wordings import choose, fill, pick
from .facts import ANIMALS, CAPITALS, COLOURS
from .words import COMMON, NAMES, made_up_word, scramble

SUBJECTS = """quantum physics|black holes|the big bang|gravity|relativity|photosynthesis|evolution|dinosaurs|volcanoes|earthquakes|climate change|
global warming|nuclear energy|solar panels|electricity|magnetism|light|sound|atoms|molecules|chemistry|biology|mathematics|algebra|geometry|calculus|
statistics|probability|linear algebra|topology|history|geography|economics|inflation|the stock market|taxes|interest rates|bitcoin|blockchain|
cryptocurrency|money|banks|politics|democracy|elections|the constitution|the law|human rights|war|the first world war|the second world war|the cold war|
the french revolution|the roman empire|ancient egypt|the middle ages|the renaissance|the industrial revolution|the berlin wall|napoleon|julius caesar|
cleopatra|albert einstein|isaac newton|charles darwin|marie curie|galileo|mozart|beethoven|bach|picasso|van gogh|leonardo|shakespeare|goethe|
plato|socrates|aristotle|kant|nietzsche|karl marx|gandhi|nelson mandela|abraham lincoln|george washington|barack obama|donald trump|
angela merkel|elon musk|bill gates|steve jobs|taylor swift|the beatles|michael jackson|elvis|madonna|messi|ronaldo|roger federer|harry potter|
star wars|the lord of the rings|batman|spiderman|sherlock holmes|don quixote|faust|moby dick|the bible|the quran|buddhism|christianity|islam|
hinduism|religion|god|philosophy|ethics|consciousness|love|happiness|friendship|dreams|sleep|memory|the brain|the heart|the lungs|the liver|blood|
cells|dna|genes|viruses|bacteria|vaccines|cancer|diabetes|the flu|covid|headaches|back pain|allergies|vitamins|protein|diets|fasting|yoga|
meditation|running|swimming|football|basketball|tennis|chess|golf|baseball|cricket|the olympics|the world cup|formula one|music|jazz|opera|rock music|
the piano|the guitar|the violin|painting|photography|cinema|theatre|poetry|literature|grammar|linguistics|latin|sanskrit|the internet|computers|
programming|python|java|javascript|rust|c++|html|sql|linux|windows|git|docker|kubernetes|databases|algorithms|machine learning|neural networks|
artificial intelligence|transformers|attention|backpropagation|large language models|robots|self-driving cars|electric cars|cars|engines|aeroplanes|
rockets|satellites|space travel|mars|the moon|the sun|saturn|neptune|pluto|galaxies|stars|comets|oceans|rivers|the amazon|the sahara|the alps|
the himalayas|antarctica|rainforests|deserts|whales|sharks|elephants|tigers|lions|wolves|bears|eagles|penguins|snakes|spiders|ants|bees|butterflies|
mushrooms|trees|flowers|roses|coffee|tea|wine|beer|whisky|chocolate|bread|cheese|pasta|pizza|sushi|curry|soup|salad|vegetables|gardening|cooking|
baking|sewing|knitting|architecture|bridges|skyscrapers|pyramids|castles|the eiffel tower|stonehenge|paris|london|new york|tokyo|rome|venice|
iceland|japan|china|india|brazil|canada|australia|africa|europe|asia|the united nations|the european union|nato|google|apple|microsoft|amazon|facebook|
netflix|tesla|insurance|mortgages|pensions|marketing|management|leadership|psychology|sociology|anthropology|archaeology|astronomy|meteorology|
thermodynamics|entropy|the periodic table|gold|silver|iron|plastic|concrete|glass|paper|oil|coal|hydrogen|oxygen|carbon dioxide|water treatment|recycling|
pollution|the ozone layer|time zones|leap years|calendars|clocks|maps|compasses|telescopes|microscopes|lasers|batteries|semiconductors|transistors|
the weather|clouds|rainbows|thunderstorms|hurricanes|tornadoes|tides|glaciers|fossils|minerals|diamonds|pearls|amber|a larimar stone|your mother|my neighbour|
the president|the king|the pope|the chancellor|the prime minister|my boss|my teacher|santa claus|the easter bunny|ghosts|aliens|dragons|unicorns|vampires"""
SUBJECT_LIST = [subject.strip() for subject in SUBJECTS.replace("\n", "").split("|")]
DEEDS = """bake a cake|cook rice|boil an egg|make pancakes|make coffee|bake bread|roast a chicken|brew beer|grow tomatoes|plant a tree|water my plants|
train a dog|feed a cat|ride a horse|ride a bike|drive a car|fix a bike|change a tyre|repair a roof|paint a wall|build a house|build a table|hang a picture|
clean a window|remove a stain|wash wool|iron a shirt|tie a tie|sew a button|knit a scarf|cut my hair|lose weight|build muscle|run a marathon|learn to swim|
learn to cook|learn french|learn english|learn the guitar|learn to program|write a book|write a letter|write a cv|write an essay|write a poem|write code|
sort a list|reverse a string|read a file|parse json|centre a div|install linux|install python|set up a router|reset my password|format a disk|back up my files|
buy a house|rent a flat|sell my car|find a job|ask for a raise|quit my job|start a company|save money|pay taxes|invest in stocks|open a bank account|
get a passport|get a visa|book a flight|plan a trip|pack a suitcase|travel to japan|go to the moon|meet people|make friends|ask her out|get married|
get divorced|raise a child|name my baby|stop smoking|sleep better|wake up early|cure a cold|treat a burn|lower a fever|stop hiccups|measure blood pressure|
play chess|play poker|win the lottery|solve a rubik's cube|draw a cat|take good photos|sing|dance|juggle|whistle|play tennis|do a handstand|meditate|
speak in public|give a speech|learn faster|study for an exam|pass my test|remember names|read faster|type faster|solve an equation|prove a theorem|
translate a text|summarise a text|check my grammar|write a joke book|become a doctor|become a pilot|become rich|become famous|be happy|find love|
buy a ticket|order a pizza|call a taxi|send an email|set an alarm|set a timer|play a song|play music|turn on the light|open a website|search the web|
open a file|delete a file|send a fax|print a page|book a table|make a reservation|buy shoes|pay a bill"""
DEED_LIST = [deed.strip() for deed in DEEDS.replace("\n", "").split("|")]
PLACES = [
    *CAPITALS,
    "Bavaria",
    "Texas",
    "California",
    "New York",
    "Hamburg",
    "Kyoto",
    "Florida",
    "Mars",
    "Atlantis",
    "Sicily",
]


def _subject(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.48:
        return rng.choice(SUBJECT_LIST)
    if roll < 0.62:
        return rng.choice(["a ", "the ", "", ""]) + made_up_word(rng)
    if roll < 0.70:
        return f"{made_up_word(rng)} {rng.choice([*COMMON, made_up_word(rng)])}"
    if roll < 0.76:
        return f"{rng.choice(NAMES)} {made_up_word(rng).capitalize()}"
    if roll < 0.84:
        return f"{rng.choice(['a', 'the', 'my', 'a good', 'the best', 'an old', 'a new'])} {rng.choice(COMMON)}"
    if roll < 0.90:
        return f"{rng.choice(SUBJECT_LIST)} {rng.choice(['and', 'or', 'in', 'without', 'with', 'of'])} {rng.choice(SUBJECT_LIST)}"
    if roll < 0.95:
        return f"the {rng.choice(COMMON)} of {rng.choice(PLACES)}"
    return f"{rng.choice(COMMON)} {rng.choice(COMMON)}"


def _deed(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.7:
        return rng.choice(DEED_LIST)
    if roll < 0.85:
        return (
            f"{made_up_word(rng)} {rng.choice(['a', 'the', 'my', 'some'])} {rng.choice([*COMMON, made_up_word(rng)])}"
        )
    verb = rng.choice(
        [
            "make",
            "build",
            "find",
            "buy",
            "fix",
            "clean",
            "paint",
            "draw",
            "carry",
            "use",
            "grow",
            "choose",
            "sell",
            "wash",
            "open",
            "close",
            "count",
            "measure",
            "mix",
            "break",
        ]
    )
    return f"{verb} {rng.choice(['a', 'the', 'my', 'some', 'a new'])} {rng.choice(COMMON)}"


_DONT_KNOW = (
    "I am only a small demo model and do not know that. Load a real Gemma 4 model under Models to get an answer."
)
_CANT_WRITE = "I am only a small demo model and cannot write that. A real Gemma 4 model, loaded under Models, can."
_CANT_CODE = "I am only a small demo model and cannot program. A real Gemma 4 model, loaded under Models, can."
_CANT_TRANSLATE = "I am only a small demo model and cannot translate. A real Gemma 4 model, loaded under Models, can."
_NO_NEWS = "I run on your machine and cannot look anything up, so I do not know today's news, weather or time."
_CANT_DO = "I can only chat: I cannot do things for you. I am a small demo model."
_NOT_UNDERSTOOD = "I did not understand that. I am only a small demo model; ask me what I can do."
_NO_OPINION = "Thank you for telling me. I am only a small demo model and cannot say much about it."

_EXPLAIN = [
    "what [is|are] {x}?", "what [is|are] {x} [exactly|good for|made of|about|called]?", "[explain|describe] {x}[ to me| in simple words| briefly| please|]", "[can|could|would] you [please|] explain {x}[ to me|]?", "how [does|do] {x} work?", "how [is|are] {x} made?", "why [is|are] {x} [important|so expensive|dangerous|red|good|bad|so popular|round|there]?", "why do [we|people|animals|men|women|birds] [need|like|have|fear|eat|want] {x}?", "tell me [something|more|everything|a story|a fact|] about {x}", "who [is|was|were|invented|discovered|wrote|owns|won] {x}?", "when [was|is|did|will] {x} [born|invented|built|happen|end|start|die|over]?", "where [is|are|was|can I find|can I buy] {x}?", "what do you [think|know|say] about {x}?", "do you know [anything about|something about|about|] {x}?", "[what is|] the [meaning|history|definition|price|weight|size|speed|age|origin|purpose|cause] of {x}[?|]", "how [old|big|long|heavy|far|tall|much|deep|expensive] is {x}?", "how many {x} [are there|exist|do I need|are sold every year]?", "is {x} [good|bad|dangerous|healthy|true|real|better than before|expensive|worth it|possible]?", "are {x} [good|bad|dangerous|healthy|real|expensive]?", "what [happens|happened] [to|with|after|during] {x}?", "what causes {x}?", "[give me|list|name] [three|five|ten|some] [facts|reasons|examples|ideas|tips|books|questions] [about|for|of] {x}", "what is the [best|worst|biggest|oldest|cheapest|difference between] {x}?", "which {x} [is best|should I buy|do you recommend|is the best]?", "[can|should|may|must] I [eat|buy|use|trust|try|read|visit|see] {x}?", "does {x} [exist|hurt|help|cost money|matter|grow]?", "{x}", "{x}?", "I [want|need|would like] to [know|learn|understand] [more about|something about|] {x}", "I have a question about {x}", "[please|] help me [understand|with] {x}", "who is the [president|king|queen|author|inventor|owner|mayor|leader|father|founder] of {x}?", "what is the [population|language|currency|flag|area|anthem|best food|religion] of {p}?", "how many people live in {p}?", "how [far|long] is it [from here|] to {p}?", "what [language|currency|food] [do they|do people] [speak|use|eat] in {p}?", "[tell me about|what is|what do you know about] the history of {p}", "compare {x} [and|with|to] {x2}", "what is the difference between {x} and {x2}?", "is {x} [better|bigger|older|faster] than {x2}?", "what would happen if {x} [disappeared|were blue|did not exist]?", "if {x} is {x2}, what is {y}?", "do {x} [eat|like|need|have] {x2}?", "what [comes|came] first, {x} or {x2}?", "define {x}", "{x} vs {x2}", "what does {y} mean?", "what does the word {y} mean?", "[pros and cons|advantages|disadvantages|summary|examples] of {x}", "recommend [me|] [a|some|a good] {y}", "what is your opinion [on|of|about] {x}?", "teach me [about|] {x}", "how come {x} [is|are] [so|] {y}?", "what are the [symptoms|rules|parts|types|ingredients|benefits|effects] of {x}?",
]  # fmt: skip
_HOW_TO = [
    "how [do|can|should|could] I {d}?", "how [do you|does one|to] {d}?", "[what is|] the best way to {d}[?|]", "[explain|show me|teach me|tell me] how to {d}", "[can|could|would] you [please|] [help me [to|]|tell me how to|show me how to|teach me to] {d}?", "what do I need to {d}?", "how long does it take to {d}?", "how much does it cost to {d}?", "why [should|can't|must] I {d}?", "where can I {d}?", "when should I {d}?", "I [want|need|would like|am trying|have] to {d}", "[give me|I need|do you have] [tips|advice|instructions|a recipe|a plan] to {d}", "is it [easy|hard|difficult|possible|legal|expensive] to {d}?", "should I {d}?", "what happens if I {d}?", "I [cannot|can't|do not know how to] {d}", "how to {d} [in 3 steps|quickly|at home|for beginners|step by step]", "help me {d}", "who can {d}?", "[have|did] you ever {d}?",
]  # fmt: skip
_WRITE = [
    "[write|compose|create|make|give me|tell me|generate|draft] [me|] [a|an|a short|a long|a funny|another] [poem|story|song|essay|letter|email|speech|haiku|limerick|report|novel|article|blog post|summary|fairy tale|recipe|riddle|rap|script|cover letter|headline|slogan|tweet|dialogue|quiz|list|plan|table] [about|for|on|to] {x}", "[write|compose|tell|sing] [me|] [a|an|a short|a long|a nice] [poem|story|song|essay|haiku|letter|fairy tale|bedtime story|riddle|rap][ please|]", "[can|could|would] you [please|] [write|tell|compose|sing|read] [me|] [a|an] [poem|story|song|essay|letter|email|speech|bedtime story]?", "[can|could] you [summarise|summarize|rewrite|shorten|improve|correct|proofread|finish] [this|my|the following] [text|essay|letter|sentence|email|paragraph|article]?", "[summarise|summarize|rewrite|shorten|improve|correct|proofread] [this|the following|my] [text|essay|letter|sentence|email|article]: {x} {y} {x2}", "write [something|a text|two sentences|a paragraph] about {x}", "[finish|continue] [this|my|the] [story|sentence|poem]: {x}", "[once upon a time|let us write a story|let us tell a story]", "[a poem|a story|an essay|a song] about {x}[ please|]", "make up a [story|name|word|game] [about|for] {x}", "give me a [title|name|slogan] for {x}", "[describe|imagine] a [day|world|place] without {x}", "make [this|it] [sound|look] [better|more formal|nicer]: {x}",
]  # fmt: skip
_CODE = [
    "[write|create|make|show|give] [me|] [a|some|the] [python|java|javascript|c++|rust|bash|sql|html|c|go|] [function|program|script|code|class|query|loop|game|website] [that|to|which|for] {d}", "[write|show me|give me] [hello world|quicksort|bubble sort|a fibonacci function|fizzbuzz|a calculator|a regex|unit tests|a for loop] in [python|java|javascript|c++|rust|c|go]", "[can|could] you [write|read|fix|debug|explain|review] [code|programs|my code|this code|a program|python|javascript|this function|a script]?", "[fix|debug|explain|review|optimise|refactor] [this|my|the following] [code|function|program|script|query|loop]", "how do I [print|sort a list|read a file|make a loop|define a function|use a class|install a package|write a test] in [python|java|javascript|c++|rust|c|go|bash]?", "[why does|what does] this [code|function|program|error] [not work|do|mean]?", "def {y}(x): return x", "print({y})", "import {y}", "[what is|how do I use] [a pointer|recursion|a lambda|a decorator|a list comprehension|an array|a closure|async|inheritance] in [python|java|c++|rust|javascript]?", "[code|program] {x} in [python|java|c]", "are you able to [code|program|write code]?", "can you [code|program]?", "select * from {y}", "I get [an error|a syntax error|a segfault|an exception] in [python|java|my code]",
]  # fmt: skip
_TRANSLATE = [
    "[translate|convert] {x} [to|into] [german|french|spanish|italian|latin|english|chinese|russian|japanese]", "how do you say {x} in [german|french|spanish|italian|latin|chinese|russian|japanese]?", "what is {x} in [german|french|spanish|italian|latin|chinese|russian]?", "[can|could] you translate[ this| something| a text| for me| into german| into french|]?", "translate[ this| the following| my text|]: {x}", "what does {y} mean in [german|french|english|spanish]?", "[say|write] [hello|goodbye|thank you|good morning|{x}] in [german|french|spanish|italian|japanese]", "{x} in [german|french|spanish]", "[please|] translate {x}",
]  # fmt: skip
_NEWS = [
    "what is the [weather|temperature|forecast][ today| tomorrow| like| outside| like today| in {p}| in berlin| now|]?", "how is the weather[ today| in {p}| outside| there|]?", "[will|does|is] it [rain|raining|snow|snowing|be sunny|be cold|get warm][ today| tomorrow| in {p}| next week|]?", "what [time|day|date|year|month] is it[ now| today| in {p}|]?", "what is the [time|date][ today| now| please|]?", "what time is it?", "what day is [it|today|tomorrow]?", "which [day|year|month] is it[ today|]?", "[what is|what is in|tell me|any] [the|] [latest|] news[ today| about {x}|]?", "what happened [today|yesterday|this week|in the news][ in {p}|]?", "who won [the game|the match|yesterday|the election|the world cup|last night]?", "what is the [price|value|course] of [bitcoin|gold|oil|apple stock|{x}][ today| now|]?", "how is the [stock market|dax|dollar|traffic] [doing|today|now]?", "what is [new|happening|going on] in [the world|{p}]?", "[look up|google|search for|search the web for|find] {x}[ on the internet| online|]", "[can|could] you [search|browse|look something up on|use] the [internet|web]?", "when is the next [train|bus|holiday|election|full moon|match]?", "what is [on tv|in the cinema|for lunch] today?", "do I need an umbrella[ today|]?", "weather[ today| tomorrow| forecast|]", "time?", "date?", "news", "[do you know|tell me] [the time|what time it is|the date|the weather]", "where am I[ now|]?", "what is my [ip address|location|address]?", "is it [cold|warm|hot|windy|sunny|late|night|morning] [outside|now|today|there]?",
]  # fmt: skip
_ACT = [
    "[please|can you|could you|will you|] [set|start] [an alarm|a timer|a reminder] [for|in] [7 o'clock|tomorrow|ten minutes|an hour]", "[please|can you|could you|] remind me [to {d}|tomorrow|later|at 5]", "[please|can you|could you|] play [a song|some music|music|a game|the radio|a video|{x}]", "[please|can you|could you|will you|] [order|buy|book|get] me [a pizza|a taxi|a flight|a ticket|a coffee|{x}]", "[please|can you|could you|] [call|phone|email|text|message] [my mother|my boss|the police|{n}|a doctor]", "[please|can you|could you|] [open|close|delete|save|print|move|rename|download] [a file|my file|my documents|the browser|this page|a program|an app|the window|{y}]", "[please|can you|could you|] [turn|switch] [on|off] the [light|lights|heating|music|tv|computer]", "[please|can you|could you|] [send|write] [an email|a message|a letter] to {n}", "can you [drive|cook|swim|dance|sing|fly|run|walk|drive a car|make coffee|clean my room|wash the dishes|play chess|draw|paint|draw a picture|play music|do my homework|phone somebody|control my computer]?", "[draw|paint|show|make] [me|] [a|an] [picture|drawing|image|photo|painting] of {x}", "do my homework", "[draw|sing|dance|paint|fly|cook]", "play [a game|chess|with me|hangman|rock paper scissors]", "let us play[ a game| chess| hangman|]", "[generate|create] an image of {x}", "make me a [coffee|sandwich|cake|tea]", "take a [photo|picture|screenshot]", "restart [my|the] computer", "shut down",
]  # fmt: skip
_STATEMENT = [
    "I [like|love|hate|have|bought|saw|found|lost|need|want] {x}", "[today|yesterday|last week] I [went to|saw|bought|read about|learned about|dreamed of] {x}", "my [brother|sister|mother|father|friend|son|daughter|neighbour|boss|uncle|aunt|teacher|colleague] [is|has|likes|hates|bought|wants|lives in] [{x}|{p}|a {y}|very tall|very funny|a doctor|ill]", "{x} [is|are] [great|bad|nice|good|expensive|beautiful|ugly|too expensive|better than {x2}|my life|fun]", "I [think|believe|know|heard|read] [that|] {x} [is|are] [good|bad|great|important|wrong|dangerous|{y}]", "I am [going to|travelling to|flying to|moving to] {p}[ tomorrow| next week| next year|]", "I am [a teacher|a doctor|a student|a programmer|an engineer|a nurse|a writer|retired|learning {x}|reading {x}|cooking|working|at work|at home|on holiday|watching tv|from another planet]", "I [work|study|worked] [in a bank|at a school|with {x}|in {p}|at home|too much]", "it is [raining|snowing|cold|warm|sunny|late|windy|hot|monday|my birthday|christmas][ today| here| outside|]", "we [have|saw|ate|visited|talked about] {x}[ today| yesterday|]", "the [weather|food|film|book|party|game|trip|concert] [is|was] [good|bad|nice|terrible|great|boring]", "there is [a|an|no] {y} [in|on|under|near] [my|the] {c}", "{n} [said|told me|thinks|says] that {x} is {y}", "I [forgot|broke|cooked|painted|sold|cleaned] [my|the|a] {c}", "I have to {d}[ tomorrow| today|]", "I can {d}", "[yesterday|today] I had to {d}", "guess what, I have {x}", "people say that {x} [is|are] {y}",
]  # fmt: skip
_GIBBERISH = [
    "{s}",
    "{s} {s2}",
    "{s}{s2}",
    "{y} {y2}",
    "{y} {y2} {s}",
    "{s}?",
    "{s}!",
    "{s} {s2} {y}",
    "{y} {y2} {y} {y2}",
    "{y}!",
    "{c} {y} {c2} {y2}",
    "{c} {c2} {y} {s}",
]
_AGE = ["how old is {n}?", "who is {n}?", "where is {n}?", "do you know {n}?", "what does {n} [do|like|want|say]?", "where does {n} live?", "what is {n}'s [name|age|job|favourite colour]?", "is {n} [my friend|here|nice|married]?", "what is the name of [my|the] [dog|cat|mother|brother|teacher|boss|street|president]?", "what is my [mother's|brother's|dog's|boss's] name?", "what [did|will] I [eat|do|wear|dream|see] [yesterday|today|tomorrow|last night]?", "what is my [password|phone number|job|birthday|shoe size|email|height]?", "where [are|did I put] my [keys|glasses|phone|wallet|shoes]?", "why am I [here|so tired|sad|alone]?", "when [is|was] my [birthday|exam|appointment]?", "what should I [eat|cook|wear|do|watch|read|buy|say|learn] [today|tonight|tomorrow|for dinner|next]?"]  # fmt: skip


def _slots(rng: random.Random) -> dict[str, str]:
    return {
        "x": _subject(rng), "x2": _subject(rng), "d": _deed(rng), "p": rng.choice(PLACES), "y": made_up_word(rng),
        "y2": made_up_word(rng), "n": rng.choice(NAMES), "c": rng.choice(COMMON), "c2": rng.choice(COMMON),
        "s": scramble(rng), "s2": scramble(rng),
    }  # fmt: skip


def _known(question: str) -> bool:
    """Say whether chance built a question that the small table of facts answers."""
    low = question.lower()
    sounds = any(animal in low for animal in ANIMALS) and ("say" in low or "sound" in low)
    colour = any(low.startswith(f"what colour is {thing}") for thing in COLOURS)
    return sounds or colour or ("eiffel" in low and "where" in low)


def _modest(name: str, patterns: list[str], answer: str, brief: str, thought: str) -> Source:
    def source(rng: random.Random, state: State, held_out: bool) -> Exchange:
        while True:
            question = vary(fill(pick(patterns, rng, held_out=held_out), _slots(rng)), rng)
            if not _known(question):
                break
        chosen = brief if state.brief else answer
        return Exchange(name, question, chosen, choose(thought, rng), (chosen,), fixed=True)

    return source


def _intent(name: str, patterns: list[str], answer: str, weight: float, brief: str = "I do not know that.") -> Intent:
    thought = "[This is beyond a small demo.|I do not know this.|This is not among the things that I learned.] [I say so honestly.|I should not guess.|I point to a real model.]"
    return Intent(name, _modest(name, patterns, answer, brief, thought), weight)


INTENTS = [
    _intent("asked to explain", _EXPLAIN, _DONT_KNOW, 10.0),
    _intent("asked how to", _HOW_TO, _DONT_KNOW, 4.0),
    _intent("asked about somebody", _AGE, _DONT_KNOW, 1.5),
    _intent("asked to write", _WRITE, _CANT_WRITE, 2.5, "I cannot write that."),
    _intent("asked to program", _CODE, _CANT_CODE, 2.0, "I cannot program."),
    _intent("asked to translate", _TRANSLATE, _CANT_TRANSLATE, 1.5, "I cannot translate."),
    _intent("asked for news", _NEWS, _NO_NEWS, 2.0, "I cannot look that up."),
    _intent("asked to act", _ACT, _CANT_DO, 2.0, "I can only chat."),
    _intent("told something", _STATEMENT, _NO_OPINION, 3.0, "All right."),
    _intent("gibberish", _GIBBERISH, _NOT_UNDERSTOOD, 1.0, "I did not understand that."),
]
