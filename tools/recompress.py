"""`python -m tools.recompress FOLDER TARGET [--quality 75] [--shift 4]`: a copy of CIFAR-10, every image through JPEG.

The 8 x 8 grid of the compression is shifted by some pixels, so that images which were compressed before lose about as
much again.  FOLDER and TARGET hold `cifar10/cifar-10-batches-bin`, as `--data-dir` of a study.  Prints the root mean
square of the change of a pixel.
"""

import argparse
import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, PLACE = 32, "cifar10/cifar-10-batches-bin"


def recompressed(image: np.ndarray, quality: int, shift: int) -> np.ndarray:
    """One image, 3 x 32 x 32 of uint8, through JPEG, with edges repeated around it so that the grid begins earlier."""
    around = np.pad(image.transpose(1, 2, 0), ((shift, 8 - shift), (shift, 8 - shift), (0, 0)), mode="edge")
    file = io.BytesIO()
    Image.fromarray(around).save(file, "JPEG", quality=quality)
    found = np.asarray(Image.open(file).convert("RGB"))
    return found[shift : shift + SIDE, shift : shift + SIDE].transpose(2, 0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--shift", type=int, default=4, choices=range(8))
    chosen = parser.parse_args()
    (chosen.target / PLACE).mkdir(parents=True)
    change: list[float] = []
    for file in sorted((chosen.folder / PLACE).iterdir()):
        if file.suffix != ".bin":
            shutil.copy(file, chosen.target / PLACE)
            continue
        records = np.fromfile(file, np.uint8).reshape(-1, 1 + 3 * SIDE * SIDE)
        for record in records:
            before = record[1:].reshape(3, SIDE, SIDE)
            after = recompressed(before, chosen.quality, chosen.shift)
            change.append(float(((after.astype(float) - before) ** 2).mean()))
            record[1:] = after.ravel()
        records.tofile(chosen.target / PLACE / file.name)
    print(f"root mean square change of a pixel: {np.mean(change) ** 0.5:.2f} of 255")


if __name__ == "__main__":
    main()
