"""Serves a file over RTSP with GStreamer, under the system's Python.

rtsp_server.py FILE [basic|digest USER PASSWORD]

Prints the port once it listens, and ends when its standard input does. With the argument ``check``
it says by its status whether all that it needs is here.
"""

import sys

import gi
from rtsp_loop import GstRtspServer, check, factory_of, serve

gi.require_version("GstRtsp", "1.0")
from gi.repository import Gst, GstRtsp  # noqa: E402

ROLE = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"

check("filesrc", "qtdemux", "h264parse", "rtph264pay")
server = GstRtspServer.RTSPServer.new()
factory = factory_of(f'filesrc location="{sys.argv[1]}" ! qtdemux ! h264parse ! rtph264pay')
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
serve(server, factory)
