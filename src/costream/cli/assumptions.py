"""What an estimate of capacity assumes, in sentences."""

from __future__ import annotations

from costream.cli.quantities import binary_size
from costream.engine.camera import SHARES
from costream.engine.capacity import TOKEN_BUDGET
from costream.engine.estimate import Estimate
from costream.engine.stream_cost import TYPICAL_ASK
from costream.models.weights import BITSANDBYTES


def assumptions(found: Estimate) -> list[str]:
    """Returns what of an estimate is assumed, a sentence each."""
    return [*_of_streams(found), *_of_model(found), *_of_memory(found), *_of_speed(found)]


def _of_streams(found: Estimate) -> list[str]:
    layout = found.streams[0].layout
    shares = ", ".join(f"{share:.0%} ({name})" for name, share in SHARES.items())
    notes = [
        f"Of the merge groups of a {_unit(found)}, {shares} are kept; one in "
        f"{layout.between_anchors} is an anchor and whole.",
        f"{layout.questions} questions of {layout.question} tokens each, as long as "
        f"'{TYPICAL_ASK}', and no text is written.",
    ]
    if len(found.streams) > 1:
        notes.append("Cameras are of all kinds in equal parts: figures of a stream are means.")
    return notes


def _unit(found: Estimate) -> str:
    frames = found.outline.model.temporal_patch
    return "frame" if frames == 1 else f"temporal patch of {frames} frames"


def _of_model(found: Estimate) -> list[str]:
    notes, kind = [], found.outline.quantised
    if not found.outline.counted:
        notes.append(
            "The checkpoint has no tokenizer: a digit, a word or a sign counts as one token, in "
            "the chat format of its family."
        )
    if kind not in (None, BITSANDBYTES):
        notes.append(f"Weights of the kind {kind} are dequantised when they are loaded.")
    if found.row.packed:
        notes.append("In 8 bits are keys and values; features stay in the type of the weights.")
    return notes


def _of_memory(found: Estimate) -> list[str]:
    once = min(found.shared_bytes.values())
    full = [f"What streams share, {binary_size(once)}, is more than there is: no camera fits."]
    return [
        *(full if once > found.device.memory else []),
        f"A batch takes {TOKEN_BUDGET} tokens, or one window that is larger; its scratch is an "
        "upper bound for attention that does not write its scores.",
        "What the driver and the allocator take is not counted: give the memory that is free.",
    ]


def _of_speed(found: Estimate) -> list[str]:
    device = found.device
    compute = (
        "Cameras by compute are not known: give the device's sustained speed by --tflops."
        if device.tflops is None
        else f"The device computes {device.tflops:g} TFLOPS all the time; windows that are "
        "rebased, computed whole, are not counted."
    )
    return [
        compute,
        f"{device.cores} cores decode, each {device.decode_fps:g} frames of 1920x1080 a second and "
        "others by their pixels; resizing comes on top.",
    ]
