"""Serves a file over RTSP with GStreamer, under the system's Python.

rtsp_server.py FILE [basic|digest USER PASSWORD]

Prints the port once it listens, and ends when its standard input does.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ROLE = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"

Gst.init(None)
if len(sys.argv) < 2:
    elements = ("filesrc", "qtdemux", "h264parse", "rtph264pay")
    sys.exit(0 if all(Gst.ElementFactory.find(name) for name in elements) else 1)

server = GstRtspServer.RTSPServer.new()
server.set_address("127.0.0.1")
server.set_service("0")
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch(
    f'( filesrc location="{sys.argv[1]}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )'
)
if len(sys.argv) > 2:
    kind, user, password = sys.argv[2:]
    auth = GstRtspServer.RTSPAuth.new()
    auth.set_supported_methods(getattr(GstRtsp.RTSPAuthMethod, kind.upper()))
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "viewer")
    if kind == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.add_digest(user, password, token)
    server.set_auth(auth)
    factory.add_role_from_structure(Gst.Structure.from_string(ROLE)[0])
server.get_mount_points().add_factory("/camera", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
loop = GLib.MainLoop()
threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
loop.run()
