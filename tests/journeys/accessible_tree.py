"""Prints what a screen reader finds, as JSON: ``/usr/bin/python3 accessible_tree.py APPLICATION``.

Runs under the system's Python, which has the bindings of AT-SPI; nothing else of the project is imported.
"""

import json
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402


def walk(node, found):
    states = node.get_state_set()
    if not states.contains(Atspi.StateType.SHOWING) and node.get_role() is not Atspi.Role.APPLICATION:
        return
    box = node.get_extents(Atspi.CoordType.SCREEN)
    found.append(
        {
            "role": node.get_role_name(),
            "name": node.get_name() or "",
            "description": node.get_description() or "",
            "focused": states.contains(Atspi.StateType.FOCUSED),
            "focusable": states.contains(Atspi.StateType.FOCUSABLE),
            "enabled": states.contains(Atspi.StateType.ENABLED),
            "box": [box.x, box.y, box.width, box.height],
        }
    )
    for number in range(node.get_child_count()):
        child = node.get_child_at_index(number)
        if child is not None:
            walk(child, found)


def main():
    desktop = Atspi.get_desktop(0)
    found = []
    for number in range(desktop.get_child_count()):
        application = desktop.get_child_at_index(number)
        if application is not None and sys.argv[1] in (application.get_name() or "").lower():
            walk(application, found)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
