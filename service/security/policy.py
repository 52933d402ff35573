"""Who may call what: one table for every route of the service.

The guard asks here before anything of a request is read. A route that the table lacks is refused to everybody, and a test
compares the table with the routes there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from re import Pattern
from typing import Final

from starlette.routing import compile_path

from service.security.principal import Role


@dataclass(frozen=True, slots=True)
class Access:
    """The roles that may call a route; with `everybody`, people of whom nothing is known too.

    `asks` is False where nobody even looks at credentials. `posts` marks what costs a grading, `names_camera` what takes a
    camera's name, which a key may not choose freely. `own_csrf`: the route itself checks the token, out of a form.
    """

    roles: frozenset[Role] = frozenset()
    everybody: bool = False
    asks: bool = True
    posts: bool = False
    names_camera: bool = False
    own_csrf: bool = False

    def allows(self, role: Role | None) -> bool:
        return self.everybody or role in self.roles


_GRADERS: Final = frozenset({Role.CAMERA, Role.OPERATOR, Role.ADMIN})
PUBLIC: Final = Access(everybody=True, asks=False)
EVERYBODY: Final = Access(everybody=True)
LOG_IN: Final = Access(everybody=True, own_csrf=True)
CREDENTIAL: Final = Access(frozenset(Role))
GRADE: Final = Access(_GRADERS, posts=True, names_camera=True)
INFER: Final = Access(_GRADERS, posts=True)
LOOK: Final = Access(frozenset({Role.VIEWER, Role.OPERATOR, Role.ADMIN}))
OPERATE: Final = Access(frozenset({Role.OPERATOR, Role.ADMIN}))
ADMINISTER: Final = Access(frozenset({Role.ADMIN}))

POLICY: Final[Mapping[tuple[str, str], Access]] = {
    # probes, and what somebody needs who has yet to log in
    ("GET", "/health/live"): PUBLIC,
    ("GET", "/health/ready"): PUBLIC,
    ("GET", "/v2/health/live"): PUBLIC,
    ("GET", "/v2/health/ready"): PUBLIC,
    ("GET", "/static/{path:path}"): PUBLIC,
    ("GET", "/words/{language}/{domain}"): PUBLIC,
    ("GET", "/login"): EVERYBODY,
    ("POST", "/login"): LOG_IN,
    ("POST", "/logout"): LOG_IN,
    ("GET", "/v1/session"): EVERYBODY,
    # cameras, and programs that watch the service with a key
    ("POST", "/v1/grade"): GRADE,
    ("POST", "/v1/frames"): GRADE,
    ("POST", "/v2/models/{name}/infer"): INFER,
    ("POST", "/v2/models/{name}/versions/{number}/infer"): INFER,
    ("GET", "/v2"): CREDENTIAL,
    ("GET", "/v2/models/{name}"): CREDENTIAL,
    ("GET", "/v2/models/{name}/ready"): CREDENTIAL,
    ("GET", "/v2/models/{name}/versions/{number}"): CREDENTIAL,
    ("GET", "/v2/models/{name}/versions/{number}/ready"): CREDENTIAL,
    ("GET", "/metrics"): CREDENTIAL,
    ("GET", "/openapi.json"): CREDENTIAL,
    # pages
    ("GET", "/"): LOOK,
    ("GET", "/review"): LOOK,
    ("GET", "/gradings"): LOOK,
    ("GET", "/gradings/{grading_id}"): LOOK,
    ("GET", "/lots"): LOOK,
    ("GET", "/models"): LOOK,
    ("GET", "/settings"): LOOK,
    ("GET", "/explain"): LOOK,
    ("GET", "/explain/layers"): LOOK,
    ("GET", "/explain/channels"): LOOK,
    ("GET", "/explain/trust"): LOOK,
    ("GET", "/learn"): LOOK,
    ("GET", "/learn/lenet"): LOOK,
    ("GET", "/learn/pooling"): LOOK,
    ("GET", "/learn/errors"): LOOK,
    ("GET", "/learn/architectures"): LOOK,
    ("GET", "/learn/one-by-one"): LOOK,
    ("GET", "/learn/inception"): LOOK,
    ("GET", "/learn/fft"): LOOK,
    # what is on record, and why
    ("GET", "/v1/gradings"): LOOK,
    ("GET", "/v1/gradings/{grading_id}"): LOOK,
    ("GET", "/v1/gradings/{grading_id}/image"): LOOK,
    ("GET", "/v1/gradings/{grading_id}/similar"): LOOK,
    ("GET", "/v1/review"): LOOK,
    ("GET", "/v1/stats"): LOOK,
    ("GET", "/v1/activity"): LOOK,
    ("GET", "/v1/report"): LOOK,
    ("GET", "/v1/farm"): LOOK,
    ("GET", "/v1/events"): LOOK,
    ("GET", "/v1/models"): LOOK,
    ("GET", "/v1/models/shadow"): LOOK,
    ("GET", "/v1/models/{version}"): LOOK,
    ("GET", "/v1/profiles"): LOOK,
    ("GET", "/v1/profiles/{version}"): LOOK,
    ("GET", "/v1/explain/methods"): LOOK,
    ("GET", "/v1/explain/architectures"): LOOK,
    ("GET", "/v1/explain/why/{grading_id}"): LOOK,
    ("GET", "/v1/explain/gallery"): LOOK,
    ("GET", "/v1/explain/gallery/{path:path}"): LOOK,
    ("POST", "/v1/explain"): LOOK,
    # a day's work
    ("GET", "/v1/corrections"): LOOK,
    ("GET", "/v1/corrections/{correction_id}"): LOOK,
    ("POST", "/v1/corrections"): OPERATE,
    ("DELETE", "/v1/corrections/{correction_id}"): OPERATE,
    ("POST", "/v1/review/claims"): OPERATE,
    ("DELETE", "/v1/review/claims/{reviewer}"): OPERATE,
    ("POST", "/v1/lots/{name}/reassign"): OPERATE,
    ("GET", "/v1/alarms"): LOOK,
    ("GET", "/v1/alarms/{alarm_id}"): LOOK,
    ("POST", "/v1/alarms/{alarm_id}/acknowledge"): OPERATE,
    ("GET", "/v1/batches"): LOOK,
    ("GET", "/v1/batches/{batch_id}"): LOOK,
    ("POST", "/v1/batches"): OPERATE,
    ("GET", "/v1/retrainings"): LOOK,
    ("GET", "/v1/retrainings/{retraining_id}"): LOOK,
    ("GET", "/v1/retrainings/{retraining_id}/intake"): LOOK,
    ("GET", "/v1/retrainings/{retraining_id}/gate"): LOOK,
    ("GET", "/v1/retrainings/{retraining_id}/log"): LOOK,
    ("GET", "/v1/export"): OPERATE,
    **{
        (method, f"/v1/{places}{one}"): access
        for places in ("lots", "lines", "growers", "cameras")
        for method, one, access in (
            ("GET", "", LOOK),
            ("GET", "/{name}", LOOK),
            ("POST", "", OPERATE),
            ("PATCH", "/{name}", OPERATE),
            ("DELETE", "/{name}", OPERATE),
        )
    },
    # who grades, people and keys
    ("POST", "/v1/models/{version}/promote"): ADMINISTER,
    ("POST", "/v1/models/rollback"): ADMINISTER,
    ("POST", "/v1/retrainings"): ADMINISTER,
    ("POST", "/v1/retrainings/{retraining_id}/cancel"): ADMINISTER,
    ("POST", "/v1/retrainings/{retraining_id}/resume"): ADMINISTER,
    ("PATCH", "/v1/farm"): ADMINISTER,
    ("GET", "/v1/audit"): ADMINISTER,
    ("GET", "/v1/users"): ADMINISTER,
    ("GET", "/v1/users/{name}"): ADMINISTER,
    ("POST", "/v1/users"): ADMINISTER,
    ("PATCH", "/v1/users/{name}"): ADMINISTER,
    ("GET", "/v1/settings"): ADMINISTER,
    ("GET", "/v1/keys"): ADMINISTER,
    ("GET", "/v1/keys/{prefix}"): ADMINISTER,
    ("POST", "/v1/keys"): ADMINISTER,
    ("PATCH", "/v1/keys/{prefix}"): ADMINISTER,
    ("DELETE", "/v1/keys/{prefix}"): ADMINISTER,
}
"""(method, template) -> who may. HEAD is asked for as GET."""

PROBES: Final = frozenset({"/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"})
"""Asked for under whatever name an orchestrator has for this machine."""


def _split() -> tuple[dict[tuple[str, str], Access], list[tuple[Pattern[str], dict[str, Access], str]]]:
    fixed: dict[tuple[str, str], Access] = {}
    patterns: dict[str, tuple[Pattern[str], dict[str, Access], str]] = {}
    for (method, template), access in POLICY.items():
        if "{" in template:
            patterns.setdefault(template, (compile_path(template)[0], {}, template))[1][method] = access
        else:
            fixed[method, template] = access
    return fixed, list(patterns.values())


_FIXED, _PATTERNS = _split()


def access_to(method: str, path: str) -> Access | None:
    """Who may call this path, or None where the table knows no such route.

    `path` is decoded, and without the prefix that a proxy serves the service under.
    """
    method = "GET" if method == "HEAD" else method
    found = _FIXED.get((method, path))
    if found is not None:
        return found
    for pattern, methods, _ in _PATTERNS:
        if method in methods and pattern.match(path):
            return methods[method]
    return None


def template_of(method: str, path: str) -> str | None:
    """The template under which `access_to` decides, for the test that compares it with the router's own choice."""
    if (method, path) in _FIXED:
        return path
    return next((template for pattern, methods, template in _PATTERNS if method in methods and pattern.match(path)), None)
