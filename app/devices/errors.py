"""Typed errors of microphones, cameras, screens and other devices."""

from __future__ import annotations

from inference.errors import LarimarError


class DeviceError(LarimarError):
    """A device cannot be used: it is absent, busy, not allowed, or its driver is not installed."""


class DeviceLost(DeviceError):  # noqa: N818 - it is an event more than a mistake
    """A device that was in use is gone; what it gave before stays good."""
