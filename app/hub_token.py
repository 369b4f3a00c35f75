"""The user's token for the Hugging Face Hub, in the system's keyring and nowhere else."""

from __future__ import annotations

import logging
from typing import Any, Final

from PySide6.QtCore import QCoreApplication

from inference.errors import LarimarError

log = logging.getLogger(__name__)
translate = QCoreApplication.translate  # the name that lupdate looks for

_SERVICE: Final = "Larimar"
_NAME: Final = "Hugging Face"
_PLAIN: Final = ("keyrings.alt", "keyring.backends.null", "keyring.backends.fail")
"""Where backends come from that protect nothing, or keep nothing."""


class HubTokenError(LarimarError):
    """The keyring could not be used; the text says why and what to do."""


class HubToken:
    """Reads and writes the token. Methods block, perhaps until the user unlocks the keyring: not for the GUI thread."""

    def __init__(self, keyring: Any = None) -> None:
        self._keyring = keyring

    def read(self) -> str | None:
        """Return the token; ``None`` when there is none, or no keyring, which is logged."""
        try:
            return self._usable().get_password(_SERVICE, _NAME) or None
        except HubTokenError:
            return None
        except Exception as error:  # of whichever backend
            log.warning("The keyring could not be read: %s", type(error).__name__)
            return None

    def write(self, token: str) -> None:
        """Keep ``token``.

        Raises:
            HubTokenError: there is no keyring, it stays locked, or the text is no token.
        """
        token = token.strip()
        if not token or not token.isascii() or any(letter.isspace() for letter in token):
            raise HubTokenError(
                translate("HubToken", "This is no token: it is one word of letters and digits, most often hf_….")
            )
        keyring = self._usable()
        try:
            keyring.set_password(_SERVICE, _NAME, token)
        except Exception as error:
            raise _locked(error) from error

    def delete(self) -> None:
        """Forget the token, if there is one.

        Raises:
            HubTokenError: the keyring stays locked.
        """
        try:
            keyring = self._usable()
        except HubTokenError:
            return
        try:
            if keyring.get_password(_SERVICE, _NAME) is not None:
                keyring.delete_password(_SERVICE, _NAME)
        except Exception as error:
            raise _locked(error) from error

    def _usable(self) -> Any:
        """Return the keyring, if it is one that protects what it keeps."""
        backend = self._keyring
        if backend is None:
            try:
                import keyring

                backend = keyring.get_keyring()
            except Exception as error:  # a backend that cannot even be imported
                log.info("There is no keyring: %s", type(error).__name__)
                raise _missing() from error
        backends = list(getattr(backend, "backends", [])) or [backend]  # one that asks several in turn
        if any(type(each).__module__.startswith(_PLAIN) for each in backends):
            raise _missing()
        return backend


def _missing() -> HubTokenError:
    return HubTokenError(
        translate(
            "HubToken",
            "This system has no keyring, and Larimar writes no token into a plain file. Install one (GNOME Keyring or "
            "KWallet), or set the variable HF_TOKEN before you start Larimar.",
        )
    )


def _locked(error: Exception) -> HubTokenError:
    log.info("The keyring refused: %s", type(error).__name__)
    return HubTokenError(translate("HubToken", "The keyring did not take it. Unlock it, then try again."))
