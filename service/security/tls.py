"""The certificate for serving https without a proxy: checked before anything starts."""

import ssl
from pathlib import Path

from models.errors import SenkaError
from service.settings import Settings


class TlsUnusable(SenkaError):
    code = "tls_unusable"


def certificate(settings: Settings) -> tuple[Path, Path] | None:
    """The files of the certificate and its key, or None to serve http. Raises TlsUnusable in words that name the setting."""
    chain, key = settings.tls_certificate, settings.tls_key
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        missing = "SENKA_TLS_KEY" if key is None else "SENKA_TLS_CERTIFICATE"
        raise TlsUnusable(f"{missing} is empty: https needs the certificate and its key, both or neither.")
    for name, file in (("SENKA_TLS_CERTIFICATE", chain), ("SENKA_TLS_KEY", key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise TlsUnusable(f"{name}: {file} cannot be read: {error.strerror}.") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password=_refuse_passphrase)
    except _PassphraseWanted:
        raise TlsUnusable(
            f"SENKA_TLS_KEY: {key} has a passphrase, and nobody is there to type it when the service starts. Write the key "
            "without one: openssl pkey -in KEY -out NEW."
        ) from None
    except ssl.SSLError as error:
        reason = (error.reason or "not PEM").lower().replace("_", " ")
        raise TlsUnusable(
            f"SENKA_TLS_CERTIFICATE and SENKA_TLS_KEY do not make a pair ({reason}): they must be PEM files that belong together."
        ) from error
    return chain, key


class _PassphraseWanted(Exception):
    pass


def _refuse_passphrase() -> str:
    """In place of OpenSSL's own, which asks the terminal and waits. An empty passphrase is asked for too."""
    raise _PassphraseWanted
