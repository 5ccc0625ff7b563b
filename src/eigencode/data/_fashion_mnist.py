"""Fashion-MNIST: 70 000 articles of clothing of 28 x 28 grey pixels.

H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms,
arXiv 1708.07747 (2017).
"""

from eigencode.data._idx import idx_data_set

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")

FILES = {
    "train-images-idx3-ubyte.gz": (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    "train-labels-idx1-ubyte.gz": (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    "t10k-images-idx3-ubyte.gz": (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    "t10k-labels-idx1-ubyte.gz": (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
}
"""Size and SHA-256, from TensorFlow Datasets (url_checksums/fashion_mnist.txt); the authors' README gives
the MD5 of the same files."""


MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
)

FASHION_MNIST = idx_data_set(
    "fashion_mnist", "FashionMNIST", CLASSES, "Xiao et al. 2017, arXiv 1708.07747, IDX files", MIRRORS, FILES
)
