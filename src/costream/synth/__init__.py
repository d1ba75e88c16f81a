"""The synthetic camera: rendered scenes with their ground truth, really encoded."""

from costream.synth.camera import SyntheticCamera
from costream.synth.encoder import Encoder, EncoderSettings, encode
from costream.synth.light import LightChange
from costream.synth.live import LiveCamera
from costream.synth.truth import Box, Event, Truth

__all__ = [
    "Box",
    "Encoder",
    "EncoderSettings",
    "Event",
    "LightChange",
    "LiveCamera",
    "SyntheticCamera",
    "Truth",
    "encode",
]
