"""Fifth stage: train the drafter on what the finished model thinks and says.

``python -m resources.demo_model.training.drafting --run v2`` reads the run's checkpoint and writes the drafter's beside
it, for ``main.py convert CHECKPOINT FOLDER --drafter CHECKPOINT``. The drafter learns the tokens that the model would
choose, one to four ahead, from the model's hidden states and from its keys and values, at every place at once.
"""

from __future__ import annotations

import argparse
import shutil
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy

from inference.export.reference_fixes import kv_sharing_fixed

from . import clipping
from .architecture import CONTEXT_LENGTH, FULL_HEAD_SIZE, HEAD_SIZE, HIDDEN_SIZE, VOCAB_SIZE, configuration
from .audio.tower import speed_up
from .checkpoint import load_state, save_state
from .joint import outputs
from .mixture import sources
from .prepare import RUNS
from .quantisation import rounded
from .samples import Batch, stream
from .workers import SharedGradients, run

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
        order = ordering(embeddings)
        drafter.masked_embedding.token_ordering.copy_(order)
        # what it says begins with the main directions of the target's embeddings, and so does what it hears
        main = torch.linalg.svd(embeddings - embeddings.mean(0), full_matrices=False).Vh[:SIZE]
        own = embeddings @ main.T
        own *= 0.06 / own.square().mean().sqrt()
        drafter.lm_head.weight.copy_(own)
        middles = own[order].view(CLUSTERS, -1, SIZE).mean(1)
        drafter.masked_embedding.centroids.weight.copy_(middles * 0.06 / middles.square().mean().sqrt())
        drafter.pre_projection.weight[:, :HIDDEN_SIZE] = main
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


def optimisers_of(drafter: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers and AdamW for everything else."""
    named = [(name, p) for name, p in drafter.named_parameters() if p.requires_grad]
    inner = [p for name, p in named if ".layers." in name and p.ndim == 2]
    chosen = {id(p) for p in inner}
    rest = [p for _, p in named if id(p) not in chosen]
    return [
        torch.optim.Muon(inner, lr=0.0, momentum=0.95, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    ]


def train(worker: int, folder: Path, options: argparse.Namespace) -> None:
    """Train from the newest state in ``folder`` for the steps that are left, as one of the workers."""
    from transformers import Gemma4ForConditionalGeneration

    torch.set_num_threads(options.threads)
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    with kv_sharing_fixed():
        target = Gemma4ForConditionalGeneration.from_pretrained(folder / "checkpoint", dtype=torch.float32).eval()
        if target.model.audio_tower is not None:
            speed_up(target.model.audio_tower)
        clipping.switch(target, False)
        drafter = new_drafter(target.get_input_embeddings().weight.detach(), options.seed).train()
        optimisers = optimisers_of(drafter)
        gradients = SharedGradients(drafter)
        step, state_path = 0, folder / "drafter.pt"
        if state_path.exists():
            state = load_state(state_path)
            drafter.load_state_dict(state["model"])
            for each, before in zip(optimisers, state["optimisers"], strict=True):
                each.load_state_dict(before)
            step = state["step"]
        tokens = options.batch_tokens // options.workers
        batches = stream(sources(options.mix, tokenizer), options.seed, worker, step, tokens, 256)
        shown_at, shown, rights = time.monotonic(), 0.0, [0.0] * AHEAD
        started = time.monotonic()
        while step < options.steps:
            left = (options.steps - step) / options.fall
            if options.minutes:
                left = gradients.agree(1 - (time.monotonic() - started) / (options.minutes * 60)) * 2
                if left <= 0:
                    break
            batch = next(batches)
            gradients.clear()
            with (
                rounded(drafter) if left < 1 else nullcontext(),
                torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16),
            ):
                loss, right = draft_losses(drafter, target, batch)
                if loss.requires_grad:
                    (loss * batch.learned).backward()
            shown += gradients.average(loss.item() * batch.learned, batch.learned) / options.show_every
            torch.nn.utils.clip_grad_norm_(drafter.parameters(), 1.0)
            for each in optimisers:
                for group in each.param_groups:
                    group["lr"] = options.peak * min(1.0, (step + 1) / 30, left)
                each.step()
            step += 1
            rights = [sum(pair) for pair in zip(rights, (*right, *[0.0] * AHEAD), strict=False)]
            if step % options.show_every == 0 and worker == 0:
                seconds = (time.monotonic() - shown_at) / options.show_every
                shares = "  ".join(f"{share / options.show_every:.0%}" for share in rights)
                minutes = (options.steps - step) * seconds / 60
                print(
                    f"step {step}/{options.steps}  loss {shown:.3f}  right {shares}  {minutes:.0f} min left", flush=True
                )
                shown_at, rights = time.monotonic(), [0.0] * AHEAD
            if step % options.show_every == 0:
                shown = 0.0
            if step % options.save_every == 0 and worker == 0:
                save_state(
                    state_path, model=drafter.state_dict(), optimisers=[e.state_dict() for e in optimisers], step=step
                )
    if worker == 0:
        write(drafter, folder / "drafter")


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="drafting", description="Train the drafter of a finished run.")
    parser.add_argument("--run", default="v2")
    parser.add_argument("--tokenizer", type=Path, default=RUNS / "v0" / "tokenizer.json")
    parser.add_argument("--mix", default="text=1,lessons=6,drills=2,styled=0.5,tools=0.5,sketches=2")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--peak", type=float, default=2e-3)
    parser.add_argument("--fall", type=int, default=400, help="last steps, with a falling rate and int4 weights")
    parser.add_argument("--minutes", type=float, default=0, help="end by the clock, the second half with a fall")
    parser.add_argument("--batch-tokens", type=int, default=3072)
    parser.add_argument("--workers", type=int, default=2, help="processes that share each step")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--show-every", type=int, default=20)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--float32", dest="bfloat16", action="store_false", help="no bfloat16 arithmetic")
    options = parser.parse_args(arguments)
    run(options.workers, train, RUNS / options.run, options)


if __name__ == "__main__":
    main()
