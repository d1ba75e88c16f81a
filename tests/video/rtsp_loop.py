"""What the RTSP servers under test have in common, under the system's Python."""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)


def check(*elements):
    """Says by the exit status, where the argument ``check`` is given, whether all are here."""
    if sys.argv[1:] == ["check"]:
        sys.exit(0 if all(Gst.ElementFactory.find(name) for name in elements) else 1)


def serve(server, *factories, port="0"):
    """Serves ``/camera``, ``/camera1`` and so on, until standard input ends.

    Prints the port once it listens.
    """
    server.set_address("127.0.0.1")
    server.set_service(port)
    for number, factory in enumerate(factories):
        server.get_mount_points().add_factory(f"/camera{number or ''}", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


def factory_of(pipeline):
    """Returns what makes the stream of a viewer."""
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(f"( {pipeline} name=pay0 pt=96 )")
    return factory
