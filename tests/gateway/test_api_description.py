"""The API does what its own description says: whatever is sent, the answer is one that is documented, and never a 500.

Requests are made from the description itself and sent to a gateway that runs.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.gateway.api_client import BEARER, TOKEN
from tests.support.running import Running, running_gateway, wait_until

EXAMPLES = 6  # of each operation
SLOW = list(HealthCheck)  # what a request costs is not the description's fault
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
THERE = {
    "site": "shop", "destination": "hook", "event_id": "order-1001", "order_id": "1001", "field": "secret",
    "replay_id": "1", "job_id": "1", "version": "1", "slug": "tea", "who": "customer-1", "merge_id": "5c6d7e8f90a1b2c3",
}  # fmt: skip
HOOK_SETTINGS = {
    "url": "http://127.0.0.1:9/",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "allow_private": True,
}
HOOK = """
[[sites.destinations]]
id = "declared"
type = "webhook"
url = "http://127.0.0.1:9/"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
allow_private = true
"""
CHECKING = {"POST /api/destinations", "PATCH /api/destinations/{site}/{destination}"}
APART = {"/v1/events", "/i"}  # described for people: what they take is in the docs, and tested there


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    server = f'admin_token = "{TOKEN}"'
    with running_gateway(tmp_path_factory.mktemp("api"), server=server, destinations=HOOK) as gateway:
        body = {"site": "shop", "id": "hook", "type": "webhook", "settings": HOOK_SETTINGS, "check": False}
        answer = httpx.post(f"{gateway.url}/api/destinations", json=body, headers=dict(BEARER), trust_env=False)
        assert answer.status_code == 201, answer.text
        gateway.send({"event_name": "page_viewed", "event_id": "order-1001"})
        yield gateway


@pytest.fixture(scope="module")
def description(running: Running) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{running.url}/api/openapi.json", headers=dict(BEARER), trust_env=False).json()
    return found


def operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    paths = description["paths"].items()
    return [(path, method, one) for path, methods in paths for method, one in methods.items()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_whatever_is_sent_is_answered_as_described(
    running: Running, description: dict[str, Any], mode: GenerationMode
) -> None:
    asked = 0
    for found in schemathesis.openapi.from_dict(description).get_all_operations():
        assert isinstance(found, Ok), "the description is well formed"
        operation = found.ok()
        if operation.path not in APART and (mode is GenerationMode.POSITIVE or list(operation.iter_parameters())):
            asked += _ask(operation, running.url, mode, {})
            if names := {one.name for one in operation.path_parameters}:
                asked += _ask(operation, running.url, mode, {name: THERE[name] for name in names})
    assert asked > EXAMPLES
    assert "connection_failure_contained" not in running.log()


def _ask(
    operation: APIOperation[Any, Any, Any, Any], url: str, mode: GenerationMode, path_parameters: dict[str, str]
) -> int:
    """Sends requests made from what is documented of the operation; how many."""
    asked = []

    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=path_parameters or None))
    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=SLOW)
    def ask(case: Case[Any]) -> None:
        asked.append(case)
        if isinstance(case.body, dict) and operation.label in CHECKING:
            case.body = {**case.body, "check": False}  # no platform is asked
        case.validate_response(case.call(base_url=url, headers=dict(BEARER)), checks=CHECKS)

    ask()
    return len(asked)


def test_every_operation_says_what_it_is_for_and_who_may(description: dict[str, Any]) -> None:
    for path, method, operation in operations(description):
        assert operation["summary"], f"{method} {path}"
        assert operation["tags"][0] in {tag["name"] for tag in description["tags"]}
        is_public = not path.startswith("/api/")
        assert (operation.get("security") == []) is is_public, f"{method} {path}"
        assert all(answer["description"] for answer in operation["responses"].values())
    assert description["security"] == [{"admin_token": []}]


def test_every_path_has_its_parameters_in_it(description: dict[str, Any]) -> None:
    for path, method, operation in operations(description):
        named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert set(re.findall(r"{(\w+)}", path)) == named, f"{method} {path}"
    assert "/api/events/{site}/{event_id}" in description["paths"]


def test_every_example_is_right_by_its_own_schema(description: dict[str, Any]) -> None:
    checked = 0
    for _, _, operation in operations(description):
        contents = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (one["content"]["application/json"] for one in contents if "content" in one):
            if "example" in content:
                schema = {**content["schema"], "components": description["components"]}
                jsonschema_rs.validator_for(schema).validate(content["example"])
                checked += 1
    assert checked >= 4


def test_the_description_loads_nothing_from_elsewhere_and_names_no_page_of_its_own(running: Running) -> None:
    for page in ("/docs", "/redocs", "/scalar", "/api/docs", "/openapi.json"):
        assert httpx.get(running.url + page, headers=dict(BEARER), trust_env=False).status_code == 404


def test_no_token_reaches_the_log(running: Running) -> None:
    wrong = "0123456789abcdef-guess"
    httpx.get(f"{running.url}/api/platforms", headers={"authorization": f"Bearer {wrong}"}, trust_env=False)
    assert TOKEN not in running.log()
    assert wrong not in running.log()


def test_the_edges_beside_a_core_serve_it_too(tmp_path: Path) -> None:
    with running_gateway(tmp_path, server=f'admin_token = "{TOKEN}"\nedges = 1') as running:
        running.send({"event_name": "page_viewed", "event_id": "e-1"})

        def told() -> bool:
            answer = httpx.get(f"{running.url}/api/events/shop/e-1", headers=dict(BEARER), trust_env=False)
            return answer.status_code == 200 and answer.json()["events"][0]["status"] == "processed"

        assert wait_until(told, what="the event's story")
