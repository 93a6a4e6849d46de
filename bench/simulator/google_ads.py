"""Google Ads as the simulator plays it: both ways in, and the token endpoint, under one mount point.

Source: contracts/google_ads.md, sections 2, 3, 9. `/v26/customers/{id}:uploadClickConversions` is way A
(google_ads_rows.py), `/v1/events:ingest` way B (data_manager_events.py), `/token` the OAuth token endpoint.
"""

import re
from typing import Any
from urllib.parse import parse_qs

from bench.simulator.base import Accepted, SimRequest, SimResponse
from bench.simulator.data_manager_events import ingest
from bench.simulator.google_ads_rows import upload
from bench.simulator.google_answers import FAILURE_TYPE, Account, Outcome, answer_json, refuse
from bench.simulator.google_assertions import JWT_GRANT, assertion_fault

UPLOAD = re.compile(r"/(v\d+)/customers/([^/:]*):uploadClickConversions")
SERVED_VERSIONS = frozenset({"v23", "v24", "v25", "v26"})  # v22 ended 2026-10-07 (section 2)
CUSTOMER = re.compile(r"\d{10}")
TOKEN_LIFE_S = 3_599


class GoogleAdsSim:
    name = "google_ads"

    def __init__(self, account: Account | None = None) -> None:
        self.account = account or Account()
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []
        self._taken: set[tuple[str, ...]] = set()  # by way A, as it deduplicates
        self._tokens_given = 0
        self._live_tokens: set[str] = set()
        self._old_tokens: set[str] = set()

    def answer(self, request: SimRequest) -> SimResponse:
        if request.path == "/token":
            return self._token(request)
        outcome = self._authorised(request) or self._outcome(request)
        self.accepted += outcome.accepted
        self.refused += outcome.refused
        return outcome.response

    def expire_tokens(self) -> None:
        """Every token given so far is old from now on."""
        self._old_tokens |= self._live_tokens
        self._live_tokens.clear()

    def bad_token(self) -> SimResponse:
        return refuse(401, "OAUTH_TOKEN_REVOKED", "The token has been revoked.", kind="authenticationError").response

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        """Both APIs' details in one answer: each way reads its own."""
        error: dict[str, Any] = {"errorCode": {"quotaError": "RESOURCE_EXHAUSTED"}, "message": "Too many requests."}
        if retry_after_s is not None:
            delay = {"rateScope": "ACCOUNT", "rateName": "Requests per minute", "retryDelay": f"{retry_after_s:g}s"}
            error["details"] = {"quotaErrorDetails": delay}
        info: dict[str, Any] = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}
        info["metadata"] = {"quota_limit": "IngestEventsRequestsPerMinutePerProject"}
        details = [{"@type": FAILURE_TYPE, "errors": [error]}, info]
        words = "Resource has been exhausted (e.g. check quota)."
        body = {"code": 429, "message": words, "status": "RESOURCE_EXHAUSTED", "details": details}
        return answer_json({"error": body}, 429)

    def _authorised(self, request: SimRequest) -> Outcome | None:
        """What both ways demand: a live bearer token and a JSON content type."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        known = self.account.access_tokens
        kind = "authenticationError"
        if scheme != "Bearer" or not token:
            return refuse(401, "OAUTH_TOKEN_HEADER_INVALID", "no bearer token", kind=kind)
        if token in self._old_tokens:
            return refuse(401, "OAUTH_TOKEN_EXPIRED", "The token has expired.", kind=kind)
        if known is not None and token not in known and token not in self._live_tokens:
            return refuse(401, "OAUTH_TOKEN_INVALID", "The token is not known.", kind=kind)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return refuse(400, "", "content-type is not application/json")
        return None

    def _outcome(self, request: SimRequest) -> Outcome:
        found = UPLOAD.fullmatch(request.path)
        if request.method != "POST" or not (found or request.path == "/v1/events:ingest"):
            return refuse(404, "", f"no such method: {request.method} {request.path}")
        if not found:
            return ingest(self.account, request)
        version, customer = found.groups()
        login = request.headers.get("login-customer-id", customer)
        if version not in SERVED_VERSIONS:
            return refuse(400, "UNSUPPORTED_VERSION", f"{version} is not served")
        if not CUSTOMER.fullmatch(customer) or not CUSTOMER.fullmatch(login):
            return refuse(400, "INVALID_CUSTOMER_ID", f"{customer!r}, {login!r}: 10 digits")
        if not self.account.is_allowlisted:
            code = "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"
            return refuse(403, code, "This customer may not upload.", kind="notAllowlistedError")
        return upload(self.account, self._taken, request, customer)

    def _token(self, request: SimRequest) -> SimResponse:
        """RFC 6749, section 6, and RFC 7523, as https://oauth2.googleapis.com/token answers."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        refresh_token, known = form.get("refresh_token", ""), self.account.refresh_tokens
        if request.method != "POST" or request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return self._no_token(400, "invalid_request", "The request is no form.")
        if form.get("grant_type") == JWT_GRANT:
            return self._token_of_assertion(form.get("assertion", ""), request.at_ms // 1_000)
        if form.get("grant_type") != "refresh_token":
            return self._no_token(400, "unsupported_grant_type", "Invalid grant_type.")
        if not form.get("client_id") or not form.get("client_secret"):
            return self._no_token(401, "invalid_client", "Unauthorized")
        if not refresh_token or (known is not None and refresh_token not in known):
            return self._no_token(400, "invalid_grant", "Token has been expired or revoked.")
        return self._new_token()

    def _token_of_assertion(self, assertion: str, now_s: int) -> SimResponse:
        fault = assertion_fault(assertion, self.account.service_accounts, now_s)
        return self._no_token(400, "invalid_grant", fault) if fault else self._new_token()

    def _new_token(self) -> SimResponse:
        self._tokens_given += 1
        token = f"simulated-token-{self._tokens_given}"
        self._live_tokens.add(token)
        return answer_json({"access_token": token, "expires_in": TOKEN_LIFE_S, "token_type": "Bearer"})

    def _no_token(self, status: int, code: str, words: str) -> SimResponse:
        self.refused.append(f"{status} {code}")
        return answer_json({"error": code, "error_description": words}, status)
