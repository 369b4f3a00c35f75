"""Where the program keeps its files."""

from __future__ import annotations

from dataclasses import dataclass
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

    @classmethod
    def of_user(cls) -> Paths:
        """Return the folders that the operating system intends."""
        return cls(
            config=platformdirs.user_config_path(_NAME, appauthor=False),
            data=platformdirs.user_data_path(_NAME, appauthor=False),
            logs=platformdirs.user_log_path(_NAME, appauthor=False),
            cache=platformdirs.user_cache_path(_NAME, appauthor=False),
        )

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
