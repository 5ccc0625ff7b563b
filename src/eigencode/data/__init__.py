"""Level 1: images to measure on, recorded responses, and responses with a known spectrum.

A new data set is one file with a `DataSet` and one entry in the table of `catalogue.py`.
"""

from eigencode.data.catalogue import (
    Available as Available,
    available as available,
    fetch as fetch,
    load as load,
)
from eigencode.data.crops import photograph_crops as photograph_crops
from eigencode.data.folder import read_folder as read_folder
from eigencode.data.noise import gaussian_noise as gaussian_noise
from eigencode.data.preprocess import prepared as prepared
from eigencode.data.recording_files import read_recording as read_recording
from eigencode.data.recordings import Recording as Recording
from eigencode.data.synthetic import (
    PlantedCode as PlantedCode,
    random_basis as random_basis,
    repu_covariance as repu_covariance,
)
