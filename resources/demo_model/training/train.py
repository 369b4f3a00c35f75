"""Second stage: train the model; interrupt it as you like, the same command goes on where it stopped.

``python -m resources.demo_model.training.train --steps 8000``
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy

from .architecture import new_model
from .checkpoint import load_state, save_state, write_checkpoint
from .dataset import Dataset
from .prepare import RUNS
from .quantisation import rounded


@dataclass(frozen=True)
class Schedule:
    """Learning rate over the steps: a short rise, a long plateau, a linear fall during which int4 rounding is on."""

    steps: int
    peak: float
    rise: int = 200
    fall: float = 0.3
    """Share of the steps."""

    @property
    def falls_from(self) -> int:
        """The step at which the fall begins."""
        return self.steps - int(self.steps * self.fall)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.rise:
            return self.peak * (step + 1) / self.rise
        if step < self.falls_from:
            return self.peak
        return self.peak * max(self.steps - step, 0) / (self.steps - self.falls_from)


def batch_loss(model: torch.nn.Module, ids: np.ndarray, labels: np.ndarray, bfloat16: bool) -> torch.Tensor:
    """Return the mean cross entropy (nats) of the tokens to be learned; float32 scalar."""
    targets = torch.from_numpy(labels[:, 1:].reshape(-1))
    # only the positions that count go through the vocabulary, a few idle ones beside them for a common shape
    wanted = torch.argsort((targets == -100).to(torch.int8), stable=True)
    wanted = wanted[: -(-int((targets != -100).sum()) // 128) * 128]
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        hidden = model.model(input_ids=torch.from_numpy(ids), use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[:, :-1].reshape(-1, hidden.shape[-1])[wanted]).float()
    cap = model.config.final_logit_softcapping
    return cross_entropy(torch.tanh(logits / cap) * cap, targets[wanted])


@torch.no_grad()
def validation_loss(model: torch.nn.Module, dataset: Dataset, bfloat16: bool, batches: int = 12) -> float:
    """Return the mean loss of a few batches of conversations that were not trained on, with int4 weights."""
    model.eval()
    with rounded(model):
        losses = [
            float(batch_loss(model, *dataset.batch(rows), bfloat16)) for rows in islice(dataset.plan(4096, 0), batches)
        ]
    model.train()
    return float(np.mean(losses))


def optimiser(model: torch.nn.Module) -> torch.optim.Optimizer:
    """Return AdamW with weight decay on the matrices only."""
    wide = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    rest = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": wide, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)


def train(folder: Path, schedule: Schedule, options: argparse.Namespace) -> None:
    """Train from the newest state in ``folder`` (or from nothing) to the schedule's end."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    training, validation = Dataset.load(folder / "training.npz"), Dataset.load(folder / "validation.npz")
    model = new_model(options.seed).train()
    adam = optimiser(model)
    state_path = folder / "state.pt"
    step = tokens = seconds = 0
    if state_path.exists():
        state = load_state(state_path)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["optimiser"])
        step, tokens, seconds = state["step"], state["tokens"], state["seconds"]
        print(f"going on at step {step}", flush=True)
    print(
        f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(training.ids):,} tokens in the data",
        flush=True,
    )
    mean, start, shown_tokens, shown_at = None, time.monotonic(), tokens, time.monotonic()

    def save() -> None:
        spent = seconds + time.monotonic() - start
        save_state(
            state_path, model=model.state_dict(), optimiser=adam.state_dict(), step=step, tokens=tokens, seconds=spent
        )
        write_checkpoint(model, tokenizer, folder / "latest")

    for rows in islice(training.plan(options.batch_tokens, options.seed), step, schedule.steps):
        ids, labels = training.batch(rows)
        for group in adam.param_groups:
            group["lr"] = schedule.rate(step)
        if step >= schedule.falls_from:
            with rounded(model):
                loss = batch_loss(model, ids, labels, options.bfloat16)
                loss.backward()
        else:
            loss = batch_loss(model, ids, labels, options.bfloat16)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        step += 1
        tokens += ids.size
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % options.show_every == 0:
            rate = (tokens - shown_tokens) / (time.monotonic() - shown_at)
            shown_tokens, shown_at = tokens, time.monotonic()
            left = (schedule.steps - step) * options.batch_tokens / rate / 60
            print(
                f"step {step}/{schedule.steps}  loss {mean:.4f}  {rate:.0f} tokens/s  {left:.0f} min left", flush=True
            )
        if step % options.save_every == 0:
            save()
            held_out = validation_loss(model, validation, options.bfloat16)
            print(f"step {step}  {tokens:,} tokens  held-out loss (int4) {held_out:.4f}", flush=True)
    save()
    write_checkpoint(model, tokenizer, folder / "checkpoint")
    held_out = validation_loss(model, validation, options.bfloat16)
    minutes = (seconds + time.monotonic() - start) / 60
    print(
        f"done: {step} steps, {tokens:,} tokens, {minutes:.0f} minutes, held-out loss (int4) {held_out:.4f}", flush=True
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="train", description="Train the demo model, or go on training it.")
    parser.add_argument("--run", default="v0", help="name of the folder under training/runs")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--fall", type=float, default=0.3, help="share of the steps with a falling learning rate")
    parser.add_argument("--peak", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--show-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=400)
    parser.add_argument("--float32", dest="bfloat16", action="store_false", help="no bfloat16 arithmetic")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    train(RUNS / options.run, Schedule(options.steps, options.peak, fall=options.fall), options)


if __name__ == "__main__":
    main()
