"""Folders of suite2p: the frames of each presentation, which a file of the user's names, are averaged."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from eigencode.base.errors import DataError
from eigencode.base.reading import CUT_OFF, reading
from eigencode.formats._numpy import numpy_file
from eigencode.formats.stored import Stored, once

TRACES = ("spks", "F", "Fneu")
FRAMES = "frames.npy"


@dataclass(frozen=True)
class Suite2p:
    """A folder: `spks.npy`, `F.npy`, `Fneu.npy` (cells x frames), `iscell.npy`, and what was shown when."""

    path: Path

    @property
    def files(self) -> list[Path]:
        """The files that are read, without those of pickled objects."""
        return sorted(p for p in self.path.glob("*.npy") if p.stem not in ("ops", "stat"))

    def arrays(self) -> dict[str, Stored]:
        """Responses by trace, `presentation x unit`: means over the frames of a presentation, of the cells.

        `frames.npy` holds the frames of each presentation, from 0, `presentations` or `presentations x frames`.  Other
        files in the folder are read by name, such as the labels in `stimuli.npy`.
        """
        stored = {p.stem: numpy_file(p)["array"] for p in self.files}
        traces = [name for name in TRACES if name in stored]
        if not traces or "frames" not in stored:
            make = f"np.save({str(self.path / FRAMES)!r}, start[:, None] + np.arange(2)); "
            make += f"np.save({str(self.path / 'stimuli.npy')!r}, labels), for two frames from each start on"
            planes = sorted(p.parent for depth in ("*", "*/*") for p in self.path.glob(f"{depth}/{TRACES[0]}.npy"))
            raise DataError(
                f"{self.path}: not a folder of suite2p with the frames of each presentation",
                got=", ".join(p.name for p in self.files) or "no .npy files",
                wanted=f"spks.npy or F.npy, {FRAMES} (presentations x frames), and the labels in stimuli.npy",
                fix=f"read the folder of one plane, {planes[0]}" if planes and not traces else make,
            )
        frames = self._whole("frames", stored["frames"].read())
        frames = frames[:, None] if frames.ndim == 1 else frames
        shape, found = stored[traces[0]].shape, {}
        for name in traces:
            if len(shape) != 2 or stored[name].shape != shape:
                got = f"{name}.npy: {stored[name]}"
                raise DataError(f"{self.path}: traces of another shape", got=got, wanted="cells x frames")
        if frames.ndim != 2 or not frames.size or frames.min() < 0 or frames.max() >= shape[1]:
            got = f"shape {frames.shape}" + (f", {frames.min()} to {frames.max()}" if frames.size else "")
            wanted = f"whole numbers from 0 to {shape[1] - 1}, presentations x frames"
            raise DataError(f"{self.path / FRAMES} does not number the frames", got=got, wanted=wanted)
        cells = self._cells(stored, shape[0])
        for name in traces:
            read, axes = once(partial(self._means, name, frames, cells)), ("presentation", "unit")
            found[name] = Stored((len(frames), int(cells.sum())), "float32", stored[name].numeric, read, axes)
        return {**found, **{n: a for n, a in stored.items() if n not in (*TRACES, "frames", "iscell")}}

    def _whole(self, name: str, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind not in "iuf" or not bool((np.mod(values, 1) == 0).all()):
            raise DataError(f"{self.path / name}.npy does not hold whole numbers", got=values.dtype)
        return values.astype(np.int64)

    def _cells(self, stored: dict[str, Stored], regions: int) -> np.ndarray:
        """Mask of the cells, by the first column of `iscell.npy`; all without that file."""
        if "iscell" not in stored:
            return np.ones(regions, bool)
        marks = stored["iscell"].read()
        marks = marks[:, 0] if marks.ndim == 2 and marks.shape[1] else marks
        if marks.shape != (regions,) or marks.dtype.kind not in "biuf":
            got, wanted = f"{marks.shape}, {marks.dtype}", f"{regions} regions, 1 for cells"
            raise DataError(f"{self.path / 'iscell.npy'} does not mark the cells", got=got, wanted=wanted)
        return np.asarray(marks > 0)

    def _means(self, name: str, frames: np.ndarray, cells: np.ndarray) -> np.ndarray:
        file = self.path / f"{name}.npy"
        with reading(f"{file}: the file cannot be read", fix=CUT_OFF):
            trace = np.load(file, mmap_mode="r")
            total = np.zeros((len(frames), int(cells.sum())))
            for column in frames.T:
                total += trace[:, column][cells].T
            return np.asarray(total / frames.shape[1], np.result_type(trace.dtype, np.float32))
