"""A live camera with GStreamer's RTSP server, under the system's Python: rtsp_camera.py [PORT].

A moving ball, H.264, 25 frames a second, a key frame every second. Prints the port (one that is
free, where none is named) once it listens, and ends when its standard input does. With the argument
``check`` it says by its status whether all that it needs is here.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
if sys.argv[1:] == ["check"]:
    elements = ("videotestsrc", "x264enc", "rtph264pay")
    sys.exit(0 if all(Gst.ElementFactory.find(name) for name in elements) else 1)

server = GstRtspServer.RTSPServer.new()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1] if len(sys.argv) > 1 else "0")
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=400 "
    "! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(True)
server.get_mount_points().add_factory("/camera", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
loop = GLib.MainLoop()
threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
loop.run()
