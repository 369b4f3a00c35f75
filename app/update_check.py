"""Whether a newer version is there: one request, only when asked for, and never in builds that a store updates."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import LarimarError
from inference.network import NETWORK
from inference.version import __version__

RELEASE_URL = "https://api.github.com/repos/larimar/larimar/releases/latest"
"""What is asked. The request says nothing but the program's version."""

_DISTRIBUTION = Path(__file__).resolve().parent.parent / "resources" / "distribution.json"
_SECONDS = 10.0
_PAGES = "https://github.com/larimar/larimar/"
"""Where the page of a release lies; no other address is opened."""
_MOST_BYTES = 1 << 20


class UpdateCheckError(LarimarError):
    """The check could not be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Release:
    """The newest release."""

    version: str
    page: str
    """Where it can be read about and downloaded."""
    newer: bool
    """Whether it is newer than this program."""


def allowed(distribution: Path = _DISTRIBUTION) -> bool:
    """Return whether this build may look for updates itself: not when a store or a distribution updates it."""
    try:
        return bool(json.loads(distribution.read_text(encoding="utf-8")).get("update_check", True))
    except FileNotFoundError:
        return True
    except (OSError, ValueError, AttributeError):
        return False


def newest_release(url: str = RELEASE_URL, current: str = __version__) -> Release:
    """Ask once for the newest release; blocks for up to ten seconds, so not for the GUI thread.

    Raises:
        UpdateCheckError: the server cannot be reached, or answers something else.
        OfflineError: the user has forbidden connections.
    """
    NETWORK.require()
    request = urllib.request.Request(url, headers={"User-Agent": f"larimar/{current}", "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            said: Any = json.loads(answer.read(_MOST_BYTES))
        version, page = str(said["tag_name"]).removeprefix("v"), str(said["html_url"])
        newer = _numbers(version) > _numbers(current)
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise UpdateCheckError(
            "The newest version could not be asked for: the server cannot be reached. Check the connection and try "
            "again."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UpdateCheckError("The server did not say which version is the newest; try again later.") from error
    if not page.startswith(_PAGES) or len(version) > 40:
        raise UpdateCheckError("The server did not say where the newest version is; try again later.")
    return Release(version, page, newer)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split("+")[0].split("."))
