"""Retraining: from labelled batches to a model that the gate lets through, and published.

intake -> new, earlier, held out -> fine-tuned from the champion, and from scratch where much changed -> the better one -> gate ->
challenger -> champion. Each stage leaves its result on disk, so that a retraining that was killed goes on where it stopped; the
champion is not touched before the last step.
"""

from training.retrain.run import retrain

__all__ = ["retrain"]
