"""Level 1: images to measure on, recorded responses, and responses with a known spectrum.

A new data set is one file with a `DataSet` and one entry in the table of `catalogue.py`.
"""

from eigencode.data.catalogue import Available, available, fetch, load
from eigencode.data.crops import photograph_crops
from eigencode.data.folder import read_folder
from eigencode.data.noise import gaussian_noise
from eigencode.data.preprocess import prepared
from eigencode.data.recordings import Recording, read_recording
from eigencode.data.synthetic import PlantedCode, random_basis, relu_covariance

__all__ = [
    "load",
    "fetch",
    "available",
    "Available",
    "read_folder",
    "photograph_crops",
    "gaussian_noise",
    "read_recording",
    "Recording",
    "prepared",
    "PlantedCode",
    "random_basis",
    "relu_covariance",
]
