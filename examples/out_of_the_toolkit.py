"""From a search to C: search, train the winner, write it as C99, compile that, and ask both for the test images.

    python examples/out_of_the_toolkit.py [OUT] [RUN] [EPOCHS]

OUT is a new folder; RUN takes the place of the search. Needs a C compiler: $CC, or else cc.
"""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import evobnn

given = dict(enumerate(sys.argv))
out = Path(given.get(1, "populations/to-c")).resolve()
run = evobnn.load_run(given[2]) if 2 in given else evobnn.search("mnist5k", generations=3, seed=1, out=out / "run")
best = run.front().sort_values("error_rescored").iloc[0]

recipe = {"recipe": "small", "epochs": int(given.get(3, 12)), "threads": 1, "all_images": True}
training = evobnn.train(run, best.id, **recipe, settings={"dataset.train_limit": 0}, out=out / "training")
network, test = training.network(), training.test_images()

c = evobnn.export(training, to=["c", "bits"], out=out / "c")
compiler = [*os.environ.get("CC", "cc").split(), "-std=c99", "-O3", "-march=native", "-shared", "-fPIC"]
subprocess.run([*compiler, "-o", c.folder / "model.so", c.folder / "model.c", "-lm"], check=True)

model, logits = ctypes.CDLL(str(c.folder / "model.so")), np.empty((len(test), len(test.class_names)), np.float32)
began = time.process_time()
for image, row in zip(test.images, logits, strict=True):
    model.evobnn_run(image.ctypes, row.ctypes)  # uint8 in, floats out
milliseconds = 1000 * (time.process_time() - began) / len(test)
same = (logits.argmax(1) == network.predict(test.images)).sum()
print(f"right: {(logits.argmax(1) == test.labels).mean():.2%}; PyTorch's class: {same:,} of {len(test):,} images")
print(f"{c.flash:,} bytes of constants, {c.ram:,} bytes of memory, {milliseconds:.2f} ms of one core an image")
