"""Reads the window's accessibility tree as a screen reader does, and presses a button through it.

Started by .ci/accessibility on a display and a session bus of its own."""

import subprocess
import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib  # noqa: E402

LIMIT = 60.0
# What a new user meets: the accessible names of what has to be found, with their roles.
WANTED = [
    ("Source, model and commands", None),
    ("Picture", None),
    ("Status", None),
    ("Live picture", "image"),
    ("Record", "button"),
    ("Show log", "button"),
    ("Pause", "button"),
    ("Question about the picture", "entry"),
    ("Ready-made questions", "button"),
]
# What can be pressed or typed into must have a name.
NEEDS_NAME = {"button", "push button", "toggle button", "check box", "radio button", "entry", "text", "slider"}


def turn_on():
    """Tells the bus that an assistive technology is here: toolkits make their trees only then."""
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    for name in ("IsEnabled", "ScreenReaderEnabled"):
        bus.call_sync(
            "org.a11y.Bus", "/org/a11y/bus", "org.freedesktop.DBus.Properties", "Set",
            GLib.Variant("(ssv)", ("org.a11y.Status", name, GLib.Variant("b", True))),
            None, Gio.DBusCallFlags.NONE, 5000, None)


def pump():
    """Lets events of the bus through."""
    context = GLib.MainContext.default()
    while context.pending():
        context.iteration(False)


def nodes(node, depth=0):
    """All nodes below and with this one."""
    yield node
    if depth > 40:
        return
    for number in range(min(node.get_child_count(), 2000)):
        child = node.get_child_at_index(number)
        if child is not None:
            yield from nodes(child, depth + 1)


def window():
    """The program on the bus, once it is there."""
    desktop = Atspi.get_desktop(0)
    for number in range(desktop.get_child_count()):
        program = desktop.get_child_at_index(number)
        if program is not None and "ightline" in (program.get_name() or ""):
            return program
    return None


def tree():
    """Names and roles of everything in the window."""
    program = window()
    if program is None:
        return []
    found = []
    for node in nodes(program):
        try:
            found.append((node.get_name() or "", node.get_role_name(), node))
        except GLib.Error:
            # It went away while it was asked.
            continue
    return found


def wait_for(what, condition):
    """The first true value of a condition."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        pump()
        try:
            value = condition()
        except GLib.Error:
            value = None
        if value:
            return value
        time.sleep(0.1)
    for name, role, _ in tree():
        print(f"  {role}: {name}", file=sys.stderr)
    sys.exit(f"Not found in the accessibility tree: {what}.")


def is_role(role, wanted):
    """Whether a role is this one: older buses say `push button`."""
    return wanted is None or role == wanted or role == f"push {wanted}" or (wanted, role) == ("entry", "text")


def find(name, role=None):
    """The node with this name."""
    return next((node for found, found_role, node in tree() if found == name and is_role(found_role, role)), None)


def main():
    turn_on()
    Atspi.init()
    program = subprocess.Popen([sys.argv[1], "--source", "demo", "--model", "demo"])
    try:
        wait_for("the program", window)
        for name, role in WANTED:
            wait_for(f"{role or 'region'} {name}", lambda: find(name, role))
        captions = ("An empty scene", "A small", "A large", "From left", "Could be")
        wait_for("a caption", lambda: any(name.startswith(captions) for name, _, _ in tree()))
        nameless = [role for name, role, _ in tree() if role in NEEDS_NAME and not name]
        if nameless:
            sys.exit(f"Without a name in the accessibility tree: {nameless}.")
        find("Pause", "button").do_action(0)
        wait_for("Resume, after Pause was pressed over the bus", lambda: find("Resume", "button"))
        print(f"{len(tree())} nodes on the accessibility bus, each that can be pressed with a name.", file=sys.stderr)
    finally:
        program.terminate()
        program.wait(timeout=30)


main()
