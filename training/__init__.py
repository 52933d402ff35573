"""Labelled images -> a model worth publishing. Never imports the service."""
