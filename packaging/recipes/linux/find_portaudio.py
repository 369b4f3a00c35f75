"""Run before the frozen program: lets sounddevice find PortAudio.

It asks ``ctypes.util.find_library``, which knows what the system has and nothing of what lies beside the program. The
system's own comes first: it fits the sound server there.
"""

import ctypes.util
import os
import sys

_of_the_system = ctypes.util.find_library


def _find_library(name):
    found = _of_the_system(name)
    if found is None and name == "portaudio":
        beside = os.path.join(sys._MEIPASS, "libportaudio.so.2")
        return beside if os.path.exists(beside) else None
    return found


if sys.platform.startswith("linux"):
    ctypes.util.find_library = _find_library
