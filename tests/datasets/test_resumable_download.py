"""Interrupted downloads resume; redirects, stalls and endless responses."""

import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.core.errors import DownloadError
from pipeline.datasets import resumable_download


def test_resume_asks_for_the_rest(server, fetch):
    fetch(server.url + "/cut_once")
    assert server.ranges == [None, "bytes=100000-"]


def test_resume_in_a_later_run(server, fetch):
    with pytest.raises(DownloadError):
        fetch(server.url + "/cut_once", retries=0)
    fetch(server.url + "/cut_once", retries=0)
    assert server.ranges == [None, "bytes=100000-"]


@pytest.mark.parametrize("fault", ["cut_then_whole", "cut_then_other_range", "cut_then_unsatisfiable"])
def test_a_server_without_ranges_starts_over(server, fetch, fault):
    fetch(f"{server.url}/{fault}")
    assert server.ranges[:2] == [None, "bytes=100000-"]


def test_a_part_is_never_continued_from_another_source(server, fetch):
    fetch(server.url + "/cut", server.url + "/good", retries=0)
    assert server.ranges == [None, None]


def test_a_resumed_file_with_a_wrong_start_is_fetched_from_the_start(server, fetch):
    fetch(server.url + "/cut_then_changed")
    assert server.ranges == [None, "bytes=100000-", None]


def test_bytes_stay_as_published(server, fetch):
    fetch(server.url + "/encoded")


def test_redirects_are_followed(server, fetch):
    fetch(server.url + "/redirect")
    assert server.paths == ["/redirect/set/file.bin", "/good/set/file.bin"]


def test_a_response_without_end_is_refused(server, fetch, monkeypatch, scratch):
    monkeypatch.setattr(resumable_download, "MAX_BYTES", 200_000)
    with pytest.raises(DownloadError) as error:
        fetch(server.url + "/good")
    assert "longer than 200000 bytes" in str(error.value)
    assert not list(scratch.glob("*.part"))


def test_a_stall_ends_at_the_timeout(server, fetch):
    with pytest.raises(DownloadError) as error:
        fetch(server.url + "/stall", retries=0)
    assert "no response within 0.5 s (ReadTimeout)" in str(error.value)


@pytest.fixture
def certificate(tmp_path, monkeypatch) -> ssl.SSLContext:
    """Make the certificate of a server on 127.0.0.1 that this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(key_bytes)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


def test_a_redirect_from_https_to_http_is_refused(server, fetch, start_server, certificate):
    secure = start_server(server, certificate)
    fetch(secure + "/good").unlink()
    with pytest.raises(DownloadError) as error:
        fetch(secure + "/redirect")
    assert f"redirects from https to http: {server.url}" in str(error.value)
    assert server.paths == ["/good/set/file.bin", "/redirect/set/file.bin"]
