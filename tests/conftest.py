"""Settings for every test."""

import os

import hypothesis

# Before anything imports torch: on a busy machine two OpenMP threads that wait for each other cost far more than they gain.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# An example that another process kept waiting is not too slow: tests have a time limit, their examples none.
hypothesis.settings.register_profile("senka", deadline=None)
hypothesis.settings.load_profile("senka")

pytest_plugins = ["tests.alone", "tests.databases"]
