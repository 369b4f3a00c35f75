"""``describe``: what is in a picture or a video, on the screen, or before the camera."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.arguments import add_engine_options, add_provider_option, not_empty, unicode_text

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers
    from inference.messages import Image, Video

QUESTION = "Describe what you see."


def add_to(commands: Subparsers) -> None:
    """Add the command."""
    describe = commands.add_parser(
        "describe",
        help="say what is in a picture or video, on the screen, or before the camera",
        description="Say what is in a picture or a video, on the screen, or before the camera. Nothing of it is kept.",
    )
    what = describe.add_mutually_exclusive_group(required=True)
    what.add_argument("file", metavar="FILE", nargs="?", type=Path, help="a picture or a video")
    what.add_argument("--screen", action="store_true", help="the screen where the pointer is, as it looks now")
    what.add_argument("--webcam", action="store_true", help="what the first camera sees now")
    describe.add_argument(
        "--question", metavar="TEXT", type=not_empty, default=QUESTION, help="what to ask (default: %(default)r)"
    )
    add_provider_option(describe)
    add_engine_options(describe)
    describe.set_defaults(run=run)


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Look, and answer on standard output."""
    from app.terminal import EngineThread, ask, require_file
    from inference.messages import ReplyOptions, Text

    if options.screen:
        medium: Image | Video = _of_screen()
    elif options.webcam:
        medium = _of_camera()
    else:
        require_file(options.file)
        medium = _of_file(options.file)
    thread = EngineThread(options.model, options.provider)
    return ask(thread, [medium, Text(unicode_text(options.question))], system=None, options=ReplyOptions())


def _of_file(path: Path) -> Image | Video:
    from app.visual_detail import look_at
    from inference.errors import MediaError
    from inference.media.image import DEFAULT_BUDGET
    from inference.media.isolated import probe_video
    from inference.messages import Image, Video

    try:
        detail = look_at(path, 1).detail
        return Image(path, None if detail == DEFAULT_BUDGET else detail)
    except MediaError as no_picture:
        try:
            probe_video(path)
        except MediaError:
            raise no_picture from None
        return Video(path)


def _of_camera() -> Image:
    from app.devices.camera_still import camera_still
    from inference.media.image_encoding import jpeg_of
    from inference.messages import Image

    return Image(jpeg_of(camera_still()))


def _of_screen() -> Image:
    from PIL import Image as PilImage

    from app.devices.errors import DeviceError
    from app.display import window_problem
    from app.visual_detail import closer_detail
    from inference.media.image_encoding import png_of
    from inference.messages import Image

    problem = window_problem()
    if problem is not None:
        raise DeviceError(f"{problem} So there is no screen to look at.")
    from app.screen.still import screen_still

    pixels = screen_still()
    return Image(png_of(pixels), closer_detail(PilImage.fromarray(pixels)))
