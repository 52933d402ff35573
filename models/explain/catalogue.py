"""The methods by name: what each shows, what it needs, its parameters with their bounds. Loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from models.errors import InvalidParameter, UnknownMethod

Shows = Literal["reasons", "features"]
Kind = Literal["map", "pixels", "maps", "filters", "image"]
"""What `values` are. map: (h, w), at a layer's or the photograph's resolution. pixels: (3, H, W) or (1, H, W), signed, per
pixel and colour. maps: (C, h, w), one per channel. filters: (N, C, kh, kw). image: (H, W, 3), a picture in 0..1."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method; `choices` or bounds say what it takes. `text` values are read by the method itself."""

    name: str
    kind: Literal["int", "float", "choice", "text"]
    default: Any
    what: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> Any:
        """A value as it came, text or number -> its own type. Raises InvalidParameter naming what it takes."""
        if self.kind == "text":
            return str(value)[:200]
        if self.kind == "choice":
            if value not in self.choices:
                raise InvalidParameter(
                    f"{self.name} is {str(value)[:50]!r}; choose one of: {', '.join(self.choices)}.", valid=list(self.choices)
                )
            return value
        try:
            number = int(value) if self.kind == "int" else float(value)
        except (TypeError, ValueError):
            number = None
        if number is None or not (self.least is None or number >= self.least) or not (self.most is None or number <= self.most):
            raise InvalidParameter(
                f"{self.name} is {str(value)[:50]!r}; it takes {'a whole number' if self.kind == 'int' else 'a number'} "
                f"from {self.least:g} to {self.most:g}.",
                least=self.least,
                most=self.most,
            )
        return number

    def to_json(self) -> dict[str, Any]:
        bounds = {"choices": list(self.choices)} if self.kind == "choice" else {"least": self.least, "most": self.most}
        return {"name": self.name, "kind": self.kind, "default": self.default, **bounds, "what": self.what}


@dataclass(frozen=True, slots=True)
class Method:
    """One method. `layers`: none, maps (any layer that gives maps) or convolutions."""

    name: str
    shows: Shows
    kind: Kind
    what: str
    source: str
    """Where the method was published."""
    photograph: bool = True
    target: bool = True
    """Whether it explains one grade."""
    layers: Literal["none", "maps", "convolutions"] = "none"
    deadline_s: float = 20.0
    parameters: tuple[Parameter, ...] = ()

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, the given ones read and checked, the others at their defaults. Raises InvalidParameter."""
        known = {parameter.name: parameter for parameter in self.parameters}
        if unknown := [name for name in given if name not in known]:
            raise InvalidParameter(
                f"{self.name} has no parameter {unknown[0][:50]!r}; it has: {', '.join(known) or 'none'}.", valid=list(known)
            )
        return {name: p.read(given[name]) if name in given else p.default for name, p in known.items()}


_SEED: Final = Parameter("seed", "int", 0, "of the random numbers", 0, 2**31 - 1)
_FILL: Final = ("belt", "black", "grey", "white")
_FRAMES: Final = Parameter("frames", "int", 0, "pictures kept along the way, for the scrubber", 0, 60)
_JITTER: Final = Parameter("jitter_px", "int", 4, "random shift before each step, taken back after it", 0, 64)
_SIZE: Final = Parameter("size_px", "int", 0, "side of the picture; 0: that of the network's input", 0, 320)

_ALL: Final = (
    Method(
        "cam",
        "reasons",
        "map",
        "what each place adds to the grade's logit, exactly, from the served graph",
        "Zhou et al. 2016; HiResCAM, Draelos and Carin 2020",
        deadline_s=2.0,
    ),
    Method(
        "contrastive_cam",
        "reasons",
        "map",
        "why this grade and not the runner-up: the difference of their maps",
        "difference of two class activation maps (Zhou et al. 2016)",
        deadline_s=2.0,
        parameters=(Parameter("against", "text", "", "the other grade; empty: the runner-up"),),
    ),
    Method(
        "grad_cam",
        "reasons",
        "map",
        "maps of a layer, weighted by the mean gradient of the logit",
        "Selvaraju et al. 2017",
        layers="maps",
        deadline_s=2.0,
    ),
    Method(
        "grad_cam_pp",
        "reasons",
        "map",
        "Grad-CAM that weights each place by its own share",
        "Chattopadhyay et al. 2018",
        layers="maps",
        deadline_s=2.0,
    ),
    Method(
        "layer_cam",
        "reasons",
        "map",
        "maps of a layer, each place weighted by its own gradient",
        "Jiang et al. 2021",
        layers="maps",
        deadline_s=2.0,
    ),
    Method("saliency", "reasons", "map", "how much the logit moves when a pixel does", "Simonyan et al. 2014"),
    Method(
        "smooth_grad",
        "reasons",
        "map",
        "saliency, averaged over noisy copies",
        "Smilkov et al. 2017",
        parameters=(
            Parameter("samples", "int", 50, "noisy copies", 1, 200),
            Parameter("sigma", "float", 0.15, "standard deviation of the noise, of a range of 1", 0.0, 0.5),
            _SEED,
        ),
    ),
    Method(
        "integrated_gradients",
        "reasons",
        "map",
        "gradients summed on the way from an empty picture; they add up",
        "Sundararajan et al. 2017",
        parameters=(
            Parameter("steps", "int", 128, "points on the way; doubled until the sum is within 1 %", 8, 1024),
            Parameter("baseline", "choice", "belt", "where the way begins", choices=_FILL),
        ),
    ),
    Method(
        "guided_backprop",
        "features",
        "pixels",
        "gradient that only passes where it and the activation are positive",
        "Springenberg et al. 2015",
    ),
    Method(
        "guided_grad_cam",
        "features",
        "pixels",
        "guided backprop inside the Grad-CAM of a layer",
        "Selvaraju et al. 2017",
        layers="maps",
    ),
    Method(
        "occlusion",
        "reasons",
        "map",
        "how much the logit falls when a window is hidden",
        "Zeiler and Fergus 2014",
        parameters=(
            Parameter("window_px", "int", 0, "side of the window; 0: a quarter of the shorter side", 0, 256),
            Parameter("stride_px", "int", 0, "step of the window; 0: a quarter of the window", 0, 256),
            Parameter("fill", "choice", "belt", "what covers it", choices=_FILL),
        ),
    ),
    Method(
        "deconvolution",
        "features",
        "pixels",
        "one activation, projected back to the pixels it came from",
        "Zeiler and Fergus 2014",
        target=False,
        layers="maps",
        parameters=(
            Parameter("channel", "int", -1, "which map of the layer; -1: the one that is strongest", -1, 4095),
            Parameter("place", "text", "", "row,column in the map; empty: where it is strongest"),
        ),
    ),
    Method(
        "feature_maps", "features", "maps", "what every channel of a layer gave", "LeCun et al. 1998", target=False, layers="maps"
    ),
    Method(
        "filters",
        "features",
        "filters",
        "the weights of a convolution",
        "Krizhevsky et al. 2012",
        photograph=False,
        target=False,
        layers="convolutions",
        deadline_s=2.0,
    ),
    Method(
        "activation_maximization",
        "features",
        "image",
        "a picture that drives a channel as high as it goes",
        "Erhan et al. 2009; Mordvintsev et al. 2015",
        photograph=False,
        target=False,
        layers="maps",
        deadline_s=60.0,
        parameters=(
            Parameter("channel", "int", 0, "which map of the layer", 0, 4095),
            Parameter("channels", "text", "", "two channels, such as 3,17, in place of one"),
            Parameter("neuron", "text", "", "row,column: one place of the map in place of its mean"),
            Parameter("normalization", "choice", "gradient", "of the gradient", choices=("none", "gradient", "laplacian")),
            Parameter("octaves", "int", 1, "sizes of the picture, each 1.4 times the one before", 1, 6),
            Parameter("steps", "int", 20, "for each octave", 0, 200),
            Parameter("step", "float", 1.0, "length of a step, of 255", 0.01, 50.0),
            Parameter("decay", "float", 0.0, "image prior: share of its distance from grey lost each step", 0.0, 0.5),
            Parameter("variation", "float", 0.0, "image prior: weight of the total variation", 0.0, 1.0),
            Parameter("blur_px", "float", 0.0, "image prior: Gaussian blur between steps", 0.0, 4.0),
            _JITTER,
            _SIZE,
            _FRAMES,
            _SEED,
        ),
    ),
    Method(
        "deepdream",
        "features",
        "image",
        "the photograph, with whatever a layer sees in it made stronger",
        "Mordvintsev et al. 2015",
        target=False,
        layers="maps",
        deadline_s=60.0,
        parameters=(
            Parameter("octaves", "int", 4, "sizes of the picture, each 1.4 times the one before", 1, 6),
            Parameter("steps", "int", 10, "for each octave", 0, 50),
            Parameter("step", "float", 1.5, "length of a step, of 255", 0.01, 50.0),
            _JITTER,
            _SIZE,
            _FRAMES,
            _SEED,
        ),
    ),
)
METHODS: Final[Mapping[str, Method]] = {method.name: method for method in _ALL}


def method_of(name: str) -> Method:
    """Raises UnknownMethod naming the known ones."""
    if name not in METHODS:
        raise UnknownMethod(name, list(METHODS))
    return METHODS[name]
