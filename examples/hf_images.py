"""`python examples/hf_images.py [NAME]`: the spectrum of images of Hugging Face `datasets`, and of a network on them.

NAME is a data set of the hub, such as uoft-cs/cifar10, and is downloaded.  Without it, a small data set is made of the
digits that come with eigencode.
"""

import argparse
from typing import Any

import eigencode as ec

try:
    import datasets
except ImportError:
    raise SystemExit("skipped: Hugging Face datasets is not installed (pip install datasets)") from None


def digits() -> Any:
    """The bundled digits as a data set of pictures with labels."""
    from PIL import Image

    _, test = ec.load("digits")
    pictures = [Image.fromarray(x.mul(255).byte().numpy()[0]) for x in test.x]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(num_classes=10)})
    return datasets.Dataset.from_dict({"image": pictures, "label": test.y.tolist()}, features=features)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?")
    parser.add_argument("--split", default="test")
    parser.add_argument("--image", default="image", help="column of the pictures, all of one size")
    parser.add_argument("--label", default="label", help="column of the classes")
    parser.add_argument("--images", type=int, default=2000, help="only the first ones")
    chosen = parser.parse_args()
    source = datasets.load_dataset(chosen.name, split=chosen.split) if chosen.name else digits()
    rows = source.with_format("torch")[: chosen.images]  # uint8, N C H W
    images = ec.Images(rows[chosen.image], rows[chosen.label], name=chosen.name or "digits")
    print(images)
    print("pixels:", ec.spectrum(images.x.flatten(1)).power_law(window=(2, 20)))
    net = ec.models.perceptron(images, units=50)
    ec.train_supervised(net, images, epochs=5)
    print("hidden:", ec.spectrum(ec.at(net, "latent"), images.x).power_law(window=(2, 20)))
