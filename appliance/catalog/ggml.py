"""The element types of ggml: how many bytes a tensor of each takes.

Source: the public GGUF specification and llama.cpp's `ggml.h`; the numbers are part of the format.
"""

from __future__ import annotations

from typing import NamedTuple


class ElementType(NamedTuple):
    """`block` elements are stored in `block_bytes` bytes."""

    name: str
    block: int
    block_bytes: int


ELEMENT_TYPES: dict[int, ElementType] = {
    0: ElementType("f32", 1, 4),
    1: ElementType("f16", 1, 2),
    2: ElementType("q4_0", 32, 18),
    3: ElementType("q4_1", 32, 20),
    6: ElementType("q5_0", 32, 22),
    7: ElementType("q5_1", 32, 24),
    8: ElementType("q8_0", 32, 34),
    10: ElementType("q2_k", 256, 84),
    11: ElementType("q3_k", 256, 110),
    12: ElementType("q4_k", 256, 144),
    13: ElementType("q5_k", 256, 176),
    14: ElementType("q6_k", 256, 210),
    16: ElementType("iq2_xxs", 256, 66),
    17: ElementType("iq2_xs", 256, 74),
    18: ElementType("iq3_xxs", 256, 98),
    19: ElementType("iq1_s", 256, 50),
    20: ElementType("iq4_nl", 32, 18),
    21: ElementType("iq3_s", 256, 110),
    22: ElementType("iq2_s", 256, 82),
    23: ElementType("iq4_xs", 256, 136),
    24: ElementType("i8", 1, 1),
    25: ElementType("i16", 1, 2),
    26: ElementType("i32", 1, 4),
    27: ElementType("i64", 1, 8),
    28: ElementType("f64", 1, 8),
    29: ElementType("iq1_m", 256, 56),
    30: ElementType("bf16", 1, 2),
    34: ElementType("tq1_0", 256, 54),
    35: ElementType("tq2_0", 256, 66),
    39: ElementType("mxfp4", 32, 17),
    40: ElementType("nvfp4", 64, 36),
}
TYPE_NUMBERS: dict[str, int] = {kind.name: number for number, kind in ELEMENT_TYPES.items()}

BYTES_PER_ELEMENT: dict[str, float] = {
    kind.name: kind.block_bytes / kind.block for kind in ELEMENT_TYPES.values()
}

FILE_TYPES: dict[int, str] = {
    0: "f32",
    1: "f16",
    2: "q4_0",
    3: "q4_1",
    7: "q8_0",
    8: "q5_0",
    9: "q5_1",
    10: "q2_k",
    11: "q3_k_s",
    12: "q3_k_m",
    13: "q3_k_l",
    14: "q4_k_s",
    15: "q4_k_m",
    16: "q5_k_s",
    17: "q5_k_m",
    18: "q6_k",
    19: "iq2_xxs",
    20: "iq2_xs",
    21: "q2_k_s",
    22: "iq3_xs",
    23: "iq3_xxs",
    24: "iq1_s",
    25: "iq4_nl",
    26: "iq3_s",
    27: "iq3_m",
    28: "iq2_s",
    29: "iq2_m",
    30: "iq4_xs",
    31: "iq1_m",
    32: "bf16",
    36: "tq1_0",
    37: "tq2_0",
    38: "mxfp4_moe",
}
"""`general.file_type` as quantizations are called here. A label: mixes carry it, too."""
