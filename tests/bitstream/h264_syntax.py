"""Parameter sets and slice headers of H.264, as far as tests look into them or rewrite them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

SLICE, IDR, SPS, PPS = 1, 5, 7, 8
P, B, I = 0, 1, 2  # noqa: E741


class Bits:
    """Reads and changes syntax elements of a NAL unit's payload."""

    def __init__(self, unit: bytes) -> None:
        self.header = unit[0]
        payload = unit[1:].replace(b"\0\0\3", b"\0\0")  # without emulation prevention
        self.bits = "".join(f"{byte:08b}" for byte in payload)
        self.at = 0

    @property
    def kind(self) -> int:
        return self.header & 31

    def read(self, count: int) -> int:
        self.at += count
        return int(self.bits[self.at - count : self.at], 2)

    def code(self) -> int:
        zeros = self.bits.index("1", self.at) - self.at
        self.at += zeros
        return self.read(zeros + 1) - 1

    def codes(self, count: int) -> list[int]:
        return [self.code() for _ in range(count)]

    def flip(self) -> None:
        """Flips the bit that comes next."""
        flipped = "10"[int(self.bits[self.at])]
        self.bits = self.bits[: self.at] + flipped + self.bits[self.at + 1 :]

    def unit(self) -> bytes:
        bits = self.bits.ljust(-(-len(self.bits) // 8) * 8, "0")
        payload = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
        return bytes([self.header]) + re.sub(b"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def units(packet: bytes) -> list[bytes]:
    """The NAL units of a packet with start codes."""
    return [unit for unit in re.split(b"\0*\0\0\1", packet) if unit]


def rewrite(packet: bytes, kinds: tuple[int, ...], change: Callable[[Bits], None]) -> bytes:
    """The packet with some of its NAL units changed."""
    written = b""
    for unit in units(packet):
        bits = Bits(unit)
        if bits.kind in kinds:
            change(bits)
            unit = bits.unit()
        written += b"\0\0\0\1" + unit
    return written


@dataclass
class Sequence:
    """What a Main profile's SPS says."""

    frame_num_bits: int
    order_bits: int
    frames_only: bool

    @classmethod
    def read(cls, bits: Bits) -> Sequence:
        """Stops at direct_8x8_inference_flag, or mb_adaptive_frame_field_flag before it."""
        assert bits.read(24) >> 16 == 77
        bits.code()  # seq_parameter_set_id
        frame_num_bits = bits.code() + 4
        order_type = bits.code()
        assert order_type in (0, 2)
        order_bits = bits.code() + 4 if order_type == 0 else 0
        bits.code()  # max_num_ref_frames
        bits.read(1)  # gaps_in_frame_num_value_allowed_flag
        bits.codes(2)  # pic_width_in_mbs_minus1, pic_height_in_map_units_minus1
        return cls(frame_num_bits, order_bits, bits.read(1) == 1)


@dataclass
class PictureSet:
    """What a PPS says."""

    cabac: bool
    references: list[int]
    weighted: bool
    weighted_bi: int

    @classmethod
    def read(cls, bits: Bits) -> PictureSet:
        """Stops behind weighted_bipred_idc."""
        bits.codes(2)  # pic_parameter_set_id, seq_parameter_set_id
        cabac = bits.read(1) == 1
        bits.read(1)  # bottom_field_pic_order_in_frame_present_flag
        assert bits.code() == 0  # num_slice_groups_minus1
        references = [count + 1 for count in bits.codes(2)]
        return cls(cabac, references, bits.read(1) == 1, bits.read(2))


@dataclass
class SliceHeader:
    """A slice header of a frame, up to its weights."""

    type: int
    references: list[int]

    @classmethod
    def read(cls, bits: Bits, sequence: Sequence, picture: PictureSet) -> SliceHeader:
        """Stops at pred_weight_table."""
        bits.code()  # first_mb_in_slice
        kind = bits.code() % 5
        bits.code()  # pic_parameter_set_id
        bits.read(sequence.frame_num_bits)
        if bits.kind == IDR:
            bits.code()  # idr_pic_id
        bits.at += sequence.order_bits
        header = cls(kind, [])
        if kind == B:
            bits.read(1)  # direct_spatial_mv_pred_flag
        if kind in (P, B):
            header.references = picture.references[: 2 if kind == B else 1]
            if bits.read(1):
                header.references = [bits.code() + 1 for _ in header.references]
            for _ in header.references:
                if bits.read(1):
                    while bits.code() != 3:
                        bits.code()
        return header


def read_weights(bits: Bits, header: SliceHeader) -> int:
    """Reads pred_weight_table of 4:2:0; how many references have a luma weight."""
    bits.codes(2)  # luma_log2_weight_denom, chroma_log2_weight_denom
    weights = 0
    for count in header.references:
        for _ in range(count):
            if bits.read(1):
                weights += 1
                bits.codes(2)
            if bits.read(1):
                bits.codes(4)
    return weights


def weighted_b_slices(packet: bytes, sequence: Sequence, picture: PictureSet) -> bytes:
    """The packet with a table of weights in every B slice, and a PPS that says so.

    The PPS must have had weighted_bipred_idc 0, and no B slice be referred to.
    """
    assert picture.weighted_bi == 0

    def change(bits: Bits) -> None:
        if bits.kind == PPS:
            PictureSet.read(bits)
            bits.at -= 1
            bits.flip()
            return
        header = SliceHeader.read(bits, sequence, picture)
        if header.type != B:
            return
        # Denominators 2^5 and 2^4; each reference 20 / 32 of luma and 3 more, chroma as it is.
        one = "1" + _code(40) + _code(5) + "0"
        table = _code(5) + _code(4) + one * sum(header.references)
        start, data = bits.at, _data_position(bits, picture)
        head, rest = bits.bits[:start] + table + bits.bits[start:data], bits.bits[data:]
        if picture.cabac:  # the arithmetic code starts at a byte
            rest = rest[-data % 8 :]
            head = head.ljust(-(-len(head) // 8) * 8, "1")
        bits.bits = head + rest

    return rewrite(packet, (SLICE, PPS), change)


def long_term_key_frames(packet: bytes, sequence: Sequence, picture: PictureSet) -> bytes:
    """The packet with its key frame, if it is one, marked as a long-term reference.

    What was predicted from the oldest of several references is predicted from the key frame then.
    """

    def change(bits: Bits) -> None:
        SliceHeader.read(bits, sequence, picture)
        bits.read(1)  # no_output_of_prior_pics_flag
        assert bits.bits[bits.at] == "0"  # long_term_reference_flag
        bits.flip()

    return rewrite(packet, (IDR,), change)


def _data_position(bits: Bits, picture: PictureSet) -> int:
    """Goes on from the weights of a B slice that is no reference to its data."""
    assert bits.header >> 5 & 3 == 0  # no reference: no dec_ref_pic_marking
    if picture.cabac:
        bits.code()  # cabac_init_idc
    bits.code()  # slice_qp_delta
    if bits.code() != 1:  # disable_deblocking_filter_idc
        bits.codes(2)
    return bits.at


def _code(value: int) -> str:
    """Exp-Golomb code; of a signed element, the code number."""
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits
