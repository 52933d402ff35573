"""Names and addresses, as they arrive from strangers."""

import pytest

from service.security.hosts import Hosts, forwarded_hosts, host_of, is_loopback, network_of


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost.example.org",
        "example.org",
        "127.0.0.1.example.org",
        "0.0.0.0",
        "10.0.0.1",
        "::",
        "2130706433",
        "127.1",
        "0x7f.1",
    ],
)
def test_what_is_not_this_machine_for_certain(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("senka.example:8000", "senka.example"),
        ("Senka.Example.", "senka.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ('"[2001:db8::17]:4711"', "2001:db8::17"),
        ("", ""),
        ("127.0.0.1, example.org", ""),
        ("example.org@127.0.0.1", ""),
        ("127.0.0.1/../example.org", ""),
        ("127.0.0.1:x", ""),
        ("[::1]x", ""),
        ("[::1", ""),
        ("a" * 300, ""),
    ],
)
def test_the_name_in_a_header(header: str, name: str) -> None:
    assert host_of(header) == name


def test_every_hop_of_a_forwarding_header_counts() -> None:
    assert forwarded_hosts(b"x-forwarded-for", "127.0.0.1, 198.51.100.7") == ["127.0.0.1", "198.51.100.7"]
    assert forwarded_hosts(b"forwarded", 'for=127.0.0.1;proto=http, for="[2001:db8::17]:4711"') == ["127.0.0.1", "2001:db8::17"]
    assert "" in forwarded_hosts(b"forwarded", "for=127.0.0.1;secret=x")  # what we do not know is no proof of anything
    assert forwarded_hosts(b"x-forwarded-for", "unknown") == ["unknown"]
    for nothing in ("", "proto=http", "for=127.0.0.1, proto=http"):
        assert "" in forwarded_hosts(b"forwarded", nothing)
    assert forwarded_hosts(b"x-forwarded-for", "") == [""]


def test_one_ipv6_subscriber_is_one_sender() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:1::1")
    assert network_of("198.51.100.7") == "198.51.100.7" == network_of("::ffff:198.51.100.7")
    assert len(network_of("x" * 1000)) <= 64


def test_the_names_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Shed.local")
    ours = Hosts.of_this_machine()
    assert not ours.any
    assert all(ours.trusts(name) for name in ("localhost", "shed", "shed.local", "127.0.0.1", "198.51.100.1", "2001:db8::1"))
    assert not any(ours.trusts(name) for name in ("", "evil.example", "shed.evil.example", "127.0.0.1.evil.example"))


def test_the_names_of_a_service() -> None:
    assert Hosts(()).trusts("anything")
    ours = Hosts(("Senka.example", "*.shed.example"))
    assert [ours.trusts(name) for name in ("senka.example", "line1.shed.example")] == [True, True]
    assert [ours.trusts(name) for name in ("evil.example", "shed.example", "evilshed.example", "")] == [False] * 4
