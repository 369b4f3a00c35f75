"""Fifth stage: train the drafter on what the finished model thinks and says.

``python -m resources.demo_model.training.drafting --run v1`` reads the run's checkpoint and writes the drafter's beside
it, for ``main.py convert CHECKPOINT FOLDER --drafter CHECKPOINT``. The drafter learns the tokens that the model would
choose, one to four ahead, from the model's hidden states and from its keys and values, at every place at once.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy

from inference.export.reference_fixes import kv_sharing_fixed

from . import clipping
from .architecture import CONTEXT_LENGTH, FULL_HEAD_SIZE, HEAD_SIZE, HIDDEN_SIZE, VOCAB_SIZE, configuration
from .checkpoint import load_state, save_state
from .joint import outputs
from .mixture import sources
from .prepare import RUNS
from .quantisation import rounded
from .samples import Batch, stream

SIZE = 96
CLUSTERS, CHOSEN = 64, 10
AHEAD = 4
"""How many tokens ahead the drafter learns to see."""


def drafter_configuration() -> Any:
    """Return the configuration: Gemma 4 E2B's assistant, as small as the model that it belongs to."""
    from transformers import Gemma4AssistantConfig, Gemma4TextConfig

    target = configuration()
    layers = 4
    text = Gemma4TextConfig(
        vocab_size=VOCAB_SIZE, hidden_size=SIZE, intermediate_size=2 * SIZE, num_hidden_layers=layers,
        layer_types=["sliding_attention"] * (layers - 1) + ["full_attention"], num_attention_heads=4,
        num_key_value_heads=1, head_dim=HEAD_SIZE, global_head_dim=FULL_HEAD_SIZE, sliding_window=target.sliding_window,
        max_position_embeddings=CONTEXT_LENGTH, num_kv_shared_layers=layers, hidden_size_per_layer_input=0,
        vocab_size_per_layer_input=0, use_double_wide_mlp=False, final_logit_softcapping=None, dtype="float32",
    )  # fmt: skip
    return Gemma4AssistantConfig(
        architectures=["Gemma4AssistantForCausalLM"], text_config=text, backbone_hidden_size=HIDDEN_SIZE,
        use_ordered_embeddings=True, num_centroids=CLUSTERS, centroid_intermediate_top_k=CHOSEN, dtype="float32",
    )  # fmt: skip


@torch.no_grad()
def ordering(embeddings: torch.Tensor) -> torch.Tensor:
    """Return the token ids, int64 [V], so that equal stretches of them hold tokens alike in ``embeddings`` [V, H].

    The vocabulary is halved along its main direction again and again, until there are as many parts as clusters.
    """
    parts = [torch.arange(len(embeddings))]
    while len(parts) < CLUSTERS:
        halves = []
        for part in parts:
            rows = embeddings[part] - embeddings[part].mean(0)
            direction = torch.linalg.svd(rows, full_matrices=False).Vh[0]
            sorted_part = part[(rows @ direction).argsort(stable=True)]
            halves += [sorted_part[: len(part) // 2], sorted_part[len(part) // 2 :]]
        parts = halves
    return torch.cat(parts)


def new_drafter(embeddings: torch.Tensor, seed: int) -> Any:
    """Return an untrained drafter whose clusters follow the target's embeddings, float32 [V, H]."""
    from transformers import Gemma4AssistantForCausalLM

    torch.manual_seed(seed)
    drafter = Gemma4AssistantForCausalLM(drafter_configuration())
    with torch.no_grad():
        for name, parameter in drafter.named_parameters():
            if name.endswith("q_norm.weight"):
                parameter.fill_(parameter.numel() ** -0.25)
            elif name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
                parameter.fill_(0.5)
        drafter.masked_embedding.token_ordering.copy_(ordering(embeddings))
    return drafter


def masks(length: int, window: int) -> dict[str, torch.Tensor]:
    """Return what a draft at each place may see: all that the target read before its last token; float32 [1, 1, S, S].

    The draft at place n starts from token n, whose keys are not in the cache yet, so it sees places 0 to n - 1.
    """
    behind = torch.arange(length).unsqueeze(1) - torch.arange(length)
    nothing = torch.finfo(torch.float32).min
    full = torch.where(behind > 0, 0.0, nothing)
    sliding = torch.where((behind > 0) & (behind <= window), 0.0, nothing)
    full[0, 0] = sliding[0, 0] = 0.0  # the first place has nothing to see, and is not learned
    return {"full_attention": full[None, None], "sliding_attention": sliding[None, None]}


def draft_losses(drafter: Any, target: Any, batch: Batch) -> tuple[torch.Tensor, list[float]]:
    """Return the loss over the tokens one to four ahead, and the share of them that are guessed right."""
    ids = torch.from_numpy(batch.ids)
    with torch.no_grad():
        output = outputs(target, batch)
        states, shared = output.last_hidden_state, output.shared_kv_states
        logits = target.lm_head(states)
        chosen = logits.argmax(-1)  # what the target says after each place
        embed = target.get_input_embeddings()
    learned = torch.from_numpy(batch.labels) != -100
    rows, length = ids.shape
    # a draft begins at a token that the target said: its own choice of it, and the state that made it
    state = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)
    token, own = ids, learned & (torch.roll(chosen, 1, 1) == ids)
    seen = masks(length, target.config.text_config.sliding_window)
    positions = torch.arange(length).expand(rows, -1)
    order = drafter.masked_embedding.token_ordering
    cluster_of = torch.empty_like(order)
    cluster_of[order] = torch.arange(len(order)) // (len(order) // CLUSTERS)
    loss, right = torch.zeros(()), []
    for ahead in range(1, AHEAD + 1):
        with torch.no_grad():
            embedded = embed(token)
        inputs = drafter.pre_projection(torch.cat([embedded, state], -1))
        output = drafter.model(
            inputs_embeds=inputs,
            attention_mask=seen,
            position_ids=positions,
            shared_kv_states=shared,
            use_cache=False,
            logits_to_keep=None,  # a number would have it leave out places, in a way that drafters do not stand
        ).last_hidden_state
        state = drafter.post_projection(output)
        wanted = torch.roll(chosen, 1 - ahead, 1)  # the token after ``ahead - 1`` more
        following = torch.roll(learned, -ahead, 1)
        following[:, -ahead:] = False
        own = own & following
        if not own.any():
            break
        picked = output[own]
        scores = drafter.lm_head(picked).float()
        clusters = drafter.masked_embedding.centroids(picked).float()
        goal = wanted[own]
        loss = loss + 0.85 ** (ahead - 1) * (
            cross_entropy(scores, goal) + 0.3 * cross_entropy(clusters, cluster_of[goal])
        )
        right.append(float((scores.argmax(-1) == goal).float().mean()))
        token = torch.roll(ids, -ahead, 1)
        own = own & (wanted == token)  # beyond this, the text at hand is not what the target would say
    return loss, right


def write(drafter: Any, folder: Path) -> None:
    """Write the drafter's checkpoint, replacing an older one."""
    shutil.rmtree(folder, ignore_errors=True)
    drafter.save_pretrained(folder)


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    from transformers import Gemma4ForConditionalGeneration

    parser = argparse.ArgumentParser(prog="drafting", description="Train the drafter of a finished run.")
    parser.add_argument("--run", default="v1")
    parser.add_argument("--tokenizer", type=Path, default=RUNS / "v0" / "tokenizer.json")
    parser.add_argument("--mix", default="text=3,lessons=5,drills=1,styled=1,tools=1,pictures=1")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--peak", type=float, default=2e-3)
    parser.add_argument("--fall", type=int, default=400)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--show-every", type=int, default=20)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--float32", dest="bfloat16", action="store_false", help="no bfloat16 arithmetic")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    folder = RUNS / options.run
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    with kv_sharing_fixed():
        target = Gemma4ForConditionalGeneration.from_pretrained(folder / "checkpoint", dtype=torch.float32).eval()
        clipping.switch(target, False)
        drafter = new_drafter(target.get_input_embeddings().weight, options.seed).train()
        adam = torch.optim.AdamW(drafter.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        step, state_path = 0, folder / "drafter.pt"
        if state_path.exists():
            state = load_state(state_path)
            drafter.load_state_dict(state["model"])
            adam.load_state_dict(state["optimiser"])
            step = state["step"]
        batches = stream(sources(options.mix, tokenizer), options.seed, 0, step, options.batch_tokens, 256)
        shown_at, shown, rights = time.monotonic(), 0.0, [0.0] * AHEAD
        while step < options.steps:
            falling = step >= options.steps - options.fall
            with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
                if falling:
                    with rounded(drafter):
                        loss, right = draft_losses(drafter, target, next(batches))
                        adam.zero_grad()
                        loss.backward()
                else:
                    loss, right = draft_losses(drafter, target, next(batches))
                    adam.zero_grad()
                    loss.backward()
            torch.nn.utils.clip_grad_norm_(drafter.parameters(), 1.0)
            for group in adam.param_groups:
                group["lr"] = options.peak * min(1.0, (step + 1) / 50, max(options.steps - step, 1) / options.fall)
            adam.step()
            step += 1
            shown += loss.item() / options.show_every
            rights = [sum(pair) for pair in zip(rights, (*right, *[0.0] * AHEAD), strict=False)]
            if step % options.show_every == 0:
                seconds = (time.monotonic() - shown_at) / options.show_every
                shares = "  ".join(f"{share / options.show_every:.0%}" for share in rights)
                left = (options.steps - step) * seconds / 60
                print(f"step {step}/{options.steps}  loss {shown:.3f}  right {shares}  {left:.0f} min left", flush=True)
                shown_at, shown, rights = time.monotonic(), 0.0, [0.0] * AHEAD
            if step % options.save_every == 0 or step == options.steps:
                save_state(state_path, model=drafter.state_dict(), optimiser=adam.state_dict(), step=step)
    write(drafter, folder / "drafter")


if __name__ == "__main__":
    main()
