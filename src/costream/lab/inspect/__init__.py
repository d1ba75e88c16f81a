"""What a source looks like to the codec and to the pruners."""

from costream.lab.inspect.gop import Gop, find_gop
from costream.lab.inspect.inspection import FILM, LIVE_LIMIT, PICTURE, Inspection, inspect_source

__all__ = ["FILM", "LIVE_LIMIT", "PICTURE", "Gop", "Inspection", "find_gop", "inspect_source"]
