"""Gram matrices and eigenvalues against torch's own routines."""

import pytest
import torch
from torch import Tensor

from eigencode.base.symmetric import eigenvalues, eigenvectors, gram


def draw(samples: int, units: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(samples, units, dtype=dtype, generator=torch.Generator().manual_seed(units))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("samples", "units"), [(1, 1), (40, 7), (7, 40), (300, 257)])
def test_gram_is_the_product(samples: int, units: int, dtype: torch.dtype) -> None:
    z = draw(samples, units, dtype)
    found = gram(z)
    rounding = 20 * samples**0.5 * torch.finfo(dtype).eps
    torch.testing.assert_close(found, z.T @ z, rtol=0, atol=rounding * float(z.square().max()))
    torch.testing.assert_close(found, found.T, rtol=0, atol=0)
    assert found.dtype == dtype


def test_gram_of_a_transposed_and_of_a_strided_matrix() -> None:
    z = draw(30, 20)
    torch.testing.assert_close(gram(z.T), z @ z.T)
    torch.testing.assert_close(gram(z[::2, ::3]), z[::2, ::3].T @ z[::2, ::3])


@pytest.mark.parametrize("n", [1, 2, 33, 130])
def test_eigenvalues_descend_and_belong_to_their_vectors(n: int) -> None:
    matrix = gram(draw(n + 3, n))
    values, vectors = eigenvectors(matrix)
    torch.testing.assert_close(values, torch.linalg.eigvalsh(matrix).flip(0))
    torch.testing.assert_close(eigenvalues(matrix), values)
    torch.testing.assert_close(matrix @ vectors, vectors * values)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(n, dtype=torch.float64))


def test_the_argument_is_left_alone() -> None:
    z = draw(10, 5).requires_grad_()
    kept = z.detach().clone()
    matrix = gram(z)
    before = matrix.clone()
    eigenvalues(matrix)
    eigenvectors(matrix)
    torch.testing.assert_close(matrix, before, rtol=0, atol=0)
    torch.testing.assert_close(z.detach(), kept, rtol=0, atol=0)
    assert not matrix.requires_grad
