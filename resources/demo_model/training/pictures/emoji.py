# ruff: noqa: E501 (the things of one kind stay on one line)
"""Pictures of things: Noto Color Emoji's, under the names that Unicode gives them."""

from __future__ import annotations

import os
import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

_ANIMALS = "🐒🦍🐕🐩🐺🦊🐈🦁🐅🐆🐎🦄🦓🦌🐄🐖🐏🐑🐐🐪🦙🦒🐘🦏🦛🐁🐇🦔🦇🐼🦘🦃🐔🐓🐧🦅🦆🦢🦉🦩🦚🦜🐸🐊🐢🦎🐍🐉🦕🐋🐬🐟🐠🐡🦈🐙🐚🐌🦋🐜🐝🐞🦗🦂🐿"
_PLANTS = "🌹🌻🌷🌲🌴🌵🍀🍁🍄🌽"
_FOOD = "🍇🍈🍉🍊🍋🍌🍍🥭🍎🍐🍑🍒🍓🥝🍅🥥🥑🍆🥔🥕🌶🥒🥦🧄🧅🥜🌰🍞🥐🥖🥨🥯🥞🧀🍖🍗🥩🥓🍔🍟🍕🌭🥪🌮🌯🥚🍳🍿🍙🍚🍜🍝🍣🍤🥟🦀🦞🍦🍩🍪🎂🍰🧁🥧🍫🍬🍭🍯🍼☕🍷🍸🍺🥤"
_TRAVEL = "🚂🚌🚑🚒🚓🚕🚗🚚🚜🛵🛴🚲⛵🚤🚢🚁🚀🛸🚦⚓⛺🏠🏰🗼🗽🎡🌋🌈🌙☀🔥💧⛄☂⚡"
_TOOLS = "🔨🪓🔧🔩⚙🧲🪜🔬🔭💉💊🩺🚪🪑🛁🚿🧹🧺🧻🧼🔑🔒🔔✂📌📎📏✏📕📦📷📺📱💻🖨⌨🖱💡🔦🕯🎈🎁🏆⚽🏀🏈🎾🎳🎯🎲🧩🧸🎨🎸🎺🎻🥁🎹👑🎩👓👔👕👖🧦👗👟👢👜🎒💍💎⌚⏰🧭🪁🛒"
GLYPHS: Final = tuple(_ANIMALS + _PLANTS + _FOOD + _TRAVEL + _TOOLS)

_SIMPLER: Final = {
    "automobile": "car", "hot beverage": "cup of coffee", "black sun with rays": "sun", "white medium star": "star",
    "crescent moon": "moon", "wedge of cheese": "cheese", "slice of pizza": "pizza", "ear of maize": "corn",
    "cooking": "fried egg", "bread": "bread", "shortcake": "piece of cake", "mouse": "mouse", "three button mouse": "computer mouse",
    "snowman without snow": "snowman", "high voltage sign": "lightning", "black scissors": "scissors",
    "pushpin": "pin", "straight ruler": "ruler", "closed book": "book", "television": "television",
    "personal computer": "laptop", "electric light bulb": "light bulb", "electric torch": "torch",
    "wrapped present": "present", "soccer ball": "football", "basketball and hoop": "basketball",
    "tennis racquet and ball": "tennis ball", "direct hit": "dart board", "game die": "dice", "jigsaw puzzle piece": "puzzle",
    "artist palette": "palette", "drum with drumsticks": "drum", "musical keyboard": "piano", "eyeglasses": "glasses",
    "athletic shoe": "shoe", "womans boots": "boot", "school satchel": "backpack", "gem stone": "diamond stone",
    "shopping trolley": "shopping cart", "fire engine": "fire truck", "oncoming automobile": "car", "delivery truck": "truck",
    "motor scooter": "scooter", "scooter": "kick scooter", "vertical traffic light": "traffic light", "tokyo tower": "tower",
    "statue of liberty": "statue", "house building": "house", "european castle": "castle", "droplet": "drop of water",
    "umbrella": "umbrella", "nut and bolt": "screw", "roll of paper": "roll of paper", "bar of soap": "soap",
    "bathtub": "bathtub", "paperclip": "paper clip", "pouting cat": "cat", "baguette bread": "baguette",
    "meat on bone": "meat", "cut of meat": "steak", "hot dog": "hot dog", "steaming bowl": "bowl of noodles",
    "cooked rice": "bowl of rice", "fried shrimp": "shrimp", "soft ice cream": "ice cream", "birthday cake": "birthday cake",
    "chocolate bar": "chocolate", "honey pot": "honey", "wine glass": "glass of wine", "cocktail glass": "cocktail",
    "beer mug": "beer", "cup with straw": "drink with a straw", "tangerine": "orange", "aubergine": "eggplant",
    "spouting whale": "whale", "dromedary camel": "camel", "dog face": "dog", "poodle": "poodle", "t-shirt": "shirt",
    "jeans": "trousers", "top hat": "hat", "alarm clock": "alarm clock", "watch": "watch", "white umbrella": "umbrella",
    "bouquet": "flowers", "maple leaf": "leaf", "evergreen tree": "fir tree", "spiral shell": "shell", "lady beetle": "ladybird",
    "fish": "fish", "flying saucer": "flying saucer", "glass of milk": "milk", "baby bottle": "baby bottle", "hammer": "hammer",
    "handbag": "handbag", "spaghetti": "spaghetti", "peeled banana": "banana", "red apple": "apple", "four leaf clover": "clover",
    "black right-pointing triangle": "triangle", "pineapple": "pineapple", "bellhop bell": "bell", "bell": "bell",
    "bus": "bus", "oncoming bus": "bus", "steam locomotive": "locomotive", "trumpet": "trumpet", "spoon": "spoon",
    "bowling": "bowling ball", "american football": "rugby ball", "peanuts": "peanuts", "gear": "gear", "wheel": "wheel",
    "dragon": "dragon", "sauropod": "dinosaur", "t rex": "dinosaur", "tropical fish": "tropical fish", "electric plug": "plug",
    "ferris wheel": "Ferris wheel", "ring": "finger ring", "stuffed flatbread": "kebab", "mobile phone": "phone",
}  # fmt: skip
_UNCOUNTED = frozenset(
    word.replace("|", " ")
    for word in [
        "bread",
        "cheese",
        "bacon",
        "popcorn",
        "spaghetti",
        "honey",
        "soap",
        "garlic",
        "fire",
        "lightning",
        "peanuts",
        "scissors",
        "glasses",
        "trousers",
        "meat",
        "sushi",
        "grapes",
        "cherries",
        "pancakes",
        "socks",
        "french|fries",
    ]
)
"""Names that take no article."""

FONT_PATHS: Final = (
    Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/noto/NotoColorEmoji.ttf"),
)
_STRIKE: Final = 109
"""The one size, in pixels, that the font's pictures have."""


def name_of(glyph: str) -> str:
    """Return what the picture shows: Unicode's name in lower case, simpler where that is too technical."""
    name = unicodedata.name(glyph).lower()
    return _SIMPLER.get(name, name.removesuffix(" face"))


NAMES: Final = tuple(name_of(glyph) for glyph in GLYPHS)


def article(name: str) -> str:
    """Return ``name`` with its article, if it takes one."""
    if name in _UNCOUNTED:
        return name
    return f"{'an' if name[0] in 'aeiouAEIO' and not name.startswith(('uni', 'eu')) else 'a'} {name}"


def plural(name: str) -> str:
    """Return the plural of ``name``, which may have several words."""
    for joint in (" of ", " with "):
        if joint in name:
            head, tail = name.split(joint, 1)
            return f"{plural(head)}{joint}{tail}"
    if name in _UNCOUNTED or name in ("sheep", "fish", "tropical fish", "deer", "chicken nuggets"):
        return name
    if name == "mouse":
        return "mice"
    if name.endswith(("s", "x", "ch", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return "leaves" if name == "leaf" else name + "s"


def font_path() -> Path | None:
    """Return where the font is (``LARIMAR_EMOJI_FONT``, or where Debian's ``fonts-noto-color-emoji`` puts it)."""
    chosen = os.environ.get("LARIMAR_EMOJI_FONT")
    return next((path for path in (*([Path(chosen)] if chosen else ()), *FONT_PATHS) if path.exists()), None)


@cache
def picture(glyph: str) -> Image.Image:
    """Return the picture, RGBA of about 128 pixels a side, cropped to what is painted.

    Raises:
        FileNotFoundError: the font is not installed.
    """
    path = font_path()
    if path is None:
        raise FileNotFoundError(
            "Noto Color Emoji is missing; install fonts-noto-color-emoji, or set LARIMAR_EMOJI_FONT."
        )
    font = ImageFont.truetype(str(path), _STRIKE)
    canvas = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((8, 8), glyph, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        raise ValueError(f"the font has no picture of {name_of(glyph)!r}")
    return canvas.crop(box)
