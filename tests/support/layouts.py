"""Small recordings in the layouts of suite2p and NWB."""

from pathlib import Path

import h5py
import numpy as np


def write_suite2p(folder: Path, x: np.ndarray, labels: np.ndarray, each: int = 2) -> Path:
    """A folder of suite2p: every presentation takes `each` frames, one frame apart; three regions are no cells."""
    folder.mkdir()
    rows, units = x.shape
    start = 3 + (each + 1) * np.arange(rows)
    draw = np.random.default_rng(0)
    cells = np.ones(units + 3, bool)
    cells[[0, 5, units]] = False
    spks = draw.gamma(1.0, size=(units + 3, start[-1] + each + 4)).astype(np.float32)
    for frame in range(each):
        spks[cells, start[:, None] + frame] = x + (frame - (each - 1) / 2)  # the mean of the frames is x
    np.save(folder / "spks.npy", spks)
    np.save(folder / "F.npy", 2 * spks)
    np.save(folder / "iscell.npy", np.stack([cells, draw.random(units + 3)], 1))
    np.save(folder / "stat.npy", np.array([{"npix": 3}], object))
    frames = start[:, None] + np.arange(each)
    np.save(folder / "frames.npy", frames if each > 1 else frames[:, 0])
    np.save(folder / "stimuli.npy", labels)
    return folder


def write_nwb(path: Path, x: np.ndarray, labels: np.ndarray, where: str = "processing") -> Path:
    """An NWB file as pynwb writes it: the responses in a time series or in the table of units or of trials."""
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        file["identifier"] = "x"
        trials = file.create_group("intervals/trials")
        trials.attrs["neurodata_type"] = "TimeIntervals"
        trials["id"] = np.arange(len(x))
        trials["start_time"] = np.arange(len(x)) * 1.5
        trials["stop_time"] = np.arange(len(x)) * 1.5 + 1
        words = labels.dtype.kind == "U"
        trials.create_dataset("stimulus", data=labels.astype(h5py.string_dtype()) if words else labels)
        units = file.create_group("units")
        units["id"] = np.arange(x.shape[1])
        units["spike_times"] = np.sort(np.random.default_rng(0).random(200))
        units["spike_times_index"] = np.linspace(1, 200, x.shape[1]).astype(int)
        if where == "units":
            units["responses"] = x.T
        elif where == "trials":
            trials["responses"] = x
        elif where != "spikes":
            series = file.create_group("processing/ophys/responses" if where == "processing" else "acquisition/traces")
            series.attrs["neurodata_type"] = "TimeSeries"
            series["data"] = x if where == "processing" else np.repeat(x, 3, 0)
            series["timestamps"] = np.arange(len(series["data"])) / 2.0
    return path
