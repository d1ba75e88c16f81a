"""A live camera with GStreamer's RTSP server, under the system's Python: rtsp_camera.py [PORT].

A moving ball, H.264, 25 frames a second, a key frame every second. Prints the port (one that is
free, where none is named) once it listens, and ends when its standard input does. With the argument
``check`` it says by its status whether all that it needs is here.
"""

import sys

from rtsp_loop import GstRtspServer, check, factory_of, serve

check("videotestsrc", "x264enc", "rtph264pay")
factory = factory_of(
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=400 ! rtph264pay"
)
factory.set_shared(True)
serve(GstRtspServer.RTSPServer.new(), factory, *sys.argv[1:])
