"""A CA of the tests' own, and server certificates that should and should not be believed (openssl(1))."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def pair(self, kind: str) -> tuple[Path, Path]:
        return self.folder / f"{kind}.pem", self.folder / f"{kind}.key"


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def _key_and_request(folder: Path, name: str) -> None:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl(folder, "req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")


def _signed(folder: Path, name: str, host: str, *dates: str) -> None:
    """A certificate of our CA for this host."""
    _key_and_request(folder, name)
    (folder / f"{name}.ext").write_text(f"[ext]\nsubjectAltName={host}\nbasicConstraints=CA:FALSE\n")
    when = list(dates) or ["-days", "30"]
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text(f"{abs(hash(name)) % 10**8 + 10**8:x}".zfill(10) + "\n")
    config = (
        "[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
        "unique_subject=no\n[p]\ncommonName=supplied\n"
    )
    (folder / "ca.conf").write_text(config)
    given = ["-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", f"{name}.ext", "-extensions", "ext", "-notext"]
    _openssl(folder, "ca", "-batch", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", *when, *given)


def make_certificates(folder: Path) -> Certificates:
    """``good``, ``wrong_host``, ``expired`` (by our CA) and ``self_signed``, all else alike."""
    folder.mkdir(parents=True)
    _key_and_request(folder, "ca")
    (folder / "ca.ext").write_text("[ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
    ca = ["-extfile", "ca.ext", "-extensions", "ext", "-days", "30"]
    _openssl(folder, "x509", "-req", "-in", "ca.csr", "-signkey", "ca.key", "-out", "ca.pem", *ca)
    here = "DNS:localhost,IP:127.0.0.1"
    _signed(folder, "good", here)
    _signed(folder, "wrong_host", "DNS:mail.elsewhere.example")
    _signed(folder, "expired", here, "-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    _key_and_request(folder, "self_signed")
    (folder / "self.ext").write_text(f"[ext]\nsubjectAltName={here}\n")
    own = ["-extfile", "self.ext", "-extensions", "ext", "-days", "30"]
    _openssl(
        folder, "x509", "-req", "-in", "self_signed.csr", "-signkey", "self_signed.key", "-out", "self_signed.pem", *own
    )
    return Certificates(folder)
