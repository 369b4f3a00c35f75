"""Second stage of hearing: teach the tower alone to tell what it hears; interrupt it as you like, it goes on.

``python -m resources.demo_model.training.audio.pretrain --join STATE`` goes on from a whole model's state, and teaches
the tower and its embedder to say the very tokens that the language model is to write. Everything is trained without
the speaker left out for the evaluation. The result is read by ``joint --start all:runs/audio/NAME.parts.pt``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn.functional import ctc_loss, nll_loss

from ..checkpoint import load_state, save_state
from ..joint import optimisers_of
from ..prepare import RUNS
from .batches import DIGITS, Batch, Batches
from .corpus import FOLDER, Corpus
from .evaluate import Progress
from .pronunciation import Pronunciations
from .recordings import LEFT_OUT_SPEAKER, SpectralSpeakers, spoken_digits
from .saying import saying_loss
from .tower import Ears, save_tower


def losses(ears: Ears, batch: Batch, bfloat16: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return three mean losses: of naming phones, of spelling, and of saying the language model's tokens.

    When the phones are said is only known roughly, and yet what is learned from them comes many times as fast. From
    spelling alone, the tower says nothing at all for a long time.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        characters, phones, soft, lengths = ears(batch.features, batch.mask)
    naming = nll_loss(phones.flatten(0, 1), batch.phones.flatten())
    spelling = ctc_loss(
        characters.transpose(0, 1), batch.targets, lengths, batch.lengths, reduction="sum", zero_infinity=True
    )
    saying = saying_loss(soft, lengths, batch.said, ears.vocabulary)
    return naming, spelling / batch.lengths.sum().clamp_min(1), saying


def rate(step: int, seconds_left: float, peak: float, rise: int, fall: float) -> float:
    """Return the learning rate: a short rise, a plateau, a linear fall over the last ``fall`` seconds."""
    return peak * min((step + 1) / rise, 1.0, max(seconds_left, 0.0) / max(fall, 1.0))


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="pretrain", description="Teach the demo model's audio tower to hear.")
    parser.add_argument("--name", default="tower", help="of the files that are written")
    parser.add_argument("--from", dest="source", metavar="NAME", help="begin with the weights of this earlier training")
    parser.add_argument("--join", type=Path, metavar="STATE", help="take tower, embedder and vocabulary of this state")
    parser.add_argument("--tokenizer", type=Path, default=RUNS / "v0" / "tokenizer.json")
    parser.add_argument("--leave-out", metavar="SPEAKER", default=LEFT_OUT_SPEAKER, help="train without this person")
    parser.add_argument("--minutes", type=float, default=45, help="how long to train in all, by the clock")
    parser.add_argument("--weights", type=float, nargs=3, default=(1.0, 0.3, 3.0), help="of phones, spelling, saying")
    parser.add_argument("--freeze", action="store_true", help="leave the first convolution as it is: much faster")
    parser.add_argument("--digits", type=float, default=DIGITS, help="share of digits by people")
    parser.add_argument("--peak", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--rise", type=int, default=50)
    parser.add_argument("--fall", type=float, default=10, help="minutes with a falling learning rate")
    parser.add_argument("--batch-frames", type=int, default=6000, help="hundredths of a second in a step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--show-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=400)
    parser.add_argument("--no-bfloat16", dest="bfloat16", action="store_false")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    recordings = [one for one in spoken_digits() if not one.is_test and one.speaker != options.leave_out]
    ears = Ears().train()
    heads = torch.nn.ModuleList([ears.head, ears.phones])
    optimisers = optimisers_of(ears, heads, {"tower": 1.0, "embedder": 2.0})
    step = pool = 0
    seconds = 0.0
    path = FOLDER / f"{options.name}.state.pt"
    if path.exists():
        state = load_state(path)
        ears.load_state_dict(state["model"])
        for each, before in zip(optimisers, state["optimisers"], strict=True):
            each.load_state_dict(before)
        step, pool, seconds = state["step"], state["pool"] + 1, state["seconds"]
        print(f"going on at step {step}", flush=True)
    elif options.source:
        ears.load_state_dict(load_state(FOLDER / f"{options.source}.state.pt")["model"], strict=False)
    if options.join and not path.exists():
        ears.join(load_state(options.join)["model"])
    if options.freeze:
        ears.tower.subsample_conv_projection.layer0.requires_grad_(False)
    print(f"{sum(p.numel() for p in ears.tower.parameters()):,} parameters in the tower", flush=True)
    corpus, pronunciations = Corpus(FOLDER, "training"), Pronunciations(FOLDER / "pronunciations.json")
    pronunciations.learn(word for line in corpus.lines for word in line.sentence.spoken.split())
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    batches = Batches(
        corpus,
        SpectralSpeakers(recordings),
        pronunciations,
        lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        options.batch_frames,
        options.seed,
        pool,
        options.digits,
    )
    progress = Progress(60, options.leave_out, tokenizer)
    start = shown_at = time.monotonic() - seconds
    shown = np.zeros(3)

    def save() -> None:
        counters = {"step": step, "pool": pool, "seconds": time.monotonic() - start}
        save_state(path, model=ears.state_dict(), optimisers=[each.state_dict() for each in optimisers], **counters)
        save_state(FOLDER / f"{options.name}.parts.pt", model=ears.parts())
        save_tower(ears.tower, FOLDER / f"{options.name}.pt")
        print(f"saved at step {step} after {counters['seconds'] / 60:.0f} min: {progress.report(ears)}", flush=True)

    shown_at = time.monotonic()
    for pool, batch in batches:  # noqa: B007 (saved with the state)
        left = options.minutes * 60 - (time.monotonic() - start)
        if left <= 0:
            break
        parts = losses(ears, batch, options.bfloat16)
        total = torch.stack([weight * part for weight, part in zip(options.weights, parts, strict=True)]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(ears.parameters(), 1.0)
        now = rate(step, left, options.peak, options.rise, options.fall * 60)
        for each in optimisers:
            for group in each.param_groups:
                group["lr"] = now * group["factor"]
            each.step()
            each.zero_grad()
        step += 1
        shown += np.array([part.item() for part in parts]) / options.show_every
        if step % options.show_every == 0:
            print(
                f"step {step}  phones {shown[0]:.3f}  spelling {shown[1]:.3f}  saying {shown[2]:.3f}  "
                f"{time.monotonic() - shown_at:.0f} s  {left / 60:.0f} min left",
                flush=True,
            )
            shown_at, shown = time.monotonic(), np.zeros(3)
        if step % options.save_every == 0:
            save()
            shown_at = time.monotonic()
    save()


if __name__ == "__main__":
    main()
