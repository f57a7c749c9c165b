import gzip
import json

import httpx
import pytest

from bot.confluent.failures import (
    Lost,
    Method,
    Outcome,
    asked_to_wait,
    coded_words,
    describe,
    reference,
    translated,
    trouble_of,
    words,
)
from bot.domain.errors import CloudRefused, KeyRefused, LatchkeyError, Unavailable, Unknown
from tests.confluent.fake import DATA, NEW_SECRET

WORDS = {
    "400-filter.json": "page_token is not valid",
    "400-quota.json": "Your organization is currently limited to 1000 API keys",
    "401-kafka-rest.html": "418 I'm a Teapot",
    "401-observed-no-code.json": "Unauthorized",
    "401-spec.json": "Valid authentication credentials must be provided",
    "402-quota.json": "Your organization is currently limited to 1000 API keys",
    "403-gateway-invalid-key.json": "invalid API key",
    "403-observed.json": "Forbidden Access",
    "404-api-key.json": "The API Key (id=EXAMPLEKEY000000) does not exist",
    "404-service-account.json": "Service Account Not Found",
    "409-service-name.json": "Service name is already in use",
    "422-validation.json": "The property spec.owner is required",
    "message-only.json": "Not Found",
    "prose-2026-form.json": "Too many requests",
    "schema-registry-401.json": "Unauthorized",
}


def test_every_sample_of_an_error_has_its_words_here() -> None:
    assert {path.name for path in (DATA / "errors").iterdir()} == WORDS.keys()


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip without a header"])
def test_confluents_words_are_found_in_every_form(name: str, pack: type[bytes]) -> None:
    response = httpx.Response(418, content=pack((DATA / "errors" / name).read_bytes()))

    assert words(response) == WORDS[name]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        '{"errors": null}',
        '{"errors": []}',
        '{"errors": ["text"]}',
        '{"errors": {"detail": "x"}}',
        '{"errors": [{"detail": {"deep": 1}}]}',
        '{"message": 7}',
        '{"error": null}',
        '{"error": []}',
        "\x1f\x8b broken",
    ],
)
def test_a_body_that_says_nothing_leaves_the_status(body: str) -> None:
    assert words(httpx.Response(403, content=body.encode("latin-1"))) == "403 Forbidden"
    assert words(httpx.Response(499, content=body.encode("latin-1"))) == "499"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "plain text"}, "plain text"),
        ({"errors": [{"title": "Quota"}]}, "Quota"),
        ({"errors": [{"detail": "Too many.", "resolution": "Delete some."}]}, "Too many. Delete some."),
        ({"errors": [{"detail": "first"}, {"detail": "second"}], "message": "third"}, "first"),
    ],
)
def test_the_order_of_words(body: object, said: str) -> None:
    assert words(httpx.Response(400, json=body)) == said


def test_confluents_words_are_cleaned_and_cut() -> None:
    said = "line one\r\nline\ttwo \x1b[31mred\u202e\u2028" + "x " * 400

    cleaned = words(httpx.Response(400, json={"message": said}))

    assert cleaned.startswith("line one line two [31mred x x")
    assert cleaned.isprintable()
    assert len(cleaned) == 500


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403, headers={"X-Request-Id": NEW_SECRET}),
        httpx.Response(403, json={"requestId": f"for {NEW_SECRET}"}),
    ],
    ids=["header", "body"],
)
def test_a_secret_in_place_of_a_reference_is_removed(answer: httpx.Response) -> None:
    assert "[removed]" in reference(answer)
    assert NEW_SECRET not in f"{reference(answer)} {describe(answer)} {coded_words(answer)}"


def test_a_secret_in_confluents_words_is_removed() -> None:
    assert words(httpx.Response(400, json={"message": f"bad {NEW_SECRET}!"})) == "bad [removed]!"


def test_a_packed_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(json.dumps({"message": "x" * 50_000_000}).encode())

    assert words(httpx.Response(400, content=bomb)) == "400 Bad Request"


def test_the_reference_is_confluents_request_id() -> None:
    in_body = {"requestId": "b-" * 150}

    assert reference(httpx.Response(400, headers={"X-Request-Id": "a"}, json=in_body)) == "a"
    assert reference(httpx.Response(400, json=in_body)) == "b-" * 50
    assert reference(httpx.Response(400)) == ""


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(401),
        httpx.Response(401, content=(DATA / "errors" / "401-observed-no-code.json").read_bytes()),
        httpx.Response(403, content=(DATA / "errors" / "403-gateway-invalid-key.json").read_bytes()),
        httpx.Response(403, json={"error": {"code": 403, "message": "key is not known here"}}),
        httpx.Response(403, json={"error": {"code": 403, "message": "Your IP is not allowed"}}),
        httpx.Response(403, content=(DATA / "errors" / "401-spec.json").read_bytes()),
    ],
)
def test_a_refusal_of_our_own_key_is_for_operators(response: httpx.Response) -> None:
    error = translated("POST", "/iam/v2/api-keys", response)

    assert isinstance(error, KeyRefused)
    assert isinstance(error, Unavailable)
    assert error.tell == (
        "Confluent Cloud rejects Latchkey's own key, or its address (an IP filter). "
        "Nothing changed. Ask your Latchkey administrator to look into it."
    )


@pytest.mark.parametrize(
    "body",
    [
        (DATA / "errors" / "403-observed.json").read_bytes(),
        b'{"errors": [{"status": "403", "detail": "Refer to invalid API key 401 elsewhere"}]}',
        b'{"status": 403, "error": {"code": "FORBIDDEN", "message": "invalid API key"}, "requestId": "b"}',
        b'{"message": "invalid API key"}',
        b"",
    ],
)
def test_other_refusals_are_not_about_our_key_whatever_their_words_and_ids_say(body: bytes) -> None:
    response = httpx.Response(403, headers={"X-Request-Id": "r-401"}, content=body)

    assert isinstance(translated("GET", "/org/v2/organizations", response), CloudRefused)


def test_a_refusal_keeps_what_confluent_said() -> None:
    response = httpx.Response(402, headers={"X-Request-Id": "r-1"}, json={"message": "limited to 10"})

    error = translated("POST", "/iam/v2/api-keys", response)

    assert isinstance(error, CloudRefused)
    assert (error.status, error.detail, error.reference) == (402, "limited to 10", "r-1")
    assert str(error) == "402 limited to 10 (X-Request-Id r-1)"


@pytest.mark.parametrize(
    ("error", "promise"),
    [
        (translated("GET", "/x", Lost("ReadError", sent=True)), "Nothing changed"),
        (translated("POST", "/x", Lost("ConnectError", sent=False)), "Nothing changed"),
        (translated("POST", "/x", Lost("ReadError", sent=True)), "may or may not exist"),
        (translated("POST", "/x", httpx.Response(500)), "may or may not exist"),
        (translated("DELETE", "/x", Lost("ReadError", sent=True)), "deleting it again is safe"),
        (translated("GET", "/x", httpx.Response(429)), "Nothing changed"),
        (translated("GET", "/x", httpx.Response(429, headers={"Retry-After": "1"})), "Try again in 1 second."),
        (translated("GET", "/x", httpx.Response(429, headers={"Retry-After": "2"})), "Try again in 2 seconds."),
    ],
)
def test_people_are_told_whether_anything_changed(error: LatchkeyError, promise: str) -> None:
    assert promise in error.tell
    assert error.tell.endswith(".")


@pytest.mark.parametrize(
    ("method", "outcome", "happened"),
    [
        ("POST", httpx.Response(500), "Confluent Cloud reported an error."),
        ("POST", httpx.Response(503), "Confluent Cloud reported an error."),
        ("GET", httpx.Response(500), "Confluent Cloud reported an error."),
        ("POST", Lost("ReadError", sent=True), "No clear answer from Confluent Cloud."),
        ("POST", Lost("ConnectError", sent=False), "Confluent Cloud couldn't be reached."),
        ("GET", Lost("ReadError", sent=True), "Confluent Cloud didn't answer."),
    ],
)
def test_an_error_that_confluent_reports_is_not_called_a_lost_answer(
    method: Method, outcome: Outcome, happened: str
) -> None:
    error = translated(method, "/x", outcome)

    assert isinstance(error, Unavailable | Unknown)
    assert error.happened == happened


def test_a_server_error_after_a_create_quotes_no_body() -> None:
    error = translated("POST", "/x", httpx.Response(500, text="body", headers={"X-Request-Id": "r-1\x00"}))

    assert isinstance(error, Unknown)
    assert str(error) == "POST /x: 500 (X-Request-Id r-1)"


def test_nobody_waits_longer_than_an_hour() -> None:
    assert asked_to_wait(httpx.Response(429, headers={"Retry-After": "9" * 400})) == 3600


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (httpx.Response(200), None),
        (httpx.Response(404, json={"errors": [{"status": "404"}]}), None),
        (httpx.Response(403, json={"errors": [{"status": "403"}]}), None),
        (httpx.Response(401), "rejected Latchkey's own key"),
        (httpx.Response(403, json={"error": {"code": 403}}), "rejected Latchkey's own key"),
        (httpx.Response(429), "didn't answer properly the last time: 429"),
        (httpx.Response(503), "didn't answer properly the last time: 503"),
        (Lost("ConnectTimeout", sent=False), "didn't answer properly the last time: ConnectTimeout"),
    ],
)
def test_an_outcome_is_the_trouble_of_confluent_or_of_nobody(outcome: httpx.Response | Lost, said: str | None) -> None:
    found = trouble_of(outcome)

    assert found is None if said is None else said in (found or "")
