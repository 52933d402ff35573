"""Encoded photographs -> what a worker is sent of them."""

from models.explain.placement import Placement
from models.imaging import ImageLimits, decode, read_header
from models.preprocess import PreprocessSpec
from service.explain.jobs import Subject


def subject_of(spec: PreprocessSpec, data: bytes, limits: ImageLimits, enlarged_px: int = 0) -> Subject:
    """The photograph exactly as a grading prepares it. `enlarged_px` above 0 also prepares it with its longer side that long.

    Raises EmptyBody, UndecodableImage, TooManyPixels.
    """
    header = read_header(data, limits)
    pixels = decode(data, header, spec.decode_size(header.width, header.height))
    placement = Placement.of(spec, header.width, header.height, (pixels.shape[1], pixels.shape[0]))
    enlarged = None
    if enlarged_px:
        factor = enlarged_px / max(spec.width, spec.height)
        size = {"width": max(8, round(spec.width * factor)), "height": max(8, round(spec.height * factor))}
        enlarged = spec.model_copy(update=size).from_bytes(data, limits)
    return Subject(spec.from_pixels(pixels), placement, enlarged)
