"""Before a service starts: whether anybody could enter, and whether its certificate is one."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.records.database import migrate, open_database
from service.security.door import AnyProxy, Door, NobodyCouldEnter, require_somebody
from service.security.keys import Keys
from service.security.principal import Role
from service.security.tls import TlsUnusable, certificate
from service.security.users import Users
from service.settings import Settings
from tests.service.security.conftest import QUICK


@pytest.fixture
def empty(tmp_path: Path) -> Engine:
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    migrate(engine)
    return engine


def test_an_open_address_needs_somebody_who_may_enter(empty: Engine) -> None:
    outside = Settings(host="0.0.0.0")
    for engine in (empty, None):
        with pytest.raises(NobodyCouldEnter, match=r"senka keys add.*senka users add.*SENKA_AUTH=off"):
            require_somebody(outside, engine)
        for fine in (
            Settings(),
            Settings(host="::1"),
            Settings(host="0.0.0.0", auth="off"),
            Settings(host="::", auth="required"),
        ):
            require_somebody(fine, engine)


def test_a_good_key_is_enough_and_a_revoked_one_is_not(empty: Engine) -> None:
    keys = Keys(empty)
    key, _ = keys.add("line 1", by="test")
    require_somebody(Settings(host="0.0.0.0"), empty)
    keys.revoke(key.prefix, by="test")
    with pytest.raises(NobodyCouldEnter):
        require_somebody(Settings(host="0.0.0.0"), empty)


def test_a_user_is_enough_and_a_disabled_one_is_not(empty: Engine) -> None:
    users = Users(empty, QUICK)
    users.add("boss", Role.ADMIN, password="green and straight", by="test")
    require_somebody(Settings(host="0.0.0.0"), empty)
    users.disable("boss", by="test", keep_an_admin=False)
    with pytest.raises(NobodyCouldEnter):
        require_somebody(Settings(host="0.0.0.0"), empty)


@pytest.mark.parametrize(
    ("proxies", "trusts"),
    [
        ((), True),
        (("10.0.0.5",), True),
        (("127.0.0.1",), False),
        (("::1",), False),
        (("127.0.0.0/8",), False),
        (("10.0.0.0/8",), True),
        (("126.0.0.0/7",), False),
        (("0.0.0.0/0",), False),
        (("::/0",), False),
        (("::ffff:127.0.0.1",), False),
        (("localhost",), False),
    ],
)
def test_a_proxy_on_this_machine_ends_the_trust_in_it(proxies: tuple[str, ...], trusts: bool) -> None:
    assert Door.open(Settings(trusted_proxies=proxies), None).trusts_this_machine is trusts


def test_every_proxy_is_none(empty: Engine) -> None:
    for opened in (lambda found: Door.open(found, None), lambda found: require_somebody(found, empty)):
        with pytest.raises(AnyProxy, match="SENKA_TRUSTED_PROXIES"):
            opened(Settings(trusted_proxies=("10.0.0.5", "*")))


# --- certificates ---


def make_certificate(folder: Path, name: str = "senka", *options: str) -> tuple[Path, Path]:
    chain, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    passphrase = options or ("-nodes",)
    subprocess.run(
        [*command, *passphrase, "-subj", "/CN=localhost", "-keyout", key, "-out", chain],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return chain, key


def test_without_a_certificate_it_is_http() -> None:
    assert certificate(Settings()) is None


def test_a_pair_is_taken(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path)
    assert certificate(Settings(tls_certificate=chain, tls_key=key)) == (chain, key)


def test_what_is_no_pair_is_refused_in_words(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path)
    _, other = make_certificate(tmp_path, "other")
    _, locked = make_certificate(tmp_path, "locked", "-passout", "pass:cucumber")
    blank = tmp_path / "blank.key"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:", "-out", blank],
        check=True,
        capture_output=True,
        timeout=60,
    )
    text = tmp_path / "text"
    text.write_text("a shopping list")
    for settings, said in (
        ({"tls_certificate": chain}, "SENKA_TLS_KEY is empty"),
        ({"tls_key": key}, "SENKA_TLS_CERTIFICATE is empty"),
        ({"tls_certificate": tmp_path / "gone", "tls_key": key}, "SENKA_TLS_CERTIFICATE: .*gone cannot be read: No such file"),
        ({"tls_certificate": chain, "tls_key": tmp_path}, "SENKA_TLS_KEY: .* cannot be read: Is a directory"),
        ({"tls_certificate": chain, "tls_key": other}, r"do not make a pair \(key values mismatch\)"),
        ({"tls_certificate": text, "tls_key": key}, "do not make a pair"),
        ({"tls_certificate": chain, "tls_key": text}, "do not make a pair"),
        ({"tls_certificate": chain, "tls_key": locked}, "SENKA_TLS_KEY: .*locked.key has a passphrase"),
        ({"tls_certificate": chain, "tls_key": blank}, "SENKA_TLS_KEY: .*blank.key has a passphrase"),
    ):
        with pytest.raises(TlsUnusable, match=said):
            certificate(Settings(**settings))
