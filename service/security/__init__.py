"""Who may do what, and how the service knows them."""

from service.security.principal import Principal, Role, actor, principal

__all__ = ["Principal", "Role", "actor", "principal"]
