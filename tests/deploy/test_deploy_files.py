"""The files in `deploy/` are valid by the schemas of their tools, and name what the program has."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from emotion.storage import PROJECT_ROOT
from emotion.ui.visitors.security import SECURITY_HEADERS

DEPLOY = PROJECT_ROOT / "deploy"
SCHEMAS = Path(__file__).parent / "schemas"
FILES = ("compose.yaml", ".env.example", "Caddyfile", "kubernetes.yaml", "huggingface/README.md")
KINDS = {
    "Namespace": "io.k8s.api.core.v1.Namespace",
    "Secret": "io.k8s.api.core.v1.Secret",
    "Service": "io.k8s.api.core.v1.Service",
    "StatefulSet": "io.k8s.api.apps.v1.StatefulSet",
    "Ingress": "io.k8s.api.networking.v1.Ingress",
}
# https://huggingface.co/docs/hub/spaces-config-reference
SPACE_COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
SPACE_FIELDS = {
    "title",
    "emoji",
    "colorFrom",
    "colorTo",
    "sdk",
    "app_port",
    "startup_duration_timeout",
    "license",
    "short_description",
}


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def read_sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT_ROOT / "emotion").rglob("*.py"))


def load_compose() -> dict[str, Any]:
    return yaml.safe_load(read("compose.yaml"))


def load_manifests() -> dict[str, list[dict[str, Any]]]:
    """Return the objects of the manifest by kind."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for manifest in yaml.safe_load_all(read("kubernetes.yaml")):
        by_kind.setdefault(manifest["kind"], []).append(manifest)
    return by_kind


def find_errors(value: object, schema: dict[str, Any]) -> list[str]:
    return [f"{list(error.path)}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value)]


def kubernetes_schema(kind: str) -> dict[str, Any]:
    schemas = json.loads((SCHEMAS / "kubernetes-1.37.json").read_text())
    return schemas | {"$ref": f"#/$defs/{KINDS[kind]}"}


def test_the_compose_file_is_valid_by_the_compose_specification() -> None:
    schema = json.loads((SCHEMAS / "compose-spec.json").read_text())
    assert find_errors(load_compose(), schema) == []
    assert find_errors(load_compose() | {"servcies": {}}, schema) != []


def test_the_example_environment_sets_every_variable_of_the_compose_file() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", read("compose.yaml")))
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", read(".env.example"), re.MULTILINE))
    assert used <= named
    assert set(re.findall(r"\{\$([A-Z_]+)\}", read("Caddyfile"))) <= used


def test_caddy_forwards_to_the_port_of_the_app_after_a_login() -> None:
    caddyfile = read("Caddyfile")
    assert caddyfile.count("{") == caddyfile.count("}")
    assert "basic_auth" in caddyfile
    assert "reverse_proxy app:8501" in caddyfile
    assert "app" in load_compose()["services"]


def test_only_caddy_and_the_turn_server_are_reached_from_outside() -> None:
    services = load_compose()["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]
    assert [name for name, service in services.items() if service.get("network_mode") == "host"] == ["turn"]


def test_the_turn_server_relays_to_the_app_alone() -> None:
    services = load_compose()["services"]
    address = services["app"]["networks"]["studio"]["ipv4_address"]
    allowed = [item for item in services["turn"]["command"] if item.startswith("--allowed-peer-ip")]
    assert allowed == [f"--allowed-peer-ip={address}"]
    assert "--denied-peer-ip=0.0.0.0-255.255.255.255" in services["turn"]["command"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kubernetes_object_is_valid_by_its_schema(kind: str) -> None:
    manifests = load_manifests()[kind]
    assert [error for manifest in manifests for error in find_errors(manifest, kubernetes_schema(kind))] == []
    assert find_errors(manifests[0] | {"metadat": {}}, kubernetes_schema(kind)) != []


def test_the_names_in_the_kubernetes_objects_refer_to_each_other() -> None:
    kinds = load_manifests()
    (app,), (service,), (ingress,) = kinds["StatefulSet"], kinds["Service"], kinds["Ingress"]
    assert set(kinds) == {*KINDS, "Middleware"}
    labels = app["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == app["spec"]["selector"]["matchLabels"] == labels
    assert app["spec"]["serviceName"] == service["metadata"]["name"]
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] == service["metadata"]["name"]
    login, headers = kinds["Middleware"]
    secrets = {secret["metadata"]["name"] for secret in kinds["Secret"]}
    assert login["spec"]["basicAuth"]["secret"] in secrets
    names = [f"{each['metadata']['namespace']}-{each['metadata']['name']}@kubernetescrd" for each in (headers, login)]
    assert ",".join(names) in ingress["metadata"]["annotations"].values()
    (namespace,) = kinds["Namespace"]
    others = [manifest for kind, group in kinds.items() if kind != "Namespace" for manifest in group]
    assert {manifest["metadata"]["namespace"] for manifest in others} == {namespace["metadata"]["name"]}


def test_a_browser_always_reaches_the_pod_with_its_session() -> None:
    (service,) = load_manifests()["Service"]
    assert service["metadata"]["annotations"]["traefik.ingress.kubernetes.io/service.sticky.cookie"] == "true"


def test_the_container_runs_as_the_user_of_its_image_and_writes_to_its_volumes() -> None:
    dockerfile = (PROJECT_ROOT / "Dockerfile").read_text()
    (app,) = load_manifests()["StatefulSet"]
    pod = app["spec"]["template"]["spec"]
    assert f"--uid {pod['securityContext']['runAsUser']} " in dockerfile
    volumes = json.loads(re.findall(r"^VOLUME (.*)$", dockerfile, re.MULTILINE)[0])
    mounts = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
    assert set(volumes) <= set(mounts)
    assert {volume.split(":")[1] for volume in load_compose()["services"]["app"]["volumes"]} == set(volumes)


def test_proxies_set_the_headers_of_the_app_on_their_own_answers() -> None:
    in_caddy = dict(re.findall(r'^\t\t\??([A-Z][\w-]+) "(.*)"$', read("Caddyfile"), re.MULTILINE))
    assert SECURITY_HEADERS.items() <= in_caddy.items()
    in_traefik = next(each["spec"]["headers"] for each in load_manifests()["Middleware"] if "headers" in each["spec"])
    assert in_traefik["contentTypeNosniff"] is True
    assert in_traefik["referrerPolicy"] == SECURITY_HEADERS["Referrer-Policy"]
    assert in_traefik["permissionsPolicy"] == SECURITY_HEADERS["Permissions-Policy"]
    assert in_caddy["Strict-Transport-Security"] == f"max-age={in_traefik['stsSeconds']}"


def test_the_app_is_told_the_host_of_the_proxy() -> None:
    assert load_compose()["services"]["app"]["environment"]["EMOTION_HOSTS"] == "${STUDIO_HOST}"
    (app,) = load_manifests()["StatefulSet"]
    (ingress,) = load_manifests()["Ingress"]
    variables = {each["name"]: each.get("value") for each in app["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert variables["EMOTION_HOSTS"] == ingress["spec"]["rules"][0]["host"]


def test_every_image_can_be_named_by_digest() -> None:
    services = load_compose()["services"]
    images = [services[name]["image"] for name in ("caddy", "turn")]
    images.append(services["app"]["build"]["args"]["PYTHON_IMAGE"])
    variables = [re.fullmatch(r"\$\{([A-Z]+_IMAGE):-[\w/.:-]+\}", image) for image in images]
    assert all(variables)
    example = read(".env.example")
    assert all(f"# {found[1]}=" in example for found in variables if found)
    lines = (PROJECT_ROOT / "Dockerfile").read_text().splitlines()
    instructions = [line for line in lines if line and not line.startswith("#")]
    assert instructions[0].startswith("ARG PYTHON_IMAGE=")
    assert [line for line in instructions if line.startswith("FROM ")] == ["FROM ${PYTHON_IMAGE}"]
    assert re.search(r"image: IMAGE  # \S+@sha256:", read("kubernetes.yaml"))


def test_the_space_has_the_fields_that_hugging_face_knows() -> None:
    _, header, _ = read("huggingface/README.md").split("---\n", 2)
    fields = yaml.safe_load(header)
    assert set(fields) == SPACE_FIELDS
    assert {fields["colorFrom"], fields["colorTo"]} <= SPACE_COLORS
    assert fields["sdk"] == "docker"
    assert f"EXPOSE {fields['app_port']}" in (PROJECT_ROOT / "Dockerfile").read_text()
    assert len(fields["short_description"]) <= 60


@pytest.mark.parametrize("name", FILES)
def test_each_setting_of_the_program_exists_in_it(name: str) -> None:
    named = set(re.findall(r"EMOTION_[A-Z_]+", read(name)))
    assert [variable for variable in sorted(named) if f'"{variable}"' not in read_sources()] == []
