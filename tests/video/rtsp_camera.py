"""A live camera with GStreamer's RTSP server, under the system's Python.

rtsp_camera.py [PORT [WIDTHxHEIGHT [DAMAGE]]]

A moving ball, H.264, 25 frames a second, a key frame every second; each byte of it is spoilt with a
probability of DAMAGE. Prints the port (one that is
free, where none is named) once it listens, and ends when its standard input does. With the argument
``check`` it says by its status whether all that it needs is here.
"""

import sys

from rtsp_loop import GstRtspServer, check, factory_of, serve

check("videotestsrc", "x264enc", "rtph264pay", "breakmydata")
port, size, damage = (sys.argv[1:] + ["0", "320x240", "0"][len(sys.argv) - 1 :])[:3]
width, height = size.split("x")
# Parameter sets are told beforehand, and are not spoilt: the first bytes of a packet hold them.
spoil = f"! breakmydata probability={damage} skip=100000 " if float(damage) else ""
factory = factory_of(
    f"videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},"
    "framerate=25/1 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=400 "
    f"{spoil}! rtph264pay"
)
factory.set_shared(True)
serve(GstRtspServer.RTSPServer.new(), factory, port)
