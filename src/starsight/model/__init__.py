"""The network: a pretrained backbone, the paper's attention layer, and stars."""
