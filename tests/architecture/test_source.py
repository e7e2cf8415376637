"""What the linters can't say about the source: dotted imports, verified TLS, the size of files."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "crmservice"
PURE = ("config", "crm", "mail", "pipeline", "rules")
# import-linter sees an outside package as one module; parts of these are pure (urllib.parse), these are not.
OUTWARD = ("urllib.request", "http.client", "http.server", "multiprocessing.connection", "concurrent.futures.process")
# Calls that verify nobody unless they are handed a context: name -> the keyword, the place it may also stand in.
TLS_CALLS = {
    "POP3_SSL": ("context", 3),
    "IMAP4_SSL": ("ssl_context", None),
    "SMTP_SSL": ("context", None),
    "stls": ("context", 0),
    "starttls": ("context", 0),
}
BLIND = ("CERT_NONE", "_create_unverified_context", "_create_stdlib_context")
LINES_AT_MOST = 450
ONE_TABLE_AFTER_ANOTHER = PACKAGE / "store" / "models.py"


def files(*folders: str) -> list[Path]:
    """The Python files of the package, or of some of its folders and modules."""
    return sorted(
        file
        for file in PACKAGE.rglob("*.py")
        if "migrations" not in file.parts
        and (not folders or file.relative_to(PACKAGE).parts[0].removesuffix(".py") in folders)
    )


def imported(tree: ast.AST) -> set[str]:
    """Every module a file imports, dotted; of ``from a import b`` both ``a`` and ``a.b``."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def blind_tls(tree: ast.AST) -> list[str]:
    """Each place of a file where TLS is used without a context, or a context that verifies nothing."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not _has_context(node):
            found.append(f"{node.lineno}: {ast.unparse(node)} without a context")
        elif isinstance(node, ast.Attribute | ast.Name) and _name(node) in BLIND:
            found.append(f"{node.lineno}: {_name(node)}")
        elif isinstance(node, ast.keyword) and node.arg in ("verify", "check_hostname") and _is_false(node.value):
            found.append(f"{node.value.lineno}: {node.arg}=False")
        elif isinstance(node, ast.Assign) and _is_false(node.value) and _name(node.targets[0]) == "check_hostname":
            found.append(f"{node.lineno}: check_hostname = False")
    return found


def _has_context(call: ast.Call) -> bool:
    wanted = TLS_CALLS.get(_name(call.func))
    if wanted is None:
        return True
    keyword, place = wanted
    names = {one.arg for one in call.keywords}
    return bool(names & {keyword, "ssl_context", None}) or (place is not None and len(call.args) > place)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def test_pure_rooms_import_nothing_that_reaches_out() -> None:
    found = {
        str(file.relative_to(PACKAGE)): sorted(outward)
        for file in files(*PURE)
        if (outward := {name for name in imported(parsed(file)) if name.startswith(OUTWARD)})
    }
    assert found == {}


def test_only_the_room_of_mail_reads_mail() -> None:
    rooms = [room for room in PURE if room != "mail"]
    readers = [str(file) for file in files(*rooms) if any(n.split(".")[0] == "email" for n in imported(parsed(file)))]
    assert readers == []


def test_every_server_is_verified() -> None:
    found = {str(file.relative_to(PACKAGE)): faults for file in files() if (faults := blind_tls(parsed(file)))}
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "poplib.POP3_SSL(host, port)",
        "IMAP4_SSL(host)",
        "smtplib.SMTP_SSL(host, 465)",
        "pop.stls()",
        "smtp.starttls()",
        "httpx.get(url, verify=False)",
        "context.check_hostname = False",
        "context.verify_mode = ssl.CERT_NONE",
        "ssl._create_unverified_context()",
    ],
)
def test_an_unverified_connection_is_seen(line: str) -> None:
    assert blind_tls(ast.parse(line))


@pytest.mark.parametrize(
    "line",
    [
        "poplib.POP3_SSL(host, port, context=context, timeout=60)",
        "IMAP4_SSL(host, ssl_context=context)",
        "pop.stls(context)",
        "client.starttls(ssl_context=context)",
        "httpx.get(url, verify=context)",
    ],
)
def test_a_verified_connection_is_let_by(line: str) -> None:
    assert blind_tls(ast.parse(line)) == []


def test_no_file_is_longer_than_one_idea() -> None:
    lines = {str(file): len(file.read_bytes().splitlines()) for file in files() if file != ONE_TABLE_AFTER_ANOTHER}
    assert {file: count for file, count in lines.items() if count > LINES_AT_MOST} == {}
