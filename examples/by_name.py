"""`python examples/by_name.py resnet18 [--pretrained]`: spectra of a network of timm or torchvision.

The images are crops of photographs that come with eigencode; for your own, `--data folder:PATH`.
"""

import argparse
import importlib

from torch import nn

import eigencode as ec


def network(name: str, pretrained: bool) -> nn.Module:
    """The network of this name, with its normalisation; of timm where that is installed, else of torchvision."""
    try:
        net = importlib.import_module("timm").create_model(name, pretrained=pretrained)
        mean, std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]
    except ImportError:
        try:
            models = importlib.import_module("torchvision.models")
        except ImportError:
            raise SystemExit("skipped: neither timm nor torchvision is installed (pip install timm)") from None
        net = models.get_model(name, weights="DEFAULT" if pretrained else None)
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as in all networks of torchvision
    return ec.models.Standardised(net, mean, std)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="resnet18")
    parser.add_argument("--pretrained", action="store_true", help="download its weights; untrained otherwise")
    parser.add_argument("--data", default="crops")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--places", default="*layer?", help="names of submodules, with * and ?")
    chosen = parser.parse_args()
    _, test = ec.load(chosen.data)
    print(ec.profile(network(chosen.name, chosen.pretrained), test.x[: chosen.images], places=chosen.places))
