"""What a reply may consist of, token by token: JSON by a schema, and calls of declared tools.

Grammars rule only where they must. Thoughts and ordinary text stay as the model writes them, and cost nothing; from
``<|tool_call>`` on, a call follows the declarations, and with a schema the answer follows that. llguidance says which
tokens a grammar admits; :class:`ReplyConstraint` knows when which grammar applies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import SchemaError
from inference.messages import ReplyOptions
from inference.reply_parser import CALL_CLOSE, CALL_OPEN, CHANNEL_CLOSE, CHANNEL_OPEN
from inference.sampling import Logits
from inference.tokenizer import Tokenizer
from inference.tool_calls import QUOTE
from inference.tool_grammar import tool_call_grammar

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_WHITE_SPACE: Final = r" |\n[ \t]{0,32}"
"""Between the parts of JSON: room for indentation, but none for a small model to lose itself in."""

_MOST_REMAINDERS: Final = 20_000
"""Of all that a schema wants numbers to be multiples of: 0.2 s. A million would take 20 s, and a gigabyte."""
_NAMES: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords of JSON schemas whose keys are no keywords."""
_VALUES: Final = frozenset({"const", "enum", "default", "examples"})
"""Those that hold no schemas."""

_MOST_REFERENCES: Final = 200
"""Parts that a schema refers to: llguidance follows a chain of them in depth, and 600 can end the process (SIGSEGV)."""

_MOST_PATTERNS: Final = 200
"""Patterns for names of one object: these take a second, 400 more than ten."""

_LONGEST_SCHEMA: Final = 4 << 20
"""Characters of a JSON schema; llguidance is tried with up to this."""

_LARGEST_GRAMMAR: Final = 40_000
"""Symbols of the grammar of a JSON schema, about 4,000 optional properties: compiling 9,000 takes most of a minute."""


class _State(Enum):
    START = "start"
    """Nothing of a constrained answer was written yet."""
    THOUGHT = "thought"
    """Inside the thought before a constrained answer."""
    TEXT = "text"
    """Whatever the model likes."""
    GRAMMAR = "grammar"
    """Inside the JSON, or inside a call."""
    CALLED = "called"
    """Behind a call where no text may follow."""
    ENDED = "ended"


@dataclass(frozen=True)
class ReplyRules:
    """What one reply is held to, compiled; :meth:`constraint` begins it."""

    vocab_size: int
    stop_ids: frozenset[int]
    schema: LLMatcher | None
    """At the beginning of the JSON, or ``None`` where the answer is free."""
    call: LLMatcher | None
    """Behind ``<|tool_call>``, or ``None`` where no tool may be called."""
    call_required: bool
    thinking: bool
    call_open: int | None
    call_close: int | None
    channel_open: int | None
    """These four are ``None`` where the model has no such token, which only one without tools may lack."""
    channel_close: int | None
    never_in_thought: frozenset[int]
    suppress_call: bool
    notes: tuple[str, ...] = ()
    """What replies are not held to though a schema asks for it, a sentence each."""

    @property
    def free(self) -> bool:
        """Whether text may be whatever the model likes."""
        return self.schema is None and not self.call_required

    def constraint(self, *, inside_thought: bool = False) -> ReplyConstraint:
        """Return the constraint for a reply; ``inside_thought``: the prompt ends within an open thought channel."""
        return ReplyConstraint(self, inside_thought=inside_thought)


class ConstraintCompiler:
    """Makes rules for the replies of one model. The first grammar costs about a second for 262,144 tokens."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int, stop_ids: Collection[int]) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._stop_ids = frozenset(stop_ids)
        self._bridge: LLTokenizer | None = None

    def rules(self, options: ReplyOptions) -> ReplyRules | None:
        """Return what the options ask for; ``None`` where the reply is free.

        Raises:
            SchemaError: the schema, or a tool's declaration, cannot be followed.
            ModelFolderError: the model lacks the tokens that calls are made of.
            ValueError: a call is required and no tool declared.
        """
        if options.tool_choice not in ("auto", "none", "required"):
            raise ValueError(f"tool_choice must be auto, none or required, not {options.tool_choice!r}")
        if options.tool_choice == "required" and not options.tools:
            raise ValueError("tool_choice can be required only where tools are declared")
        if options.json_schema is None and not options.tools:
            return None
        # JSON needs none of these tokens: a model that knows no tools or thoughts can write it, too.
        token = self._tokenizer.control_id if options.tools else self._tokenizer.optional_control_id
        call_open, call_close = token(CALL_OPEN), token(CALL_CLOSE)
        channel_close, quote = token(CHANNEL_CLOSE), token(QUOTE)
        call = schema = None
        notes: list[str] = []
        if options.tools and options.tool_choice != "none" and quote is not None and call_close is not None:
            grammar = tool_call_grammar(options.tools, quote, call_close)
            call = self._matcher(grammar.text, "The declaration of a tool")
            notes += grammar.notes
        if options.json_schema is not None and options.tool_choice != "required":
            lighter, left_out = _without_heavy_multiples(options.json_schema)
            schema = self._matcher(_json_grammar(lighter), "The JSON schema", _LARGEST_GRAMMAR)
            notes += [f"The JSON is not held to the “multipleOf” {each}." for each in left_out]
            notes += [f"The JSON is not held to {_ignored(each)}." for each in schema.get_grammar_warnings()]
        return ReplyRules(
            vocab_size=self._vocab_size,
            stop_ids=self._stop_ids,
            schema=schema,
            call=call,
            call_required=options.tool_choice == "required",
            thinking=options.thinking,
            call_open=call_open,
            call_close=call_close,
            channel_open=None if channel_close is None else token(CHANNEL_OPEN),
            channel_close=channel_close,
            never_in_thought=self._stop_ids.union(self._tokenizer.control_names) - {channel_close, quote},
            suppress_call=options.tool_choice == "none" and call_open is not None,
            notes=tuple(notes),
        )

    def _matcher(self, grammar: str, what: str, symbols: int | None = None) -> LLMatcher:
        from llguidance import LLMatcher, LLParserLimits

        limits = None if symbols is None else LLParserLimits(max_grammar_size=symbols)
        matcher = LLMatcher(self._llguidance_tokenizer(), grammar, log_level=0, limits=limits)
        if matcher.is_error():
            raise _cannot_follow(what, matcher)
        return matcher

    def _llguidance_tokenizer(self) -> LLTokenizer:
        from llguidance import LLTokenizer, TokenizerWrapper

        if self._bridge is None:
            vocabulary = _Vocabulary(self._tokenizer, self._vocab_size, self._stop_ids)
            wrapper = TokenizerWrapper(vocabulary)
            self._bridge = LLTokenizer(wrapper, n_vocab=self._vocab_size, eos_token=sorted(self._stop_ids))
            # It has its own copy now.
            wrapper.tokens = vocabulary.tokens = []
        return self._bridge


class ReplyConstraint:
    """The :class:`inference.sampling.TokenConstraint` of one reply."""

    def __init__(self, rules: ReplyRules, *, inside_thought: bool = False) -> None:
        self._rules = rules
        self._thought = inside_thought or not rules.thinking
        """Whether no thought may begin any more."""
        self._matcher: LLMatcher | None = None
        self._state = _State.TEXT if rules.free else _State.THOUGHT if inside_thought else _State.START
        if self._state is _State.START and rules.schema is not None:
            self._matcher = rules.schema.deep_copy()

    def mask(self, logits: Logits) -> Logits:
        """Return the logits with minus infinity for every token that may not come next.

        ``logits`` is float32 of shape [vocab_size] and stays unchanged; it is returned itself where all may come.
        Raises :class:`SchemaError` when the grammar became too complex to follow.
        """
        forbidden = self._forbidden()
        if forbidden is not None:
            if not forbidden:
                return logits
            masked = logits.copy()
            masked[[token for token in forbidden if token < len(masked)]] = -np.inf
            return masked
        masked = np.full_like(logits, -np.inf)
        if self._matcher is not None:
            admitted = self._admitted(self._matcher)[: len(logits)]
            np.copyto(masked[: len(admitted)], logits[: len(admitted)], where=admitted)
        extra = [token for token in self._extra() if token < len(logits)]
        masked[extra] = logits[extra]
        return masked

    def accept(self, token: int) -> None:
        """Move on by a token that :meth:`mask` left."""
        rules = self._rules
        if self._state is _State.ENDED:
            return
        if self._state is _State.THOUGHT:
            if token == rules.channel_close:
                self._begin_answer()
        elif self._state is _State.TEXT:
            if token == rules.call_open and rules.call is not None:
                self._begin_call(rules.call)
        elif token in self._extra():
            if token in rules.stop_ids:
                self._state = _State.ENDED
            elif token == rules.channel_open:
                self._state, self._thought = _State.THOUGHT, True
            elif rules.call is not None:
                self._begin_call(rules.call)
        elif self._matcher is not None:
            self._move(self._matcher, token)

    def allowed_prefix(self, tokens: Sequence[int]) -> int:
        """Return how many leading ``tokens`` may come next, one after the other; nothing moves on."""
        trial = self._copy()
        for count, token in enumerate(tokens):
            if not trial._admits(token):
                return count
            trial.accept(token)
        return len(tokens)

    def forced(self) -> tuple[int, ...]:
        """Return the tokens that must come next because there is no other choice; nothing moves on."""
        if self._forbidden() is not None:
            return ()
        extra = self._extra()
        if self._matcher is None:
            return tuple(extra) if len(extra) == 1 else ()
        return () if extra else tuple(self._matcher.compute_ff_tokens())

    def _forbidden(self) -> frozenset[int] | None:
        """What may not come next where nearly everything may; ``None`` where only what is listed may come."""
        if self._state is _State.ENDED:
            return frozenset()
        if self._state is _State.TEXT:
            return _known(self._rules.call_open) if self._rules.suppress_call else frozenset()
        if self._state is _State.THOUGHT:
            return self._rules.never_in_thought
        return None

    def _extra(self) -> frozenset[int]:
        """What may come next besides what the grammar admits."""
        rules = self._rules
        if self._state is _State.CALLED:
            return rules.stop_ids | _known(rules.call_open)
        if self._state is not _State.START:
            return frozenset()
        extra = frozenset[int]() if self._thought else _known(rules.channel_open)
        return extra if rules.call is None else extra | _known(rules.call_open)

    def _admits(self, token: int) -> bool:
        forbidden = self._forbidden()
        if forbidden is not None:
            return token not in forbidden
        if token in self._extra():
            return True
        if self._matcher is None:
            return False
        if token in self._rules.stop_ids:
            return self._matcher.is_accepting()
        return self._matcher.validate_tokens([token]) == 1

    def _begin_answer(self) -> None:
        self._state = _State.START
        self._matcher = None if self._rules.schema is None else self._rules.schema.deep_copy()

    def _begin_call(self, call: LLMatcher) -> None:
        self._state = _State.GRAMMAR
        self._matcher = call.deep_copy()

    def _move(self, matcher: LLMatcher, token: int) -> None:
        rules = self._rules
        self._state = _State.GRAMMAR
        if token in rules.stop_ids:
            self._state, self._matcher = _State.ENDED, None
            return
        if not matcher.consume_token(token):
            raise _cannot_follow("The JSON schema or the declaration of a tool", matcher)
        if token == rules.call_close:
            self._state, self._matcher = _State.TEXT if rules.free else _State.CALLED, None

    def _copy(self) -> ReplyConstraint:
        copy = ReplyConstraint(self._rules)
        copy._thought, copy._state = self._thought, self._state
        copy._matcher = None if self._matcher is None else self._matcher.deep_copy()
        return copy

    def _admitted(self, matcher: LLMatcher) -> NDArray[np.bool_]:
        bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        if matcher.is_error():
            raise _cannot_follow("The JSON schema or the declaration of a tool", matcher)
        return np.unpackbits(bits, bitorder="little").view(np.bool_)[: self._rules.vocab_size]


class _Vocabulary:
    """A tokenizer as llguidance's wrapper wants it."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int, stop_ids: frozenset[int]) -> None:
        self._encode = tokenizer.encode_literally
        self.tokens = tokenizer.token_bytes(vocab_size)
        self.special_token_ids = sorted({index for index in tokenizer.control_names if index < vocab_size} | stop_ids)
        self.eos_token_id = min(stop_ids)
        self.bos_token_id = None

    def __call__(self, text: str) -> list[int]:
        if not isinstance(text, str):  # by this the wrapper finds out that bytes are not taken
            raise TypeError("only str is taken")
        return self._encode(text)


def _known(token: int | None) -> frozenset[int]:
    return frozenset() if token is None else frozenset((token,))


def _ignored(warning: str) -> str:
    """Return what of a schema llguidance says that it leaves out."""
    kind, _, what = re.sub(r" \(\d+ times\)$", "", warning).partition(": ")
    if kind == "Unimplemented keys":
        try:
            return ", ".join(f"“{name}”" for name in json.loads(what))
        except (ValueError, TypeError):
            return what[:200]
    if kind == "Unknown format":
        return f"the format {what[:60]!r}"
    if kind.startswith("oneOf"):
        return "“oneOf” where several of its schemas fit"
    return f"all of its schema: {' '.join(warning.split())[:200].rstrip('.')}"


def _without_heavy_multiples(schema: object) -> tuple[object, list[str]]:
    """Return a schema without multiples that cannot be followed in time, and those.

    llguidance makes a state of each remainder, and of each pair of them where two meet; powers of ten cost it nothing.
    """
    try:
        if '"multipleOf"' not in json.dumps(schema, default=dict):
            return schema, []
    except (TypeError, ValueError, RecursionError):
        return schema, []  # what is wrong with it is said where it is read
    cost, left_out = 1, list[str]()

    def lighter(value: Any, *, names: bool = False) -> Any:
        nonlocal cost
        if isinstance(value, list):
            return [lighter(each) for each in value]
        if not isinstance(value, Mapping):
            return value
        kept = {}
        for key, each in value.items():
            if not names and key == "multipleOf" and isinstance(each, int | float) and each not in counted:
                remainders = _remainders(each)
                if cost * remainders > _MOST_REMAINDERS:
                    left_out.append(f"{each:.6g}" if abs(each) < 1e300 else "of such a size")
                    continue
                cost *= remainders
                counted.add(each)
            kept[key] = each if not names and key in _VALUES else lighter(each, names=not names and key in _NAMES)
        return kept

    counted = set[float]()
    try:
        found = lighter(schema)
    except RecursionError as error:
        raise SchemaError("The JSON schema is nested too deeply. Simplify it.") from error
    return found, left_out


def _remainders(multiple: float) -> int:
    """Return how many remainders there are, but for the power of ten in a number."""
    try:
        digits = Decimal(str(multiple)).as_tuple().digits
    except (ArithmeticError, ValueError):
        return 1  # more digits than Python reads; llguidance says what is wrong
    return int("".join(map(str, digits[:40])).strip("0") or "1") if len(digits) <= 40 else _MOST_REMAINDERS + 1


def _check_patterns(part: dict[str, Any]) -> dict[str, Any]:
    patterns = part.get("patternProperties")
    if isinstance(patterns, dict) and len(patterns) > _MOST_PATTERNS:
        raise SchemaError("The JSON schema has too many patternProperties to be followed. Simplify it.")
    return part


def _json_grammar(schema: object) -> str:
    from llguidance import LLMatcher

    # Keywords that no grammar can be held to are left out with a warning, which becomes a note.
    overrides: Any = {"whitespace_pattern": _WHITE_SPACE, "lenient": True}
    try:
        text = json.dumps(schema, default=dict)
        if len(text) > _LONGEST_SCHEMA:
            raise SchemaError("The JSON schema is too large for answers to be held to it. Simplify it.")
        if len(set(re.findall(r'"\$ref": "([^"]*)"', text))) > _MOST_REFERENCES:
            raise SchemaError("The JSON schema refers to too many parts to be followed. Simplify it.")
        if '"patternProperties"' in text:
            json.loads(text, object_hook=_check_patterns)
        return str(LLMatcher.grammar_from_json_schema(text, overrides=overrides))
    except RecursionError as error:
        raise SchemaError("The JSON schema is nested too deeply. Simplify it.") from error
    except (TypeError, ValueError) as error:
        raise SchemaError(f"The JSON schema is not one: {error}. Correct it.") from error


def _cannot_follow(what: str, matcher: LLMatcher) -> SchemaError:
    # what follows a line in angle brackets describes the parser; numbered lines quote the grammar
    told = matcher.get_error().partition("\n<")[0]
    lines = [line.strip() for line in told.splitlines() if line.strip() and " | " not in line]
    reason = (lines[-1] if lines else "no reason given").removeprefix("error: ").rstrip(".^ ")[:200]
    return SchemaError(f"{what} asks for something that answers cannot be held to: {reason}. Simplify it.")
