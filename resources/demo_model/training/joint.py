"""Third stage: train the language model, the eyes and the ears together.

``python -m resources.demo_model.training.joint --run v2 --mix text=1`` starts from the state in ``--start`` and goes on
where it stopped when it is called again. Data are made while training, each worker with a stream of its own.
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy

from . import attention, clipping
from .architecture import new_media_model
from .audio.saying import saying_loss
from .audio.tower import speed_up
from .checkpoint import load_state, save_state
from .fast_forward import hidden_states_at, places_of
from .mixture import sources
from .pictures.heads import WEIGHTS, Heads, losses
from .pictures.naming import naming_loss, word_tokens
from .pictures.scenes import Scene
from .prepare import RUNS
from .quantisation import rounded
from .samples import Batch, stream
from .special_tokens import PAD
from .workers import SharedGradients, run

PATCH = 16
NAMING = 3.0
"""Weight of the loss of names beside those of the heads."""


def patches(pictures: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut pictures of one shape, uint8 [height, width, 3], into float32 [B, P, 768] and positions int64 [B, P, 2]."""
    height, width, _ = pictures[0].shape
    rows, columns = height // PATCH, width // PATCH
    grid = np.stack(pictures).reshape(len(pictures), rows, PATCH, columns, PATCH, 3).swapaxes(2, 3)
    values = torch.from_numpy(grid.reshape(len(pictures), rows * columns, -1)).float() / 255
    positions = torch.stack(torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy"), -1)
    return values, positions.reshape(1, -1, 2).expand(len(pictures), -1, -1)


def encode_pictures(
    model: Any, pictures: list[Scene], heads: Heads | None = None, names: dict[str, torch.Tensor] | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the soft tokens of all pictures, one after the other: [n, hidden size], and the loss of the heads.

    With ``names``, of :func:`word_tokens`, the loss has a part that wants soft tokens to resemble the words for things.
    """
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        by_shape.setdefault(picture.pixels.shape, []).append(index)
    tokens: list[torch.Tensor] = [torch.empty(0)] * len(pictures)
    extra = None if heads is None else torch.zeros(())
    for indices in by_shape.values():
        some = [pictures[index] for index in indices]
        states = model.vision_tower(*patches([one.pixels for one in some])).last_hidden_state
        soft = model.embed_vision(inputs_embeds=states)
        if heads is not None:
            found = losses(heads(states.view(len(indices), -1, states.shape[-1])), some)
            share = len(indices) / len(pictures)
            extra += sum(WEIGHTS[name] * value for name, value in found.items()) * share
            if names is not None:
                embeddings = model.get_input_embeddings().weight
                extra += NAMING * naming_loss(soft.flatten(0, -2), some, names, embeddings) * share
        for index, one in zip(indices, soft.view(len(indices), -1, soft.shape[-1]), strict=True):
            tokens[index] = one
    return torch.cat(tokens), extra


def encode_sounds(
    model: Any, sounds: list[np.ndarray], said: list[tuple[int, ...]] | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the soft tokens of all sounds, one after the other: [n, hidden size].

    With what is ``said``, also the loss of :func:`saying_loss`.
    """
    longest = -(-max(len(sound) for sound in sounds) // 48) * 48
    features = torch.zeros(len(sounds), longest, sounds[0].shape[1])
    mask = torch.zeros(len(sounds), longest, dtype=torch.bool)
    for row, sound in enumerate(sounds):
        features[row, : len(sound)] = torch.from_numpy(sound)
        mask[row, : len(sound)] = True
    output = model.audio_tower(features, mask)
    soft: torch.Tensor = model.embed_audio(inputs_embeds=output.last_hidden_state)
    extra = None
    if said is not None:
        extra = saying_loss(soft, output.attention_mask.sum(-1), said, model.get_input_embeddings().weight)
    return soft[output.attention_mask], extra


def embedded(
    model: Any, batch: Batch, heads: Heads | None = None, names: dict[str, torch.Tensor] | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Return what the language model reads of a batch, media in their places as in transformers.

    That is embeddings [B, S, H], the token's part of the per-layer inputs [B, S, layers, P], and with ``heads`` also
    the loss of what they say about the pictures and sounds, if there are any.
    """
    inner, config = model.model, model.config
    ids = torch.from_numpy(batch.ids)
    vision = (ids == config.image_token_id) | (ids == config.video_token_id)
    audio = ids == config.audio_token_id
    text_ids = ids.masked_fill(vision | audio, PAD)
    embeddings = inner.get_input_embeddings()(text_ids)
    per_layer = inner.language_model.get_per_layer_inputs(text_ids, embeddings)
    extra = None
    if batch.pictures:
        soft, extra = encode_pictures(inner, batch.pictures, heads, names)
        embeddings = embeddings.masked_scatter(vision.unsqueeze(-1).expand_as(embeddings), soft.to(embeddings.dtype))
    if batch.sounds:
        known = heads is not None and len(batch.said) == len(batch.sounds)
        soft, more = encode_sounds(inner, batch.sounds, batch.said if known else None)
        if more is not None:
            extra = more if extra is None else extra + more
        embeddings = embeddings.masked_scatter(audio.unsqueeze(-1).expand_as(embeddings), soft.to(embeddings.dtype))
    return embeddings, per_layer, extra


def outputs(model: Any, batch: Batch) -> Any:
    """Return the language model's own output for a batch, with the keys and values that drafters read."""
    embeddings, per_layer, _ = embedded(model, batch)
    return model.model.language_model(
        inputs_embeds=embeddings, per_layer_inputs=per_layer, use_cache=False, return_shared_kv_states=True
    )


def batch_loss(
    model: Any, batch: Batch, bfloat16: bool, heads: Heads | None = None, names: dict[str, torch.Tensor] | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the mean cross entropy (nats) of the tokens to be learned, and the loss of the heads; float32 scalars."""
    targets = torch.from_numpy(batch.labels[:, 1:])
    wanted, real = places_of(targets != -100)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        embeddings, per_layer, extra = embedded(model, batch, heads, names)
        hidden = hidden_states_at(model.model.language_model, embeddings, per_layer, wanted)
        logits = model.lm_head(hidden[real]).float()
    cap = model.config.text_config.final_logit_softcapping
    return cross_entropy(torch.tanh(logits / cap) * cap, targets.gather(1, wanted)[real]), extra


def optimisers_of(
    model: torch.nn.Module, heads: torch.nn.Module, factors: dict[str, float]
) -> list[torch.optim.Optimizer]:
    """Return Muon, which learns in fewer steps, for the matrices of all layers, and AdamW for everything else.

    Learning rates go by part; parts with a factor of 0 are left out.
    """
    matrices, groups = [], []
    for part, factor in factors.items():
        named = [(name, p) for name, p in model.named_parameters() if name.startswith(part) and p.requires_grad]
        inner = [p for name, p in named if ".layers." in name and p.ndim == 2]
        matrices += [{"params": inner, "factor": factor, "weight_decay": 0.02}] if inner else []
        chosen = {id(p) for p in inner}
        for decay, matrix in ((0.05, True), (0.0, False)):
            some = [p for _, p in named if id(p) not in chosen and (p.ndim >= 2) == matrix]
            groups += [{"params": some, "weight_decay": decay, "factor": factor}] if some else []
    groups.append({"params": list(heads.parameters()), "weight_decay": 0.0, "factor": 1.0})
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)]
    if matrices:
        found.append(torch.optim.Muon(matrices, lr=0.0, momentum=0.95, adjust_lr_fn="match_rms_adamw"))
    return found


PARTS = ("model.language_model", "model.vision_tower", "model.embed_vision", "model.audio_tower", "model.embed_audio")


def load_start(model: torch.nn.Module, heads: torch.nn.Module, paths: list[str]) -> None:
    """Take the weights of earlier stages, a kind and a state's path each, the later over the earlier.

    ``text:`` is a language model, ``eyes:`` the vision tower with its projection, ``vision:`` and ``audio:`` a tower
    alone, ``all:`` (a part of) the whole model.
    """
    prefixes = {
        "all": "",
        "eyes": "model.",
        "vision": "model.vision_tower.",
        "audio": "model.audio_tower.",
        "text": "model.language_model.",
    }
    for path in paths:
        kind, _, file = path.partition(":")
        state = load_state(Path(file))
        weights = state.get("model", state)
        if kind in ("vision", "eyes") and "heads" in state:
            heads.load_state_dict(state["heads"])
        if kind == "text":
            weights = {
                name.removeprefix("model."): value for name, value in weights.items() if name != "lm_head.weight"
            }
        missing = model.load_state_dict({prefixes[kind] + name: value for name, value in weights.items()}, strict=False)
        if missing.unexpected_keys:
            raise ValueError(f"{file} has weights that the model lacks: {missing.unexpected_keys[:3]}")


def train(worker: int, folder: Path, options: argparse.Namespace) -> None:
    """Train from the newest state in ``folder`` for the steps that are left, as one of the workers."""
    torch.set_num_threads(options.threads)

    def say(text: str) -> None:
        if worker == 0:
            print(text, flush=True)

    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    model = new_media_model(options.seed).train()
    speed_up(model.model.audio_tower)
    clipping.switch(model, False)  # the bounds are measured when the checkpoint is written
    attention.use(model.model.vision_tower)
    attention.use(model.model.language_model)
    factors = dict(zip(PARTS, options.factors, strict=True))
    for part, factor in factors.items():
        for name, parameter in model.named_parameters():
            if name.startswith(part):
                parameter.requires_grad_(factor > 0)
    heads = Heads(model.config.vision_config.hidden_size)
    both = torch.nn.ModuleList([model, heads])
    optimisers = optimisers_of(model, heads, factors)
    gradients = SharedGradients(both)
    state_path = folder / "state.pt"
    step = 0
    if state_path.exists():
        state = load_state(state_path)
        model.load_state_dict(state["model"])
        heads.load_state_dict(state["heads"])
        if state.get("factors") == options.factors and not options.fresh_optimiser:
            for each, before in zip(optimisers, state["optimisers"], strict=True):
                each.load_state_dict(before)
        step = state["step"]
        say(f"going on at step {step}")
    else:
        load_start(model, heads, options.start)
    first, last = options.first if options.first is not None else step, options.steps
    mix = sources(options.mix, tokenizer)
    names = word_tokens(tokenizer)
    batches = stream(mix, options.seed, worker, step, options.batch_tokens // options.workers, options.pool)

    def save() -> None:
        if worker == 0:
            states = {"model": model.state_dict(), "heads": heads.state_dict(), "factors": options.factors}
            save_state(state_path, step=step, optimisers=[each.state_dict() for each in optimisers], **states)
            say(f"saved at step {step}")

    shown_at, shown_loss, shown_tokens, shown_pictures = time.monotonic(), 0.0, 0, 0
    started, ends = time.monotonic(), options.minutes * 60
    while step < last:
        left = (last - step) / max(options.fall, 1)
        if options.minutes:
            left = gradients.agree(1 - (time.monotonic() - started) / ends)
            if left <= 0:
                break
        batch = next(batches)
        gradients.clear()
        with rounded(model.model.language_model) if left < options.int4 else nullcontext():
            loss, extra = batch_loss(model, batch, options.bfloat16, heads if options.heads else None, names)
            total = loss if extra is None else loss + options.heads * extra
            (total * batch.learned).backward()
        shown_loss += gradients.average(loss.item() * batch.learned, batch.learned) / options.show_every
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        rate = options.peak * min(1.0, max(step - first + 1, 1) / options.rise)
        rate *= min(1.0, left)
        for each in optimisers:
            for group in each.param_groups:
                group["lr"] = rate * group["factor"]
            each.step()
        step += 1
        shown_tokens, shown_pictures = shown_tokens + batch.ids.size, shown_pictures + len(batch.pictures)
        if step % options.show_every == 0:
            seconds = time.monotonic() - shown_at
            say(
                f"step {step}/{last}  loss {shown_loss:.4f}  {shown_tokens * options.workers / seconds:.0f} tokens/s  "
                f"{shown_pictures * options.workers / seconds:.1f} pictures/s  "
                f"{(last - step) * seconds / options.show_every / 60:.0f} min left"
            )
            shown_at, shown_loss, shown_tokens, shown_pictures = time.monotonic(), 0.0, 0, 0
        if step % options.save_every == 0:
            save()
    save()


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="joint", description="Train text, eyes and ears together.")
    parser.add_argument("--run", default="v2", help="name of the folder under training/runs")
    parser.add_argument("--start", action="append", default=[], metavar="KIND:FILE", help="weights of earlier stages")
    parser.add_argument("--tokenizer", type=Path, default=RUNS / "v0" / "tokenizer.json")
    parser.add_argument("--mix", default="text=1", help="sources and their shares of the samples, e.g. text=2,scenes=1")
    parser.add_argument("--steps", type=int, default=8000, help="the step to end with")
    parser.add_argument("--first", type=int, help="the step at which the learning rate begins to rise")
    parser.add_argument("--rise", type=int, default=100)
    parser.add_argument("--fall", type=int, default=1000, help="last steps, with a falling rate")
    parser.add_argument("--minutes", type=float, default=0, help="fall from the beginning, and end by the clock")
    parser.add_argument("--int4", type=float, default=1.0, help="share of the fall, its last, with int4 weights")
    parser.add_argument("--peak", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument(
        "--factors",
        type=lambda text: [float(part) for part in text.split(",")],
        default=[1.0] * 5,
        help="learning rates of language model, vision, its projection, audio, its projection",
    )
    parser.add_argument("--heads", type=float, default=0.0, help="weight of the loss of what soft tokens should know")
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--pool", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2, help="processes that share each step")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--show-every", type=int, default=20)
    parser.add_argument("--save-every", type=int, default=200)
    parser.add_argument("--fresh-optimiser", action="store_true")
    parser.add_argument("--float32", dest="bfloat16", action="store_false", help="no bfloat16 arithmetic")
    options = parser.parse_args(arguments)
    (RUNS / options.run).mkdir(parents=True, exist_ok=True)
    run(options.workers, train, RUNS / options.run, options)


if __name__ == "__main__":
    main()
