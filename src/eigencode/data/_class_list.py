"""The classes of a network in the order of its outputs, to which the folders of images are mapped by name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eigencode.base.errors import DataError, InputError, nearest
from eigencode.base.reading import reading

Names = Sequence[tuple[str, ...]]
"""For every output the names of its class."""


EXAMPLE = "the names themselves, e.g. classes='cat,dog' (--classes cat,dog)"


def class_list(given: Any) -> Names:
    """Names per output from a list, a mapping, a text with commas, or a file of such.

    Args:
        given: names in the order of the outputs, several of one class in a list; `{name: output}` (`class_to_idx` of
            torchvision) or `{output: name or names}` (`imagenet_class_index.json`); a path of a JSON file of these, or
            of a text file with one name per line.

    Raises:
        InputError: no names, or two classes of one name.
        DataError: a file that cannot be read.

    >>> class_list("cat, dog"), class_list({"1": ["n02", "dog"], "0": ["n01", "cat"]})
    ([('cat',), ('dog',)], [('n01', 'cat'), ('n02', 'dog')])
    """
    if isinstance(given, str | Path):
        given = _read(str(given))
    if isinstance(given, Mapping):
        given = _by_number(given)
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError("not a list of classes", got=type(given).__name__, wanted="names in the order of the outputs")
    names = [tuple(map(str, one)) if isinstance(one, list | tuple) else (str(one),) for one in given]
    once = [name for several in names for name in dict.fromkeys(several)]
    twice = sorted({name for name in once if once.count(name) > 1}) if len(set(once)) < len(once) else []
    firsts = [several[0] for several in names if several]
    if len(firsts) < 2 or len(firsts) < len(names) or len(set(firsts)) < len(firsts):
        got = f"{len(names)} classes{f', twice: {twice[:5]}' if twice else ''}"
        raise InputError("not a list of classes", got=got, wanted="two or more, each with a name of its own")
    return [tuple(name for name in several if name not in twice or name == several[0]) for several in names]


def numbers(folder: Path, folders: Sequence[str], names: Names) -> list[int]:
    """The output of every folder; `DataError` for a folder that is none of the classes."""
    known = {name: number for number, several in enumerate(names) for name in several}
    wrong = [name for name in folders if name not in known]
    if wrong:
        raise DataError(
            f"{folder}: folders that are no class of the network",
            got=", ".join(wrong[:5]),
            wanted=f"names of the {len(names)} classes",
            fix=nearest(wrong[0], list(known))
            if len(known) <= 30
            else f"rename the folder, or list {wrong[0]!r} beside the name of its class: classes=[..., "
            f"[name, {wrong[0]!r}], ...], or the same in --classes FILE.json",
        )
    return [known[name] for name in folders]


def _by_number(given: Mapping[Any, Any]) -> list[Any]:
    keys = list(given)
    pairs = (
        [(int(key), given[key]) for key in keys]
        if all(str(key).isdecimal() for key in keys)
        else [(int(given[key]), str(key)) for key in keys if str(given[key]).isdecimal()]
    )
    if sorted(number for number, _ in pairs) != list(range(len(keys))):
        raise InputError(
            "the classes are not numbered from 0", got=f"{len(keys)} classes", wanted="0 .. k-1, each once"
        )
    return [name for _, name in sorted(pairs, key=lambda pair: pair[0])]


def _read(text: str) -> Any:
    path = Path(text).expanduser()
    if "," in text and not path.is_file():
        return [name.strip() for name in text.split(",")]
    if not path.is_file():
        raise DataError(f"{path}: no such file of classes", wanted="a file, or names with commas", fix=EXAMPLE)
    with reading(f"{path}: the classes cannot be read", wanted="JSON, or a name per line"):
        content = path.read_text(encoding="utf-8")
        return json.loads(content) if path.suffix == ".json" else [n.strip() for n in content.splitlines() if n.strip()]
