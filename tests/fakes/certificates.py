"""A certificate authority with a server certificate for one test, and a second, untrusted authority."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _authority(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(*(flag in (5, 6) for flag in range(9)))  # to sign certificates and lists of revoked ones
    made = _begun(subject, subject, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return key, made.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _begun(subject, issuer, key, days=30):
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
    )


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def make(folder, names=("localhost",), days=30):
    """Writes `ca.pem`, `other-ca.pem`, `server.pem` (with its key) into a folder, and gives the context of a server.

    `names` are what the certificate is for, beside 127.0.0.1 if `localhost` is among them; with negative `days` it has expired.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, authority = _authority("test CA")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    alternatives = [x509.DNSName(name) for name in names]
    if "localhost" in names:
        alternatives.append(x509.IPAddress(ip_address("127.0.0.1")))
    begun = _begun(subject, authority.subject, key, days)
    certificate = (
        begun.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(_pem(authority))
    (folder / "other-ca.pem").write_bytes(_pem(_authority("other CA")[1]))
    (folder / "server.pem").write_bytes(private + _pem(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context
