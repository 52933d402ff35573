"""Fixtures that pytest finds by name."""

from tests.browser import browser as browser
from tests.browser import page as page
