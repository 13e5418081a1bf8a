"""Numbers in 4 and 8 bits by blocks, as QLoRA stores a base model (arXiv:2305.14314), in plain torch.

A weight is read row by row as one long line and cut into blocks of 64. Of each block the largest magnitude is kept, and
of each number the nearest of sixteen levels between -1 and 1: the NormalFloat, whose levels divide a normal
distribution into equal shares. Two codes make a byte, the first in its high half. Double quantisation then does the
same to the magnitudes: their distance from their mean, in blocks of 256, as the nearest of 256 levels.

bitsandbytes does it with these very levels, ties and layouts; it is the outside judge in the tests, and its kernels
read on a graphics card what was written here. Quantising is always done here, so that a card, a processor and an
export come to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from core import kernels

BLOCK, OUTER_BLOCK = 64, 256
"""Numbers that share a magnitude, and magnitudes that share one."""
LEVELS = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""The sixteen levels of the 4-bit NormalFloat."""
WORTH = 1 << 16
"""Numbers of a weight from which on a processor has bitsandbytes read its codes: small models need not import it. A
weight of 192 x 576, a key's of SmolLM2, takes a third of the time."""
CHUNK = 1 << 18
"""Numbers worked on at once, so that they stay in the processor's cache and a large matrix needs little beside it."""


@cache
def dynamic_levels() -> Tensor:
    """The 256 levels of the 8-bit map: seven powers of ten, each finer than the one below, both signs, 0 and 1.

    In float32 from the first step on, as bitsandbytes works them out, so that the levels are its own to the bit.
    """
    found = [0.0, 1.0]
    for power in range(7):
        edges = torch.linspace(0.1, 1, 2**power + 1)
        middles = 10.0 ** (power - 6) * ((edges[:-1] + edges[1:]) / 2)
        found += [*middles.tolist(), *(-middles).tolist()]
    return torch.tensor(sorted(found))


def nearest(values: Tensor, levels: Tensor) -> Tensor:
    """The index of the nearest level, uint8; the lower of two that are equally near."""
    middles = (levels[1:] + levels[:-1]) / 2
    if len(levels) > len(LEVELS):
        return torch.bucketize(values, middles.to(values.device), out_int32=True).to(torch.uint8)
    codes = torch.zeros(values.shape, dtype=torch.uint8, device=values.device)
    for middle in middles.tolist():  # fifteen comparisons of many numbers at once are faster than a search for each
        codes += values > middle
    return codes


def to_nf4(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Quantise a weight.

    Args:
        weight: any shape, any floating type.

    Returns:
        the packed codes, uint8 (numbers / 2, 1), and the magnitude of each block, float32 (blocks,).
    """
    flat = weight.detach().reshape(-1)
    levels = torch.tensor(LEVELS)
    codes, magnitudes = [], []
    for chunk in torch.split(flat, 4 * CHUNK):
        blocks, largest = _blocks(chunk.float(), BLOCK)
        codes.append(nearest(blocks, levels).reshape(-1)[: chunk.numel()])
        magnitudes.append(largest)
    together = torch.cat(codes)
    if together.numel() % 2:
        together = torch.cat((together, together.new_full((1,), LEVELS.index(0.0))))
    return (together[::2] << 4 | together[1::2])[:, None], torch.cat(magnitudes)


def from_nf4(
    packed: Tensor, magnitudes: Tensor, shape: torch.Size, dtype: torch.dtype, gain: Tensor | None = None
) -> Tensor:
    """The weight that packed codes stand for: level times magnitude, worked out in float32 and rounded to `dtype`.

    Its rows times a gain, (out,), where there is one: if rows are whole blocks by way of the magnitudes, which are few.
    """
    if gain is not None:
        if shape[-1] % BLOCK:
            return from_nf4(packed, magnitudes, shape, dtype) * gain[:, None]
        magnitudes = (magnitudes.view(len(gain), -1) * gain[:, None]).view(-1)
    if _kernel_reads(packed, shape):
        return _by_kernel(packed, magnitudes, shape, dtype)
    numbers = shape.numel()
    words, table = _words(packed)
    values = torch.empty(words.numel() * 2 * words.itemsize, device=packed.device)
    # Straight into their places: looked up elsewhere and copied, they would take twice as long.
    torch.index_select(table, 0, words.int(), out=values.view(table.dtype).view(-1, *table.shape[1:]))
    whole = numbers // BLOCK
    values[: whole * BLOCK].view(whole, BLOCK).mul_(magnitudes[:whole, None])
    values[whole * BLOCK :].mul_(magnitudes[-1])
    return values[:numbers].view(shape).to(dtype)


def to_8bit(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Quantise the magnitudes of blocks.

    Args:
        values: float32 (blocks,).

    Returns:
        codes, uint8 (blocks,); the largest distance from the mean in each outer block, float32; the mean, a scalar.
    """
    # In double precision and in one place: the order of additions, another on every device, then leaves no trace.
    mean = values.cpu().double().mean().float().to(values.device)
    blocks, largest = _blocks(values - mean, OUTER_BLOCK)
    return nearest(blocks, dynamic_levels()).reshape(-1)[: values.numel()], largest, mean


def from_8bit(codes: Tensor, largest: Tensor, mean: Tensor) -> Tensor:
    """The magnitudes that `to_8bit` was given, float32 (blocks,), as near as 8 bits come."""
    levels = dynamic_levels().to(codes.device)
    scales = largest.repeat_interleave(OUTER_BLOCK)[: codes.numel()]
    return levels.index_select(0, codes.int()) * scales + mean


def to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Quantise a matrix by rows: int8 codes of its shape, and the largest magnitude of each row, float32 (rows, 1)."""
    given = weight.detach()
    codes = torch.empty(given.shape, dtype=torch.int8, device=given.device)
    largest = torch.empty(given.shape[0], 1, device=given.device)
    for place in _places(given.shape):
        rows = given[place].float()
        largest[place] = rows.abs().amax(1, keepdim=True)
        filled = torch.where(largest[place] > 0, largest[place], torch.ones_like(largest[place]))
        codes[place] = (rows * (127.0 / filled)).round_().to(torch.int8)
    return codes, largest


def from_int8(codes: Tensor, largest: Tensor, dtype: torch.dtype, gain: Tensor | None = None) -> Tensor:
    """The matrix that `to_int8` was given, as near as 8 bits come, its rows times a gain (out,) where there is one."""
    if gain is not None:
        largest = largest * gain[:, None]
    values = torch.empty(codes.shape, dtype=dtype, device=codes.device)
    for place in _places(codes.shape):
        values[place] = codes[place].float().mul_(largest[place] / 127.0)
    return values


def _places(shape: torch.Size) -> Iterator[slice]:
    """The rows of a matrix, a few at a time."""
    rows = max(1, CHUNK // max(1, shape[1]))
    return (slice(start, start + rows) for start in range(0, shape[0], rows))


def _blocks(flat: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Numbers as (blocks, size) in units of each block's largest magnitude, and those; the last block is filled up."""
    short = -flat.numel() % size
    blocks = torch.nn.functional.pad(flat, (0, short)).view(-1, size)
    largest = blocks.abs().amax(1)
    return blocks / torch.where(largest > 0, largest, torch.ones_like(largest))[:, None], largest


def _kernel_reads(packed: Tensor, shape: torch.Size) -> bool:
    """Whether bitsandbytes has a kernel that reads such codes to the bits worked out here, and is worth its import.

    On a processor it takes a third of the time. It reads whole blocks of a row there.
    """
    if packed.is_cuda:
        return kernels.bitsandbytes() is not None
    if packed.device.type == "cpu" and shape.numel() >= WORTH and shape[-1] % BLOCK == 0:
        return kernels.on_processor() is not None
    return False


def _by_kernel(packed: Tensor, magnitudes: Tensor, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """The same by the kernel of bitsandbytes."""
    known = dtype if packed.is_cuda and dtype in (torch.float16, torch.bfloat16) else torch.float32
    # Its operation itself: what the library has around it takes a third of a small layer's time.
    found: Tensor = torch.ops.bitsandbytes.dequantize_4bit(packed, magnitudes, BLOCK, "nf4", shape, known)
    return found.to(dtype)


def _words(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Packed codes as indices into a table of what each index stands for, and that table.

    A processor looks two bytes up at once, and takes the four levels of 4 bytes each as one number of 16, which torch
    copies far faster than a row of four. Other devices, which know no such types, look up one byte and take a row.
    """
    flat = packed.reshape(-1)
    if flat.device.type != "cpu":
        return flat, _table(torch.uint8).to(flat.device)
    if flat.numel() % 2:
        flat = torch.cat((flat, flat.new_zeros(1)))
    return flat.view(torch.uint16), _table(torch.uint16).view(torch.complex128).view(-1)


@cache
def _table(word: torch.dtype) -> Tensor:
    """The levels that every value of a word of packed codes stands for, float32 (values, 2 or 4)."""
    values = torch.arange(2 ** (8 * word.itemsize), dtype=torch.int32).to(word).view(torch.uint8)
    codes = torch.stack((values >> 4, values & 15), 1).view(-1, 2 * word.itemsize)
    return torch.tensor(LEVELS)[codes.int()]
