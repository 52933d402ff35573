"""`/v1/growers`: whose lots they are."""

from service.api.places import place_routes
from service.api.resource_schemas import GrowerChange, GrowerIn, GrowerOut, GrowersPage
from service.records.resources import GROWER

router = place_routes(GROWER, GrowersPage, GrowerOut, GrowerIn, GrowerChange)
