"""Certificates for a test's servers and clients, by the openssl command."""

import subprocess

# Of an authority: "ca", and "other-ca", which signed nothing. "server" is signed by "ca" and names localhost alone.
AUTHORITIES = ("ca", "other-ca")
NAME = "localhost"


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def make_certificates(directory):
    """Writes NAME.pem and NAME.key of each into `directory`, which is there."""
    new_key = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    for authority in AUTHORITIES:
        _openssl("req", "-x509", *new_key, "-subj", f"/CN={authority}", "-keyout", f"{directory}/{authority}.key",
                 "-out", f"{directory}/{authority}.pem")
    _openssl("req", *new_key, "-subj", "/CN=server", "-keyout", f"{directory}/server.key",
             "-out", f"{directory}/server.csr")
    (directory / "names").write_text(f"subjectAltName=DNS:{NAME}\n")
    _openssl("x509", "-req", "-days", "2", "-in", f"{directory}/server.csr", "-CA", f"{directory}/ca.pem",
             "-CAkey", f"{directory}/ca.key", "-CAcreateserial", "-extfile", f"{directory}/names",
             "-out", f"{directory}/server.pem")


def server_flags(directory):
    """What mysqld and mariadbd are told to use them by."""
    return [f"--ssl-ca={directory}/ca.pem", f"--ssl-cert={directory}/server.pem", f"--ssl-key={directory}/server.key"]
