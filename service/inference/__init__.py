"""The network behind the service: sessions, batches, and the swap from one model to the next."""
