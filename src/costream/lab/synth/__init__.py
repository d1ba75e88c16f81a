"""The synthetic camera: rendered scenes with their ground truth, really encoded."""

from costream.lab.synth.camera import SyntheticCamera
from costream.lab.synth.dataset import Recipe, draw_recipes, write_dataset
from costream.lab.synth.encoder import Encoder, EncoderSettings, encode
from costream.lab.synth.events import EVENT_KINDS, EVENTS, EventKind
from costream.lab.synth.light import LightChange
from costream.lab.synth.live import LiveCamera
from costream.lab.synth.long import draw_long_recipes, write_long_set
from costream.lab.synth.site import SCENE_KINDS, SceneKind
from costream.lab.synth.truth import Box, Event, Truth
from costream.lab.synth.world import WorldCamera

__all__ = [
    "EVENTS",
    "EVENT_KINDS",
    "SCENE_KINDS",
    "Box",
    "Encoder",
    "EncoderSettings",
    "Event",
    "EventKind",
    "LightChange",
    "LiveCamera",
    "Recipe",
    "SceneKind",
    "SyntheticCamera",
    "Truth",
    "WorldCamera",
    "draw_long_recipes",
    "draw_recipes",
    "encode",
    "write_dataset",
    "write_long_set",
]
