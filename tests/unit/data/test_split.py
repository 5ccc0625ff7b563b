"""The split: a partition, stratified, the same everywhere, stable when files are added."""

import hashlib

from hypothesis import given, strategies as st

from eigencode.data._split import stratified_split


@given(st.lists(st.integers(2, 30), min_size=1, max_size=5), st.floats(0.05, 0.95), st.integers(0, 3))
def test_a_stratified_partition(sizes: list[int], fraction: float, seed: int) -> None:
    labels = [c for c, n in enumerate(sizes) for _ in range(n)]
    train, test = stratified_split(labels, [str(i) for i in range(len(labels))], fraction, seed)
    assert sorted(train + test) == list(range(len(labels)))
    for c, n in enumerate(sizes):
        share = sum(labels[i] == c for i in test)
        assert 1 <= share <= n - 1
        assert share in (round(fraction * n), 1, n - 1)


def test_choice_and_order_are_those_of_the_hashes() -> None:
    keys = ["a", "b", "c", "d", "e", "f"]

    def by(purpose: str, index: list[int]) -> list[int]:
        return sorted(index, key=lambda i: hashlib.sha256(f"{purpose} 7:{keys[i]}".encode()).hexdigest())

    chosen = by("choice", list(range(6)))
    expected = by("order", chosen[3:]), by("order", chosen[:3])
    assert stratified_split([0] * 6, keys, 0.5, seed=7) == expected


def test_no_class_is_late_in_either_part() -> None:
    """The mean position of every class is that of the whole list, within four standard errors."""
    labels = [i // 400 for i in range(4000)]
    for part in stratified_split(labels, [str(i) for i in range(4000)], 0.3):
        for c in range(10):
            places = [place for place, i in enumerate(part) if labels[i] == c]
            mean = sum(places) / len(places) / len(part)
            assert abs(mean - 0.5) < 4 * (1 / 12 / len(places)) ** 0.5


def test_the_order_of_the_arguments_does_not_matter() -> None:
    keys, labels = [str(i) for i in range(20)], [i % 2 for i in range(20)]
    _, test = stratified_split(labels, keys, 0.3)
    _, back = stratified_split(labels[::-1], keys[::-1], 0.3)
    assert [keys[i] for i in test] == [keys[::-1][i] for i in back]


def test_another_seed_is_another_split() -> None:
    keys = [str(i) for i in range(40)]
    assert stratified_split([0] * 40, keys, 0.5, 0) != stratified_split([0] * 40, keys, 0.5, 1)
