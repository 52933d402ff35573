"""Settings for every test."""

import os

# Before anything imports torch: on a busy machine two OpenMP threads that wait for each other cost far more than they gain.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["tests.databases"]
