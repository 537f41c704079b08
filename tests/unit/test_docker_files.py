"""The files under ``docker/`` fit together; no Docker engine is needed (and none of it is started here)."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path
from typing import Any

import fix_database
import fix_pgbouncer
import pytest
import yaml

from pgvec.execution.url import engine_url

DOCKER = Path(__file__).parents[2] / "docker"
CHECKOUT = DOCKER.parent
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+):-([^}]*)\}")


def with_defaults(value: Any) -> Any:
    """Return a value of the compose file as it is when no variable is set."""
    if isinstance(value, dict):
        return {key: with_defaults(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_defaults(inner) for inner in value]
    return VARIABLE.sub(r"\2", value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return with_defaults(yaml.safe_load((DOCKER / "compose.yaml").read_text()))


@pytest.fixture(scope="module")
def pgbouncer_ini() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((DOCKER / "pgbouncer" / "pgbouncer.ini").read_text())
    return parser


def test_every_variable_has_a_default():
    """The file works without an environment, and ``$`` is either a variable with a default or doubled."""
    text = VARIABLE.sub("", (DOCKER / "compose.yaml").read_text())
    assert "$" not in text.replace("$$", "")


def test_builds_and_mounts_exist(compose: dict[str, Any]):
    """Every build context, Dockerfile and mounted path of the compose file is in the checkout."""
    for service in compose["services"].values():
        if build := service.get("build"):
            context, dockerfile = (
                (build["context"], build["dockerfile"]) if isinstance(build, dict) else (build, "Dockerfile")
            )
            assert ((DOCKER / context).resolve() / dockerfile).is_file()
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in compose["volumes"]


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "pgbouncer/Dockerfile"])
def test_copied_files_exist_and_reach_the_build(dockerfile: str):
    """Every COPY from the context names a file of the checkout that the ignore file lets through."""
    path = DOCKER / dockerfile
    context = CHECKOUT if dockerfile == "Dockerfile" else path.parent
    ignore = path.with_name(f"{path.name}.dockerignore")
    allowed = re.findall(r"^!(.+)$", ignore.read_text(), re.MULTILINE) if ignore.exists() else None
    for line in re.findall(r"^COPY (?!--from)(.+)$", path.read_text(), re.MULTILINE):
        *sources, _ = [word for word in line.split() if not word.startswith("--")]
        for source in sources:
            assert (context / source).exists()
            assert allowed is None or source in allowed


def test_images_are_pinned(compose: dict[str, Any]):
    """Every image names a version; ``latest`` is none."""
    images = [service["image"] for service in compose["services"].values() if "image" in service]
    for dockerfile in DOCKER.rglob("Dockerfile"):
        images += re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE)
    assert len(images) >= 4
    assert all(re.fullmatch(r"[a-z/]+:(?!latest)\S+", image) for image in images)


def test_services_wait_for_healthy_ones(compose: dict[str, Any]):
    """Every dependency is a service with a health check."""
    services = compose["services"]
    waits = [name for service in services.values() for name in service.get("depends_on", {})]
    assert waits
    assert all("healthcheck" in services[name] for name in waits)


def test_ports_are_local_and_distinct(compose: dict[str, Any]):
    """Nothing is published beyond this machine, and no port twice."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports) == 2


def test_addresses_agree(compose: dict[str, Any], pgbouncer_ini: configparser.ConfigParser):
    """PgBouncer and the command line look for Postgres under its service name, and PgBouncer listens where it is published."""
    services = compose["services"]
    target = dict(word.split("=") for word in pgbouncer_ini["databases"]["*"].split())
    assert target["host"] in services
    assert services[target["host"]]["ports"][0].endswith(f":{target['port']}")
    assert services["pgbouncer"]["ports"][0].endswith(f":{pgbouncer_ini['pgbouncer']['listen_port']}")
    url = engine_url(services["cli"]["environment"]["PGVEC_URL"])
    assert url.host in services
    assert url.port == int(target["port"])
    assert url.database == services["postgres"]["environment"]["POSTGRES_DB"]


def test_accounts_agree(compose: dict[str, Any]):
    """All services use one account."""
    services = compose["services"]
    account = [services["postgres"]["environment"][f"POSTGRES_{part}"] for part in ("USER", "PASSWORD")]
    assert [services["pgbouncer"]["environment"][f"POSTGRES_{part}"] for part in ("USER", "PASSWORD")] == account
    assert [services["cli"]["environment"][f"PG{part}"] for part in ("USER", "PASSWORD")] == account


def test_the_mounted_pgbouncer_ini_is_the_tested_one(compose: dict[str, Any], pgbouncer_ini: configparser.ConfigParser):
    """Compose mounts the file that the fixture ``pgbouncer`` reads, and it is in transaction mode."""
    source, target, mode = compose["services"]["pgbouncer"]["volumes"][0].split(":")
    assert (DOCKER / source).resolve() == fix_pgbouncer.SHIPPED.resolve()
    assert target in (DOCKER / "pgbouncer" / "start.sh").read_text()
    assert mode == "ro"
    assert pgbouncer_ini["pgbouncer"]["pool_mode"] == "transaction"


def test_the_mounted_init_sql_is_the_tested_one(compose: dict[str, Any]):
    """Compose mounts the scripts that the template of the test databases is made with."""
    source, target, _ = compose["services"]["postgres"]["volumes"][1].split(":")
    assert target == "/docker-entrypoint-initdb.d"
    assert (DOCKER / source).resolve() == fix_database.INIT_SQL.resolve()
    assert list(fix_database.INIT_SQL.glob("*.sql"))


def test_the_account_file_is_written_as_pgbouncer_reads_it(tmp_path: Path, pgbouncer_ini: configparser.ConfigParser):
    """Quotes and spaces of a password survive, and only the owner may read the file."""
    account_file = pgbouncer_ini["pgbouncer"]["auth_file"]
    script = (DOCKER / "pgbouncer" / "start.sh").read_text()
    assert account_file in script
    written = tmp_path / "userlist.txt"
    script = script.replace(account_file, str(written)).replace("exec pgbouncer", "exec true")
    environment = {"POSTGRES_USER": "me", "POSTGRES_PASSWORD": 'a"b $c\\'}
    subprocess.run(["/bin/sh", "-c", script], env=environment | {"PATH": "/usr/bin:/bin"}, check=True)
    assert written.read_text() == '"me" "a""b $c\\"\n'
    assert written.stat().st_mode & 0o077 == 0
