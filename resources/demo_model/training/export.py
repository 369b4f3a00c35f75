"""Fourth stage: write a joint run as a Hugging Face checkpoint, which ``main.py convert`` makes a model folder.

``python -m resources.demo_model.training.export --run v2``
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from . import clipping
from .architecture import new_media_model
from .checkpoint import load_state, write_checkpoint
from .joint import outputs
from .mixture import sources
from .prepare import RUNS
from .samples import batch_of


@torch.no_grad()
def look(model: Any, tokenizer: Tokenizer, mix: str, samples: int) -> None:
    """Run some media through the towers."""
    rng = random.Random(4)
    for source, _ in sources(mix, tokenizer):
        for _ in range(samples):
            outputs(model, batch_of([source(rng)]))


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="export", description="Write the checkpoint of a joint run.")
    parser.add_argument("--run", default="v2")
    parser.add_argument("--tokenizer", type=Path, default=RUNS / "v0" / "tokenizer.json")
    parser.add_argument("--mix", default="pictures=1", help="sources of the media that set the clipping bounds")
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--deaf", action="store_true", help="leave out the audio tower, for runs that had no sound")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    model = new_media_model(0).eval()
    model.load_state_dict(load_state(RUNS / options.run / "state.pt")["model"])
    clipping.measure(model, lambda: look(model, tokenizer, options.mix, options.samples))
    clipping.switch(model, True)
    if options.deaf:
        model.config.audio_config = model.model.audio_tower = model.model.embed_audio = None
    out = options.out or RUNS / options.run / "checkpoint"
    write_checkpoint(model, tokenizer, out)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
