"""The demo model's hearing: spoken data, the audio tower's first training, and what it is worth.

The stages, each one command from the repository root; the first needs espeak-ng, flite and festival (Debian packages
``espeak-ng flite festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts``), the second the recordings of the
Free Spoken Digit Dataset in ``$LARIMAR_SHARED/data/fsdd``::

    python -m resources.demo_model.training.audio.prepare
    python -m resources.demo_model.training.audio.pretrain
    python -m resources.demo_model.training.audio.evaluate

:mod:`.examples` then hands out what the whole model trains on: sound, what is asked about it, and the answer.
"""
