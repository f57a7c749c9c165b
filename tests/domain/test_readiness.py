"""When a new key works: each row of the table, and what holds for any run of answers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.kinds import Kind
from bot.domain.readiness import Answer, Probe, abandoned, after, begin, met, unreachable

MADE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
GAPS = (5, 10, 15, 20, 30)
NOT_KAFKA = [kind for kind in Kind if kind is not Kind.KAFKA]


def looked(kind: Kind, *statuses: int, jitter: float = 0, wait: timedelta | None = None) -> tuple[Probe, datetime]:
    """The plan after these answers, each at its planned time; and the time of the last one."""
    probe, now = begin(kind, MADE), MADE
    for status in statuses:
        assert probe.next_at is not None, f"no look at {status} after {probe}"
        now = probe.next_at
        probe = after(kind, probe, Answer(status, wait=wait), MADE, now, jitter)
    return probe, now


def at(kind: Kind, age: timedelta, status: int, probe: Probe | None = None) -> Probe:
    """The plan after one answer at this age of the key."""
    return after(kind, probe or begin(kind, MADE), Answer(status), MADE, MADE + age, 0)


@pytest.mark.parametrize("kind", Kind)
def test_the_first_look_is_soon_and_later_for_kafka(kind: Kind) -> None:
    assert begin(kind, MADE) == Probe(next_at=MADE + (20 if kind is Kind.KAFKA else 5) * SECOND)


@pytest.mark.parametrize("kind", Kind)
def test_looks_slow_down(kind: Kind) -> None:
    gaps = []
    for many in range(1, 9):
        probe, now = looked(kind, *[401] * many)
        assert probe.next_at is not None
        gaps.append((probe.next_at - now).total_seconds())

    assert gaps == [*GAPS, 30, 30, 30]


@pytest.mark.parametrize(("jitter", "seconds"), [(-1, 4), (0, 5), (1, 6)])
def test_chance_moves_a_look_by_a_fifth(jitter: float, seconds: int) -> None:
    probe, now = looked(Kind.CLOUD, 401, jitter=jitter)

    assert probe.next_at == now + seconds * SECOND


@pytest.mark.parametrize("kind", NOT_KAFKA)
def test_one_success_is_enough_elsewhere(kind: Kind) -> None:
    probe, now = looked(kind, 401, 200)

    assert (probe.verdict, probe.at, probe.next_at, probe.tries) == ("works", now, None, 2)


def test_kafka_needs_two_successes_twenty_seconds_apart() -> None:
    once, first = looked(Kind.KAFKA, 200)
    twice, second = looked(Kind.KAFKA, 200, 200)

    assert (once.verdict, once.passed_at, once.next_at) == ("", first, first + 20 * SECOND)
    assert (twice.verdict, twice.at, second - first) == ("works", second, 20 * SECOND)


def test_kafka_is_not_believed_before_the_twenty_seconds_are_over() -> None:
    once, first = looked(Kind.KAFKA, 200)

    early = after(Kind.KAFKA, once, Answer(200), MADE, first + 19 * SECOND, -1)

    assert (early.verdict, early.passed_at) == ("", first)
    assert early.next_at is not None
    assert early.next_at >= first + 20 * SECOND


@pytest.mark.parametrize("between", [401, 403, 503, 0])
def test_kafka_must_succeed_twice_in_a_row(between: int) -> None:
    probe, _ = looked(Kind.KAFKA, 200, between, 200)

    assert (probe.verdict, probe.next_at is not None) == ("", True)
    assert looked(Kind.KAFKA, 200, between, 200, 200)[0].verdict == "works"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503, 504])
def test_a_refusal_or_trouble_of_a_new_key_is_waited_out(kind: Kind, status: int) -> None:
    probe, _ = looked(kind, status, status)

    assert (probe.verdict, probe.next_at is not None, probe.tries) == ("", True, 2)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("status", [400, 404])
def test_only_flink_does_not_know_the_place_yet(kind: Kind, status: int) -> None:
    assert looked(kind, status)[0].verdict == ("" if kind is Kind.FLINK else "gave-up")


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("status", [204, 302, 402, 410, 418, 501])
def test_any_other_answer_ends_it_and_is_told(kind: Kind, status: int) -> None:
    answer = Answer(status, "  I am\na teapot. ", "req-7")

    probe = after(kind, begin(kind, MADE), answer, MADE, MADE + MINUTE, 0)

    assert (probe.verdict, probe.at, probe.next_at) == ("gave-up", MADE + MINUTE, None)
    assert (probe.last, probe.reference) == (f"HTTP {status}, I am a teapot", "req-7")


@pytest.mark.parametrize("kind", Kind)
def test_nothing_answering_twice_in_a_row_is_unreachable(kind: Kind) -> None:
    once, _ = looked(kind, 0)
    twice, now = looked(kind, 0, 0)

    assert (once.verdict, once.last) == ("", "nothing answered")
    assert (twice.verdict, twice.at, twice.next_at) == ("unreachable", now, None)
    assert looked(kind, 0, 401, 0)[0].verdict == "", "not in a row"


@pytest.mark.parametrize("kind", Kind)
def test_forbidden_counts_once_the_key_is_two_minutes_old(kind: Kind) -> None:
    young = at(kind, 119 * SECOND, 403, at(kind, 118 * SECOND, 403, at(kind, 117 * SECOND, 403)))
    first = at(kind, 2 * MINUTE, 403, young)
    second = at(kind, 3 * MINUTE, 403, first)
    third = at(kind, 4 * MINUTE, 403, second)

    assert [each.forbidden for each in (young, first, second, third)] == [0, 1, 2, 3]
    assert [each.verdict for each in (young, first, second)] == ["", "", ""]
    assert (third.verdict, third.next_at) == ("no-permission", None)


@pytest.mark.parametrize("status", [429, 503])
def test_a_wish_to_wait_is_respected(status: int) -> None:
    probe, now = looked(Kind.SCHEMA_REGISTRY, status, wait=77 * SECOND)
    soon, then = looked(Kind.SCHEMA_REGISTRY, status, wait=SECOND)

    assert probe.next_at == now + 77 * SECOND
    assert soon.next_at == then + 5 * SECOND, "our own pace is slower"


@pytest.mark.parametrize("kind", Kind)
def test_after_ten_minutes_it_is_given_up_with_the_last_answer(kind: Kind) -> None:
    probe, now = begin(kind, MADE), MADE
    while probe.next_at is not None:
        now = probe.next_at
        probe = after(kind, probe, Answer(401, "Unauthorized"), MADE, now, 0.3)

    assert (probe.verdict, probe.at, probe.last) == ("gave-up", MADE + 10 * MINUTE, "HTTP 401, Unauthorized")


@pytest.mark.parametrize(("status", "verdict"), [(403, "no-permission"), (0, "unreachable"), (401, "gave-up")])
def test_a_look_that_begins_late_is_a_proper_one(status: int, verdict: str) -> None:
    probe, now = begin(Kind.KSQLDB, MADE), MADE + 3 * timedelta(hours=1)
    while probe.next_at is not None:
        now = max(now, probe.next_at)
        probe = after(Kind.KSQLDB, probe, Answer(status), MADE, now, 0)

    assert (probe.verdict, probe.tries) == (verdict, 2 if status == 0 else 3)


def test_a_late_first_success_of_kafka_is_looked_at_again() -> None:
    once = at(Kind.KAFKA, 30 * MINUTE, 200, Probe(next_at=MADE, tries=9))

    assert (once.verdict, once.next_at) == ("", MADE + 30 * MINUTE + 30 * SECOND)
    assert at(Kind.KAFKA, 31 * MINUTE, 200, once).verdict == "works"
    assert at(Kind.KAFKA, 31 * MINUTE, 401, once).verdict == "gave-up"


def test_a_number_in_the_words_of_an_answer_decides_nothing() -> None:
    words = Answer(503, "Request 50321 came while the server starts.")

    probe = after(Kind.KSQLDB, begin(Kind.KSQLDB, MADE), words, MADE, MADE + timedelta(seconds=5), 0)

    assert probe.verdict == ""


def test_a_ksqldb_cluster_in_trouble_of_its_own_is_not_held_against_the_key() -> None:
    answer = Answer(503, "50321: the server cannot read its own topics.", code="50321")

    probe = after(Kind.KSQLDB, begin(Kind.KSQLDB, MADE), answer, MADE, MADE + MINUTE, 0)

    assert (probe.verdict, probe.next_at) == ("gave-up", None)
    assert "the key is fine (50321: the server cannot read its own topics)" in probe.last
    assert after(Kind.KAFKA, begin(Kind.KAFKA, MADE), answer, MADE, MADE + MINUTE, 0).verdict == ""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(401), "HTTP 401"),
        (Answer(401, "401 Unauthorized"), "HTTP 401 Unauthorized"),
        (Answer(403, "Not authorized."), "HTTP 403, Not authorized"),
        (Answer(0, "no such host"), "nothing answered (no such host)"),
        (Answer(0), "nothing answered"),
    ],
)
def test_an_answer_is_told_in_words(answer: Answer, words: str) -> None:
    assert met(Kind.KAFKA, answer) == words


def test_long_answers_are_cut() -> None:
    probe = after(Kind.KAFKA, Probe(), Answer(401, "word " * 5000), MADE, MADE, 0)

    assert len(probe.last) < 220
    assert probe.last.endswith("…")


def test_what_cannot_be_looked_at_is_said_at_once() -> None:
    probe = unreachable(begin(Kind.KAFKA, MADE), MADE + MINUTE, "Confluent gives no address for it")

    assert (probe.verdict, probe.at, probe.next_at) == ("unreachable", MADE + MINUTE, None)
    assert probe.last == "Confluent gives no address for it"


def test_a_look_that_nobody_can_take_any_more_leaves_what_is_known() -> None:
    known, _ = looked(Kind.KAFKA, 200)

    assert abandoned(known).next_at is None
    assert (abandoned(known).passed_at, abandoned(known).verdict) == (known.passed_at, "")


answers = st.builds(
    Answer,
    status=st.sampled_from([0, 200, 200, 204, 400, 401, 401, 403, 403, 404, 429, 500, 501, 503]),
    detail=st.text(max_size=300),
    reference=st.text(max_size=20),
    wait=st.none() | st.timedeltas(timedelta(0), timedelta(minutes=3)),
)


REFUSED = Answer(401)
UNTIL_IT_ENDS = [(REFUSED, 0.0, 0)] * 60
UP_TO_A_SECOND_BEFORE_THE_END = [(REFUSED, 0.0, 240), (REFUSED, 0.0, 240), (REFUSED, 0.0, 99)]


@pytest.mark.search
@given(st.sampled_from(Kind), st.lists(st.tuples(answers, st.floats(-1, 1), st.integers(0, 240)), max_size=60))
@example(Kind.CLOUD, UP_TO_A_SECOND_BEFORE_THE_END)
@example(Kind.CLOUD, [*UP_TO_A_SECOND_BEFORE_THE_END[:2], (Answer(429, wait=7 * SECOND), -1.0, 99)])
@example(Kind.KAFKA, [*UP_TO_A_SECOND_BEFORE_THE_END[:2], (Answer(200), -1.0, 84), (REFUSED, 0.0, 0)])
def test_any_run_moves_on_and_ends_in_one_verdict(kind: Kind, run: list[tuple[Answer, float, int]]) -> None:
    probe, ends = begin(kind, MADE), 0
    for answer, jitter, late in [*run, *UNTIL_IT_ENDS]:
        if probe.next_at is None:
            break
        now = probe.next_at + late * SECOND
        before, probe = probe, after(kind, probe, answer, MADE, now, jitter)
        assert (probe.verdict == "") == (probe.next_at is not None)
        assert probe.tries == before.tries + 1
        assert probe.at is None if probe.next_at else probe.at == now
        if probe.next_at:
            soonest, latest = due(probe, answer, now)
            assert soonest <= probe.next_at <= latest
        ends += now >= MADE + 10 * MINUTE
    assert probe.verdict
    assert ends <= 5, "looks after the ten minutes"


def due(probe: Probe, answer: Answer, now: datetime) -> tuple[datetime, datetime]:
    """The bounds of the next look: our pace give or take a fifth, pulled forward to the end of the ten minutes.

    Never sooner than the other side wishes. Kafka's second success has to be twenty seconds away, whatever the end.
    """
    gap, end = GAPS[min(probe.tries, len(GAPS)) - 1] * SECOND, MADE + 10 * MINUTE
    soonest, latest = now + gap * 0.8, now + gap * 1.2
    if answer.status == 200:
        assert probe.passed_at is not None
        apart = probe.passed_at + 20 * SECOND
        return max(soonest, apart), max(latest, apart)
    if now < end:
        soonest, latest = min(soonest, end), min(latest, end)
    wished = now + (answer.wait or timedelta())
    return max(soonest, wished), max(latest, wished)


SLOW = Answer(503, wait=3 * MINUTE)


@given(st.sampled_from(Kind), st.lists(st.tuples(answers, st.floats(-1, 1)), max_size=60))
@example(Kind.FLINK, [*[(SLOW, 0.0)] * 4, (Answer(403), 0.0)])
def test_works_is_said_only_of_a_key_that_was_accepted(kind: Kind, run: list[tuple[Answer, float]]) -> None:
    probe, met = begin(kind, MADE), []
    for answer, jitter in run:
        if probe.next_at is None:
            break
        now = probe.next_at
        met.append((answer.status, now))
        probe = after(kind, probe, answer, MADE, now, jitter)

    if probe.verdict == "works":
        needed = met[-2:] if kind is Kind.KAFKA else met[-1:]
        assert [status for status, _ in needed] == [200] * (2 if kind is Kind.KAFKA else 1)
        assert kind is not Kind.KAFKA or needed[1][1] - needed[0][1] >= 20 * SECOND
    if probe.verdict == "no-permission":
        (last, now), counted = met[-1], [status for status, when in met if when - MADE >= 2 * MINUTE].count(403)
        assert last == 403
        assert counted == 3 or (counted < 3 and now - MADE >= 10 * MINUTE)
    if probe.verdict == "unreachable":
        assert [status for status, _ in met[-2:]] == [0, 0]


def test_a_refusal_of_permission_that_lasts_ten_minutes_is_no_matter_of_spreading() -> None:
    """A Latchkey that was away meanwhile has not seen three of them, and need not."""
    probe = at(Kind.SCHEMA_REGISTRY, 5 * SECOND, 401)
    probe = at(Kind.SCHEMA_REGISTRY, 11 * MINUTE, 403, probe)
    assert probe.verdict == ""

    assert at(Kind.SCHEMA_REGISTRY, 12 * MINUTE, 403, probe).verdict == "no-permission"
