"""A camera with GStreamer's RTSP server, under the system's Python.

rtsp_camera.py PORT DAMAGE [CODEC FILM]...

Plays MP4 files as they are, each to whoever asks, from its beginning and as fast as it was taken:
the first at ``/camera``, the others at ``/camera1`` and so on. CODEC is ``h264`` or ``h265``. Each
byte is spoilt with a probability of DAMAGE. Prints the port (one that is free for 0) once it
listens, and ends when its standard input does. With the argument ``check`` it says by its status
whether all that it needs is here.
"""

import sys

from rtsp_loop import GstRtspServer, check, factory_of, serve

check("filesrc", "qtdemux", "h264parse", "rtph264pay", "h265parse", "rtph265pay", "breakmydata")
port, damage, *films = sys.argv[1:]
# Parameter sets are told beforehand, and are not spoilt: the first bytes of a film hold them.
spoil = f"! breakmydata probability={damage} skip=100000 " if float(damage) else ""
factories = [
    factory_of(
        f'filesrc location="{film}" ! qtdemux ! {codec}parse ! '
        f"video/x-{codec},stream-format=byte-stream,alignment=au {spoil}! rtp{codec}pay"
    )
    for codec, film in zip(films[::2], films[1::2], strict=True)
]
serve(GstRtspServer.RTSPServer.new(), *factories, port=port)
