"""`/v1/lines`: sorting lines, and which lot runs on each now."""

from service.api.places import place_routes
from service.api.resource_schemas import LineChange, LineIn, LineOut, LinesPage
from service.records.resources import LINE

router = place_routes(LINE, LinesPage, LineOut, LineIn, LineChange)
