"""Where the program keeps its files."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import platformdirs

_NAME = "larimar"


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of one user. None of them need exist."""

    config: Path
    data: Path
    logs: Path
    cache: Path
    temporary: bool = False
    """Whether all of them vanish at the end of the program, because the user has no home folder."""

    @classmethod
    def of_user(cls) -> Paths:
        """Return the folders that the operating system intends; temporary ones for a user without a home folder."""
        try:
            paths = cls(
                config=platformdirs.user_config_path(_NAME, appauthor=False),
                data=platformdirs.user_data_path(_NAME, appauthor=False),
                logs=platformdirs.user_log_path(_NAME, appauthor=False),
                cache=platformdirs.user_cache_path(_NAME, appauthor=False),
            )
        except RuntimeError:
            paths = None
        if paths and all(path.is_absolute() for path in (paths.config, paths.data, paths.logs, paths.cache)):
            return paths
        # Some versions return "~" as it is: a folder of that name, wherever the program was started.
        return replace(cls.under(_temporary_folder()), temporary=True)

    @property
    def imports(self) -> Path:
        """Where archives are unpacked; what is left there is from a run that was killed."""
        return self.cache / "imports"

    @property
    def settings(self) -> Path:
        """The file of the settings."""
        return self.config / "settings.ini"

    @property
    def models(self) -> Path:
        """Where downloaded models go, unless the settings say otherwise."""
        return self.data / "models"

    @property
    def prefixes(self) -> Path:
        """What was computed for conversations, where the user wants that kept."""
        return self.cache / "prefixes"

    @classmethod
    def under(cls, folder: Path) -> Paths:
        """Return folders that all lie in ``folder``."""
        return cls(config=folder / "config", data=folder / "data", logs=folder / "logs", cache=folder / "cache")


@cache
def _temporary_folder() -> Path:
    try:
        folder = Path(tempfile.mkdtemp(prefix="larimar-"))
    except OSError:  # not even there can anything be written
        return Path(os.sep, "nonexistent", "larimar")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def home_folder() -> Path:
    """Return where a dialog for files begins: the user's home, or the root where there is none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")
