"""Products and Cholesky factors without threads.

OpenBLAS computes what is large with threads. Then the last bits depend on how many there are, and
on a busy machine their meeting takes far longer than the work: a step of microseconds becomes one
of many milliseconds. So everything is cut into parts that are too small for it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.linalg import lapack

from core.bandits.base import Floats

_MULTIPLICATIONS: Final = 200_000
"""In one product of matrices; OpenBLAS takes threads from 64³ = 262,144 on."""
_ROWS: Final = 64
"""Of a matrix that LAPACK gets. Only dpotrf and dtrtri are used: others start threads always."""


def product(A: Floats, B: Floats) -> Floats:
    """``A @ B`` of two matrices."""
    rows = max(1, _MULTIPLICATIONS // B.size)
    if rows >= len(A):
        return A @ B
    return np.concatenate([A[i : i + rows] @ B for i in range(0, len(A), rows)])


def apply(A: Floats, x: Floats) -> Floats:
    """``A @ x`` of a matrix and a vector."""
    return np.asarray(np.einsum("ij,j->i", A, x))


def inverse_root(A: Floats) -> Floats:
    """The inverse R of the lower Cholesky factor of ``A``: lower triangular, with RᵀR = A⁻¹.

    Raises ArithmeticError where ``A`` is not positive definite.
    """
    n = len(A)
    if n <= _ROWS:
        L, info = lapack.dpotrf(A, lower=1, clean=1)
        if info != 0:
            raise ArithmeticError(f"no Cholesky factor: the minor of order {info} is not positive")
        return np.asarray(lapack.dtrtri(L, lower=1)[0])
    # By halves: with L = [[L1, 0], [M, L2]], M = A21 R1ᵀ and L2 is the factor of A22 - M Mᵀ.
    half = n // 2
    R = np.zeros((n, n))
    R[:half, :half] = inverse_root(A[:half, :half])
    M = product(A[half:, :half], R[:half, :half].T)
    R[half:, half:] = inverse_root(A[half:, half:] - product(M, M.T))
    R[half:, :half] = -product(product(R[half:, half:], M), R[:half, :half])
    return R
