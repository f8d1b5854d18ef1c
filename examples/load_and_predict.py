"""Load a trained network and ask it.

    python examples/load_and_predict.py TRAINING [IMAGES.npy]

TRAINING is a folder that `evobnn train` made; IMAGES.npy holds uint8 images of shape (N, C, H, W).
"""

import sys

import numpy as np

import evobnn

folder = sys.argv[1] if len(sys.argv) > 1 else "populations/train-digits-1"
network = evobnn.load_network(folder)
print("genome", network.genome)
print("images", network.shape, "classes", network.class_names)
print("normalisation (image - mean) / deviation:", network.mean.tolist(), network.deviation.tolist())
if network.result:
    print("test error", network.result["test_error"]["mean"])

if len(sys.argv) > 2:
    images = np.load(sys.argv[2])
else:
    images = np.random.default_rng(0).integers(0, 256, (3, *network.shape), dtype=np.uint8)

logits = network(images)  # a tensor (N, classes), with gradients
print("logits", tuple(logits.shape))
print("classes", network.predict(images))
print("names", network.predict(images, names=True))
