"""Speed of the product beside the straightforward way, in one run on one machine."""
