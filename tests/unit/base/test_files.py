"""Files are complete or what they were before."""

from pathlib import Path

import pytest
import torch

from eigencode.base.durable import replacing
from eigencode.base.files import sha256


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_error_while_writing_leaves_what_was_there(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_text("before")

    def fails() -> None:
        with replacing(path) as part:
            if kind == "folder":
                part.mkdir()
            (part / "a" if kind == "folder" else part).write_text("half of")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_with_all_of_its_files(tmp_path: Path) -> None:
    with replacing(tmp_path / "new") as part:
        (part / "deep").mkdir(parents=True)
        (part / "deep" / "a").write_text("all of it")
        assert not (tmp_path / "new").exists()
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("a")] == ["new/deep/a"]


def test_the_hash_is_that_of_the_bytes() -> None:
    """`printf 'ab\\x01\\x00\\x02\\x00' | sha256sum`, whatever the layout in memory; one number has no axis."""
    known = "1b0196e6205d57cc6605d9a19ec186b6951a88d86ae7fd977dcd46029dc40570"
    x = torch.tensor([[1, 9], [2, 9]], dtype=torch.int16)
    assert sha256("ab", x[:, 0]) == known
    assert sha256(torch.tensor(1, dtype=torch.int16)) == sha256(x[:1, 0])
