"""Runs graphs of our own operators that a stranger could have made; the child process of ``test_native_malformed.py``.

    python malformed_operators.py LIBRARY SEED COUNT

Every graph begins as a right one and is then spoiled: attributes, shapes, element types, inputs and outputs that are
missing or too many, weights that are no constants, other shapes and contents at the same address, two threads at once.
Each has to end in a refusal of the runtime's or in the numbers of ``operator_contracts.py``. Prints a line before each
graph, so that the one that ends the process is known, and a line of JSON with the counts and all that was wrong.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from operator_contracts import Array, MisfitError, expected

INTEGERS = (-(1 << 63), -(1 << 31), -8, -1, 0, 1, 2, 3, 7, 8, 16, 1 << 16, (1 << 16) + 1, 1 << 31, 1 << 32,
            (1 << 60) + 2, 1 << 61, (1 << 61) + 1, 1 << 62, (1 << 63) - 1)  # fmt: skip
NUMBERS = (float("nan"), float("inf"), float("-inf"), -1.0, -1e-6, 0.0, 1e-45, 1.0, 3e38)
TYPES = (np.float16, np.float64, np.int8, np.uint8, np.int32, np.int64, np.uint16, np.bool_, np.float32, object)
ODD_SIZES = (0, 1, 2, 7, 8, 9, 16, 31, 33)
HUGE = (1 << 31, 1 << 40, 1 << 59, 1 << 60, (1 << 61) - 1)
LARGEST = 1 << 20
"""Elements of an input."""
LARGEST_COMPARED = 1e15
Random = np.random.Generator


@dataclass
class Input:
    """An input of the node, and where it comes from: "fed", "constant", "replaceable" (a default that may be fed) or
    "made" (by a node before)."""

    value: Array | None
    source: str = "fed"


@dataclass
class Case:
    op: str
    attributes: dict[str, Any]
    inputs: list[Input]
    outputs: list[bool]
    branch: bool = False
    threads: int = 1
    spoiled: list[str] = field(default_factory=list)


# ---- right graphs


def normal(random: Random, *shape: int) -> Array:
    return random.standard_normal(shape).astype(np.float32)


def matmul(random: Random, bits: int) -> Case:
    n, depth = int(random.integers(1, 70)), int(random.integers(1, 200))
    blocks = -(-depth // 32)
    rows = normal(random, *random.integers(1, 4, random.integers(0, 2)), int(random.integers(1, 20)), depth)
    weights = random.integers(0, 256, (n, blocks, 4 * bits)).astype(np.uint8)
    scales = (normal(random, n, blocks) * 0.1).reshape((n, blocks) if random.random() < 0.5 else (-1,))
    if random.random() < 0.5:  # as they are in files: bfloat16
        scales = (scales.view(np.uint32) & 0xFFFF0000).view(np.float32)
    source = str(random.choice(["constant", "fed", "replaceable", "made"]))
    sources = ["fed", source, source if random.random() < 0.8 else "fed"]
    attributes = {"K": depth} | ({"pack": int(random.integers(0, 2))} if bits == 4 else {})
    inputs = [Input(value, where) for value, where in zip((rows, weights, scales), sources, strict=True)]
    return Case(f"Int{bits}MatMul", attributes, inputs, [True])


def attention(random: Random, owns: bool) -> Case:
    kv_heads = int(random.choice([1, 2, 3]))
    heads, size = kv_heads * int(random.integers(1, 5)), 8 * int(random.integers(1, 5))
    rows, start = int(random.integers(0, 24)), int(random.integers(1, 90))
    capacity = start + rows + int(random.integers(0, 9))
    states = [normal(random, 1, rows, heads * size)]
    if owns:
        states += [normal(random, 1, rows, kv_heads * size) for _ in range(2)]
    states += [normal(random, 1, kv_heads, capacity, size) for _ in range(2)]
    states.append(np.array([start + rows - 1], np.int32))
    window = int(random.choice([0, 1, 5, 64]))
    attributes = {"num_heads": heads, "kv_num_heads": kv_heads, "window": window, "scale": 0.25}
    return Case(
        "Attention" if owns else "SharedAttention", attributes, [*map(Input, states)], [True] * (3 if owns else 1)
    )


def gated_gelu(random: Random) -> Case:
    shape = (*random.integers(1, 5, random.integers(0, 3)), 8 * int(random.integers(1, 9)))
    return Case("GatedGelu", {}, [Input(normal(random, *shape)), Input(normal(random, *shape))], [True])


def add_norm(random: Random) -> Case:
    width = 8 * int(random.integers(1, 9))
    shape = (*random.integers(1, 5, random.integers(0, 3)), width)
    values: list[Array | None] = [normal(random, *shape), normal(random, width), normal(random, *shape)]
    after = random.random() < 0.6
    if after or random.random() < 0.5:
        values.append(normal(random, 1) if random.random() < 0.5 else None)
    if after:
        values.append(normal(random, width))
    return Case("AddNorm", {"epsilon": 1e-6}, [*map(Input, values)], [True] * (1 + after))


def heads(random: Random, turns: bool) -> Case:
    count, size = int(random.integers(1, 5)), 8 * int(random.integers(1, 5))
    rows = int(random.integers(1, 9))
    values = [normal(random, 1, rows, count * size), normal(random, size)]
    if turns:
        angles, known = int(random.integers(0, size // 2 + 1)), int(random.integers(1, 20))
        values += [random.integers(0, known, (1, rows)), normal(random, known, angles), normal(random, known, angles)]
    name = "NormedRotary" if turns else "NormedHeads"
    return Case(name, {"num_heads": count, "epsilon": 1e-6}, [*map(Input, values)], [True])


MAKERS: tuple[Callable[[Random], Case], ...] = (
    lambda random: matmul(random, 4),
    lambda random: matmul(random, 4),
    lambda random: matmul(random, 8),
    lambda random: attention(random, True),
    lambda random: attention(random, False),
    gated_gelu,
    add_norm,
    lambda random: heads(random, False),
    lambda random: heads(random, True),
)


# ---- what spoils them


def present(random: Random, case: Case) -> Input:
    """Return one of the inputs that are there."""
    there = [each for each in case.inputs if each.value is not None]
    return there[int(random.integers(len(there)))] if there else Input(np.zeros(1, np.float32))


def attribute(random: Random, case: Case) -> None:
    if not case.attributes:
        return
    name = str(random.choice(sorted(case.attributes)))
    value = case.attributes[name]
    match int(random.integers(6)):
        case 0:
            del case.attributes[name]
        case 1:
            case.attributes[name] = ("text", "", "9" * 5000, [1, 2])[int(random.integers(4))]
        case 2:
            case.attributes[name] = 1.5 if isinstance(value, int) else 1
        case _:
            odd = INTEGERS if isinstance(value, int) else NUMBERS
            case.attributes[name] = odd[int(random.integers(len(odd)))]


def further_attribute(random: Random, case: Case) -> None:
    case.attributes[str(random.choice(["window", "K", "pack", "num_heads", "epsilon", "other"]))] = int(
        random.integers(-2, 9)
    )


def shape(random: Random, case: Case) -> None:
    given = present(random, case)
    assert given.value is not None
    sizes = list(given.value.shape)
    match int(random.integers(7)):
        case 0 if sizes:
            place = int(random.integers(len(sizes)))
            sizes[place] = int(random.choice([*ODD_SIZES, sizes[place] + 1, max(0, sizes[place] - 1)]))
        case 1:
            sizes.insert(int(random.integers(len(sizes) + 1)), int(random.choice([0, 1, 1, 2])))
        case 2 if sizes:
            del sizes[int(random.integers(len(sizes)))]
        case 3:
            sizes = []
        case 4:
            sizes = sizes[::-1]
        case 5:
            sizes = [1] * int(random.integers(6, 11)) + sizes
        case _:
            other = present(random, case).value
            sizes = list(other.shape) if other is not None else sizes
    if prod(sizes) > LARGEST:
        return
    given.value = np.resize(given.value, sizes) if given.value.size else np.ones(sizes, given.value.dtype)


def huge_and_empty(random: Random, case: Case) -> None:
    given = present(random, case)
    assert given.value is not None
    sizes = [*given.value.shape] or [1]
    sizes[int(random.integers(len(sizes)))] = int(random.choice(HUGE))
    sizes[int(random.integers(len(sizes)))] = 0
    if 0 in sizes:
        try:
            given.value = np.zeros(sizes, given.value.dtype)
        except ValueError:  # NumPy has bounds of its own
            return


def element_type(random: Random, case: Case) -> None:
    given = present(random, case)
    assert given.value is not None
    kind = TYPES[int(random.integers(len(TYPES)))]
    if kind is object and given.value.size:
        given.value = np.full(given.value.shape, "text", object)
        given.source = "fed"
    elif kind is not object and given.value.dtype != object:
        with np.errstate(all="ignore"):
            given.value = given.value.astype(kind)


def left_out(random: Random, case: Case) -> None:
    if random.random() < 0.5:
        case.inputs[int(random.integers(len(case.inputs)))] = Input(None)
    else:
        del case.inputs[int(random.integers(len(case.inputs))) :]


def one_more(random: Random, case: Case) -> None:
    case.inputs.insert(int(random.integers(len(case.inputs) + 1)), Input(normal(random, 4, 8)))


def exchanged(random: Random, case: Case) -> None:
    left, right = (int(random.integers(len(case.inputs))) for _ in range(2))
    case.inputs[left], case.inputs[right] = case.inputs[right], case.inputs[left]


def outputs(random: Random, case: Case) -> None:
    if random.random() < 0.5:
        case.outputs[int(random.integers(len(case.outputs)))] = False
    elif random.random() < 0.5:
        case.outputs.append(True)
    else:
        case.outputs = case.outputs[:1]


def values(random: Random, case: Case) -> None:
    given = present(random, case)
    assert given.value is not None
    if given.value.dtype == object or not given.value.size:
        return
    given.value = given.value.copy()
    whole = given.value.dtype.kind in "iu"
    odd: tuple[Any, ...] = (-1, 0, 1, 5, 127, 10**6) if whole else (np.nan, np.inf, -np.inf, 0, 1e-42, 3e38, -3e38)
    if whole and random.random() < 0.5:
        odd = (np.iinfo(given.value.dtype).min, np.iinfo(given.value.dtype).max)
    with np.errstate(all="ignore"):
        value = np.asarray(odd[int(random.integers(len(odd)))]).astype(given.value.dtype)
    if random.random() < 0.5:
        given.value[...] = value
    else:
        given.value.flat[int(random.integers(given.value.size))] = value


def misaligned(random: Random, case: Case) -> None:
    given = present(random, case)
    assert given.value is not None
    if given.value.dtype == object or not given.value.size:
        return
    raw = np.zeros(given.value.nbytes + 16, np.uint8)
    view = raw[1 : 1 + given.value.nbytes].view(given.value.dtype).reshape(given.value.shape)
    view[...] = given.value
    given.value, given.source = view, "fed"


SPOILERS = (
    attribute, attribute, shape, shape, shape, element_type, left_out, one_more, exchanged, outputs, values, values,
    huge_and_empty, further_attribute, misaligned,
)  # fmt: skip


def draw(random: Random) -> Case:
    """Return a case, spoiled in 0 to 3 ways."""
    case = MAKERS[int(random.integers(len(MAKERS)))](random)
    case.branch = random.random() < 0.15
    case.threads = 2 if random.random() < 0.2 else 1
    for _ in range(int(random.choice([0, 1, 1, 1, 2, 3]))):
        spoiler = SPOILERS[int(random.integers(len(SPOILERS)))]
        if not case.inputs or not case.outputs:
            break
        case.spoiled.append(spoiler.__name__)
        spoiler(random, case)
    return case


# ---- running them


def model_of(case: Case) -> bytes:
    """Return the model of a case, serialised."""
    names = [f"in_{place}" if each.value is not None else "" for place, each in enumerate(case.inputs)]
    made = [f"out_{place}" if there else "" for place, there in enumerate(case.outputs)]
    graph_inputs, initializers, before = [], [], []
    for place, each in enumerate(case.inputs):
        if each.value is None:
            continue
        kind = TensorProto.STRING if each.value.dtype == object else helper.np_dtype_to_tensor_dtype(each.value.dtype)
        name = names[place]
        if each.source == "made":
            name = f"before_{place}"
            before.append(helper.make_node("Identity", [name], [names[place]]))
        if each.source != "constant":
            graph_inputs.append(helper.make_tensor_value_info(name, kind, None))
        if each.source in ("constant", "replaceable"):
            initializers.append(numpy_helper.from_array(each.value, name))
    node = helper.make_node(case.op, names, made, domain="larimar", **case.attributes)
    nodes = [*before, node]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in made if name]
    if case.branch:
        inner = [helper.make_tensor_value_info(f"{end.name}_inner", TensorProto.FLOAT, None) for end in ends]
        node.output[:] = [f"{name}_inner" if name else "" for name in made]
        nothing = [helper.make_node("Constant", [], [f"{end.name}_else"], value_float=0.0) for end in ends]
        other = [helper.make_tensor_value_info(f"{end.name}_else", TensorProto.FLOAT, None) for end in ends]
        branches = {
            "then_branch": helper.make_graph([node], "then", [], inner),
            "else_branch": helper.make_graph(nothing, "else", [], other),
        }
        nodes = [*before, helper.make_node("If", ["condition"], [end.name for end in ends], **branches)]
        graph_inputs.append(helper.make_tensor_value_info("condition", TensorProto.BOOL, []))
    graph = helper.make_graph(nodes, "malformed", graph_inputs, ends, initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("larimar", 1)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return content


def feeds_of(case: Case, *, defaults: bool = True) -> dict[str, Any]:
    feeds: dict[str, Any] = {"condition": np.array(True)} if case.branch else {}
    for place, each in enumerate(case.inputs):
        if each.value is not None and (each.source in ("fed", "made") or (each.source == "replaceable" and defaults)):
            feeds[f"before_{place}" if each.source == "made" else f"in_{place}"] = each.value
    return feeds


def wanted(case: Case) -> list[Array] | None:
    """Return the numbers that have to come out; ``None`` for a refusal."""
    try:
        with np.errstate(all="ignore"):
            return expected(case.op, case.attributes, [each.value for each in case.inputs], case.outputs)
    except MisfitError:
        return None


def difference(case: Case, found: list[Array], right: list[Array]) -> str:
    """Return what is wrong with a result, or nothing."""
    given = [each.value for each in case.inputs if each.value is not None and each.value.dtype == np.float32]
    numbers = [abs(number) for number in case.attributes.values() if isinstance(number, float)]
    plain = max(numbers, default=0) < LARGEST_COMPARED  # else what is float32 inside may end
    plain = plain and all(np.isfinite(each).all() and np.abs(each).max(initial=0) < LARGEST_COMPARED for each in given)
    for one, other in zip(found, right, strict=True):
        if one.shape != other.shape:
            return f"shape {one.shape} instead of {other.shape}"
        if not plain or not np.isfinite(other).all():
            continue
        amounts = [np.abs(each).max(initial=0).astype(np.float64) for each in given]
        bound = 1e-3 * np.abs(other).max(initial=0) + 1e-30
        if case.op == "Int4MatMul" and given[0].size and given[1].size:  # a tie of rounding, or several
            bound += amounts[0] / 127 * amounts[1] * 8 * 4 + 1e-2 * bound
        if not np.abs(one.astype(np.float64) - other).max(initial=0) <= bound:  # NaN is wrong, too
            return f"off by {np.abs(one - other).max()}, {bound} allowed"
    return ""


def changed(random: Random, case: Case) -> Case:
    """Return the case with other numbers in what is fed, some of it in fewer rows at the same address."""
    other = replace(case, inputs=[*case.inputs])
    for place, each in enumerate(other.inputs):
        if each.value is None or each.source == "constant" or each.value.dtype == object:
            continue
        value = each.value
        if not value.size:
            continue
        if value.dtype == np.float32 and random.random() < 0.5:
            value[...] = normal(random, *value.shape)  # in place: the address stays
        elif value.ndim and len(value) > 1 and random.random() < 0.3:
            value = value[: len(value) // 2]
        elif value.dtype == np.uint8 and value.flags.writeable:
            value[...] = random.integers(0, 256, value.shape)
        other.inputs[place] = Input(value, each.source)
    return other


class Runner:
    def __init__(self, library: Path) -> None:
        self.library = library
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def take(self, index: int, random: Random) -> None:
        case = draw(random)
        try:
            content = model_of(case)
        except (TypeError, ValueError, onnx.onnx_cpp2py_export.checker.ValidationError):
            self.counts["cannot be written"] += 1  # by onnx's own helpers
            return
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = int(random.integers(1, 4))
        options.register_custom_ops_library(str(self.library))
        self.counts["graphs"] += 1
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of many types, all the runtime's
            self.refused(index, case, error, wanted(case), "at its opening")
            return
        for again in range(3):
            self.run(index, case, session)
            if again < 2:
                case = changed(random, case)

    def run(self, index: int, case: Case, session: onnxruntime.InferenceSession) -> None:
        right, feeds = wanted(case), feeds_of(case)
        ends: list[Any] = []

        def once() -> None:
            try:
                ends.append(session.run(None, feeds))
            except Exception as error:
                ends.append(error)

        if case.threads == 1:
            once()
        else:
            threads = [threading.Thread(target=once) for _ in range(case.threads)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for end in ends:
            if isinstance(end, Exception):
                self.refused(index, case, end, right, "in a run")
            elif right is None:
                self.wrong.append(f"{index}: {case.op} took what it has to refuse: {summary(case)}")
            elif found := difference(case, end, right):
                self.wrong.append(f"{index}: {case.op} is {found}: {summary(case)}")
            else:
                self.counts["right"] += 1

    def refused(self, index: int, case: Case, error: Exception, right: list[Array] | None, when: str) -> None:
        if "onnxruntime" not in type(error).__module__ and not isinstance(error, RuntimeError | ValueError | TypeError):
            self.wrong.append(f"{index}: {case.op} {when}: {type(error).__name__}")
        elif not str(error):
            self.wrong.append(f"{index}: {case.op} {when}: no sentence")
        elif right is not None and not {"further_attribute", "huge_and_empty"} & {*case.spoiled}:
            self.wrong.append(f"{index}: {case.op} was refused {when}: {summary(case)}: {str(error)[-160:]}")
        self.counts[f"refused {when}"] += 1


def summary(case: Case) -> str:
    given = [f"{each.source} {each.value.dtype}{list(each.value.shape)}" if each.value is not None else "nothing"
             for each in case.inputs]  # fmt: skip
    attributes = {name: str(value)[:30] for name, value in case.attributes.items()}
    return f"{attributes} {given} {case.outputs} {'in a branch ' * case.branch}{case.spoiled}"


def main(library: str, seed: str, count: str) -> Mapping[str, Any]:
    runner = Runner(Path(library))
    for index in range(int(count)):
        print(index, flush=True)
        runner.take(index, np.random.default_rng([int(seed), index]))
    return {"counts": runner.counts, "wrong": runner.wrong}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:4])))
