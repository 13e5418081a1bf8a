"""The largest singular directions of a matrix, the same at every call.

A full decomposition of a large layer's gradient takes minutes where its first few directions take a second. So they are
found by a randomised subspace iteration, as the published codes do it, from one fixed seed; a matrix that is hardly
larger than what is asked of it is decomposed in full.
"""

from __future__ import annotations

import torch
from torch import Tensor

SEED = 42
"""Of the first guess of the subspace."""
ITERATIONS = 4
"""Of the search, as in the published codes of EVA and LoRA-GA."""


@torch.no_grad()
def leading(matrix: Tensor, width: int, iterations: int = ITERATIONS) -> tuple[Tensor, Tensor, Tensor]:
    """The largest singular values and their vectors.

    Args:
        matrix: (rows, columns), float32 or float64.
        width: of the subspace that is searched; at least twice what is wanted of it.
        iterations: of the search; more come closer where the values fall slowly.

    Returns:
        `(u, s, vh)` of shapes (rows, k), (k,) and (k, columns), k being the width or the matrix's smaller side. Of
        each row of vh the largest number is positive.
    """
    device = matrix.device
    if device.type == "mps":
        matrix = matrix.cpu()
    if width < min(matrix.shape):
        with torch.random.fork_rng(devices=[matrix.device] if matrix.is_cuda else []):
            torch.manual_seed(SEED)
            u, s, v = torch.svd_lowrank(matrix, q=width, niter=iterations)
        vh = v.mT
    else:
        u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    signs = vh.gather(1, vh.abs().argmax(dim=1, keepdim=True)).sign()
    return (u * signs.T).to(device), s.to(device), (vh * signs).to(device)
