"""`/v1/cameras`: who sends photographs, and from which line."""

from service.api.places import place_routes
from service.api.resource_schemas import CameraChange, CameraIn, CameraOut, CamerasPage
from service.records.resources import CAMERA

router = place_routes(CAMERA, CamerasPage, CameraOut, CameraIn, CameraChange)
