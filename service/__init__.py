"""Photographs -> decisions on record. Never imports training; torch is unreachable from a request."""
