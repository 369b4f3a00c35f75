"""Second stage: train the model; interrupt it as you like, the same command goes on where it stopped.

``python -m resources.demo_model.training.train --steps 8000``
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, islice
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
from .workers import SharedGradients, run


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


def train(worker: int, folder: Path, schedule: Schedule, options: argparse.Namespace) -> None:
    """Train from the newest state in ``folder`` (or from nothing) to the schedule's end, as one of the workers."""
    torch.set_num_threads(options.threads)

    def say(text: str) -> None:
        if worker == 0:
            print(text, flush=True)

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    training, validation = Dataset.load(folder / "training.npz"), Dataset.load(folder / "validation.npz")
    model = new_model(options.seed).train()
    adam = optimiser(model)
    gradients = SharedGradients(model)
    state_path = folder / "state.pt"
    step = tokens = seconds = 0
    if state_path.exists():
        state = load_state(state_path)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["optimiser"])
        step, tokens, seconds = state["step"], state["tokens"], state["seconds"]
        say(f"going on at step {step}")
    say(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(training.ids):,} tokens in the data")
    start = shown_at = time.monotonic()
    shown_tokens, shown_loss = tokens, 0.0

    def save() -> None:
        if worker == 0:
            spent = seconds + time.monotonic() - start
            counters = {"step": step, "tokens": tokens, "seconds": spent}
            save_state(state_path, model=model.state_dict(), optimiser=adam.state_dict(), **counters)
            write_checkpoint(model, tokenizer, folder / "latest")
            held_out = validation_loss(model, validation, options.bfloat16)
            say(f"saved at step {step}: {tokens:,} tokens, {spent / 60:.0f} min, held-out loss (int4) {held_out:.4f}")

    lessons = Dataset.load(folder / "lessons.npz")
    first = islice(lessons.plan(options.batch_tokens, options.seed), options.lesson_steps)
    then = training.plan(options.batch_tokens, options.seed)
    middle = islice(then, max(schedule.steps - options.lesson_steps - options.drill_steps, 0))
    batches = chain(((lessons, rows) for rows in first), ((training, rows) for rows in middle))
    if options.drill_steps:
        drills = Dataset.load(folder / "drills.npz")
        batches = chain(batches, ((drills, rows) for rows in drills.plan(options.batch_tokens, options.seed)))
    for dataset, rows in islice(batches, step, schedule.steps):
        mine = rows[worker :: options.workers]
        gradients.clear()
        loss_sum, count = 0.0, 0
        if len(mine):
            ids, labels = dataset.batch(mine)
            with rounded(model) if step >= schedule.falls_from else nullcontext():
                loss = batch_loss(model, ids, labels, options.bfloat16)
                count = int((labels[:, 1:] != -100).sum())
                (loss * count).backward()
            loss_sum = loss.item() * count
        shown_loss += gradients.average(loss_sum, count) / options.show_every
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in adam.param_groups:
            group["lr"] = schedule.rate(step)
        adam.step()
        step += 1
        tokens += int((dataset.offsets[rows + 1] - dataset.offsets[rows]).sum())
        if step % options.show_every == 0:
            rate = (tokens - shown_tokens) / (time.monotonic() - shown_at)
            left = (schedule.steps - step) / options.show_every * (time.monotonic() - shown_at) / 60
            say(f"step {step}/{schedule.steps}  loss {shown_loss:.4f}  {rate:.0f} tokens/s  {left:.0f} min left")
            shown_tokens, shown_at, shown_loss = tokens, time.monotonic(), 0.0
        if step % options.save_every == 0:
            save()
    save()
    if worker == 0:
        write_checkpoint(model, tokenizer, folder / "checkpoint")


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="train", description="Train the demo model, or go on training it.")
    parser.add_argument("--run", default="v0", help="name of the folder under training/runs")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--lesson-steps", type=int, default=2000, help="steps on short conversations at the beginning")
    parser.add_argument("--drill-steps", type=int, default=2000, help="steps on sums and repeating at the end")
    parser.add_argument("--fall", type=float, default=0.3, help="share of the steps with a falling learning rate")
    parser.add_argument("--peak", type=float, default=2.5e-3, help="highest learning rate")
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--workers", type=int, default=2, help="processes that share each step")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--show-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=400)
    parser.add_argument("--float32", dest="bfloat16", action="store_false", help="no bfloat16 arithmetic")
    options = parser.parse_args(arguments)
    schedule = Schedule(options.steps, options.peak, fall=options.fall)
    run(options.workers, train, RUNS / options.run, schedule, options)


if __name__ == "__main__":
    main()
