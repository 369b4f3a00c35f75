"""Second stage of hearing: teach the tower to spell what it hears; interrupt it as you like, it goes on.

``python -m resources.demo_model.training.audio.pretrain --steps 3000 --leave-out jackson`` trains without one speaker,
whom :mod:`.evaluate` then lets it hear; a few hundred more steps with ``--from NAME`` and everybody make the tower that
is used.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch.nn.functional import ctc_loss, nll_loss
from torch.utils.data import DataLoader

from ..checkpoint import load_state, save_state
from .batches import Batch, Batches
from .corpus import FOLDER, Corpus
from .evaluate import report
from .pronunciation import Pronunciations
from .recordings import LEFT_OUT_SPEAKER, DigitSpeakers, spoken_digits
from .tower import Ears, save_tower


def losses(ears: Ears, batch: Batch, bfloat16: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean loss (nats) of naming phones, for each soft token, and of spelling, for each character.

    When the phones are said is only known roughly, and yet what is learned from them comes many times as fast. From
    spelling alone, the tower says nothing at all for a long time.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        characters, phones, lengths = ears(batch.features, batch.mask)
    naming = nll_loss(phones.flatten(0, 1), batch.phones.flatten())
    spelling = ctc_loss(
        characters.transpose(0, 1), batch.targets, lengths, batch.lengths, reduction="sum", zero_infinity=True
    )
    return naming, spelling / batch.lengths.sum()


def rate(step: int, steps: int, peak: float, rise: int, fall: float) -> float:
    """Return the learning rate: a short rise, a plateau, a linear fall over the last share of the steps."""
    falling = max(int(steps * fall), 1)
    return peak * min((step + 1) / rise, 1.0, max(steps - step, 0) / falling)


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="pretrain", description="Teach the demo model's audio tower to spell.")
    parser.add_argument("--name", default="tower", help="of the files that are written")
    parser.add_argument("--from", dest="source", metavar="NAME", help="begin with the weights of this earlier training")
    parser.add_argument("--leave-out", metavar="SPEAKER", help=f"train without this person, such as {LEFT_OUT_SPEAKER}")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--spelling", type=float, default=0.3, help="weight of the spelling loss beside the phones'")
    parser.add_argument("--freeze", action="store_true", help="leave the convolutions as they are: twice as fast")
    parser.add_argument("--peak", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--rise", type=int, default=150)
    parser.add_argument("--fall", type=float, default=0.35, help="share of the steps with a falling learning rate")
    parser.add_argument("--batch-frames", type=int, default=5000, help="hundredths of a second in a step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--show-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--no-bfloat16", dest="bfloat16", action="store_false")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    recordings = [one for one in spoken_digits() if not one.is_test and one.speaker != options.leave_out]
    ears = Ears().train()
    wide = [parameter for parameter in ears.parameters() if parameter.ndim >= 2]
    rest = [parameter for parameter in ears.parameters() if parameter.ndim < 2]
    groups = [{"params": wide, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)
    step = pool = 0
    seconds = 0.0
    path = FOLDER / f"{options.name}.state.pt"
    if path.exists():
        state = load_state(path)
        ears.load_state_dict(state["model"])
        adam.load_state_dict(state["optimiser"])
        step, pool, seconds = state["step"], state["pool"] + 1, state["seconds"]
        print(f"going on at step {step}", flush=True)
    elif options.source:
        ears.load_state_dict(load_state(FOLDER / f"{options.source}.state.pt")["model"], strict=False)
    if options.freeze:
        for layer in (ears.tower.subsample_conv_projection.layer0, ears.tower.subsample_conv_projection.layer1):
            layer.requires_grad_(False)
    print(f"{sum(p.numel() for p in ears.tower.parameters()):,} parameters in the tower", flush=True)
    corpus, pronunciations = Corpus(FOLDER, "training"), Pronunciations(FOLDER / "pronunciations.json")
    pronunciations.learn(word for line in corpus.lines for word in line.sentence.spoken.split())
    batches = Batches(corpus, DigitSpeakers(recordings), pronunciations, options.batch_frames, options.seed, pool)
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=16)
    start = shown_at = time.monotonic()
    shown = np.zeros(2)

    def save() -> None:
        spent = seconds + time.monotonic() - start
        counters = {"step": step, "pool": pool, "seconds": spent}
        save_state(path, model=ears.state_dict(), optimiser=adam.state_dict(), **counters)
        save_tower(ears.tower, FOLDER / f"{options.name}.pt")
        print(f"saved at step {step} after {spent / 60:.0f} min: {report(ears, 60, options.leave_out)}", flush=True)

    for pool, batch in loader:  # noqa: B007 (saved with the state)
        if step >= options.steps:
            break
        naming, spelling = losses(ears, batch, options.bfloat16)
        (naming + options.spelling * spelling).backward()
        torch.nn.utils.clip_grad_norm_(ears.parameters(), 1.0)
        for group in adam.param_groups:
            group["lr"] = rate(step, options.steps, options.peak, options.rise, options.fall)
        adam.step()
        adam.zero_grad()
        step += 1
        shown += np.array([naming.item(), spelling.item()]) / options.show_every
        if step % options.show_every == 0:
            spent = time.monotonic() - shown_at
            left = (options.steps - step) / options.show_every * spent / 60
            print(
                f"step {step}/{options.steps}  phones {shown[0]:.3f}  spelling {shown[1]:.3f}  {spent:.0f} s  "
                f"{left:.0f} min left",
                flush=True,
            )
            shown_at, shown = time.monotonic(), np.zeros(2)
        if step % options.save_every == 0 or step == options.steps:
            save()
            shown_at = time.monotonic()


if __name__ == "__main__":
    main()
