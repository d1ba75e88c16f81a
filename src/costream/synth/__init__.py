"""The synthetic camera: rendered scenes with their ground truth, really encoded."""

from costream.synth.camera import SyntheticCamera
from costream.synth.dataset import Recipe, draw_recipes, write_dataset
from costream.synth.encoder import Encoder, EncoderSettings, encode
from costream.synth.events import EVENT_KINDS, EVENTS, EventKind
from costream.synth.light import LightChange
from costream.synth.live import LiveCamera
from costream.synth.site import SCENE_KINDS, SceneKind
from costream.synth.truth import Box, Event, Truth
from costream.synth.world import WorldCamera

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
    "draw_recipes",
    "encode",
    "write_dataset",
]
