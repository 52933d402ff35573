"""Names that people and keys go by: what the audit trail is signed with."""

import unicodedata
from typing import Final

from service.errors import InvalidRequest

MAX_CHARACTERS: Final = 100
RESERVED: Final = frozenset({"local", "nobody", "senka", "system"})
"""What the service itself signs with: a person of that name could not be told from it."""


def proper_name(name: str, kind: str) -> str:
    """The name in one spelling (NFKC, so that full-width letters are the plain ones). Raises InvalidRequest.

    `kind` is the word for the message: user, key.
    """
    spelled = unicodedata.normalize("NFKC", name).strip()
    if not 0 < len(spelled) <= MAX_CHARACTERS:
        raise InvalidRequest(f"A {kind}'s name has 1 to {MAX_CHARACTERS} characters.")
    if any(unicodedata.category(letter)[0] == "C" for letter in spelled):
        raise InvalidRequest(f"A {kind}'s name has letters, digits and signs that can be seen; this one has others.")
    if set(spelled) & set("/:") or spelled in (".", ".."):  # it stands in addresses, /v1/users/NAME; cli:root is no person
        raise InvalidRequest(f"A {kind}'s name has no / and no : in it.")
    if spelled.casefold() in RESERVED:
        raise InvalidRequest(f"{spelled!r} is what the service itself signs with; choose another name.", name=spelled)
    return spelled
