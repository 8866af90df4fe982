"""Texts without the secrets of this process."""

import html
import io
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform import redaction
from ml_platform.child_process import last_line_of
from ml_platform.errors import DeclarationError, FileRefused, LakeError, PlatformError, PromotionRefused, first_line
from ml_platform.redaction import hide, hide_alert_address, hide_database_address, without_address, without_secrets
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.settings import Settings

PASSWORD = "mellon/7 'Ä\\x"  # a blank, a quote, a slash, a backslash and a letter beyond ASCII


@pytest.fixture(autouse=True)
def registry_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(redaction, "_hidden", frozenset())
        patch.setattr(redaction, "_pattern", None)
        yield


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in a URL": lambda text: quote(text, safe=""),
    "in a URL, in small letters": lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    "in a path": quote,
    "in a form": quote_plus,
    "as Python": lambda text: repr(text)[1:-1],
    "as JSON": lambda text: json.dumps(text)[1:-1],
    "as JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "as a SQL text": lambda text: text.replace("'", "''"),
    "as a word of libpq": lambda text: text.replace("\\", "\\\\").replace("'", "\\'"),
    "in HTML": html.escape,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_blotted_out_in_every_form_in_which_a_text_may_hold_it(form: str) -> None:
    hide(PASSWORD)
    written = FORMS[form](PASSWORD)
    assert without_secrets(f"it said <{written}>, twice: {written}.") == "it said <***>, twice: ***."


@given(password=st.text(min_size=3, max_size=20).filter(lambda text: text.strip() == text))
def test_no_password_of_an_address_stays_in_a_text(password: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redaction, "_hidden", frozenset())
        _no_password_stays(password)


def _no_password_stays(password: str) -> None:
    address = f"postgresql://ml:{quote(password, safe='')}@db/lake"
    hide_database_address(address)
    for written in (address, f"({password})", f"({quote(password, safe='')})", f"({password!r})"):
        assert without_secrets(written) in ("***", "(***)", "('***')", '("***")')


def test_a_password_is_seen_in_every_way_to_read_a_malformed_address() -> None:
    hide_database_address("postgresql://ml:open@sesame/now@db/lake")
    assert without_secrets('no host "open@sesame/now"; user ml') == 'no host "***"; user ml'
    hide_database_address("host=db user=ml password = 'friend\\'s mellon' dbname=lake")
    assert without_secrets("wrong: friend's mellon") == "wrong: ***"


def test_what_is_written_like_a_password_is_blotted_out_though_nobody_registered_it() -> None:
    assert without_secrets("at host=h password=abc user=u") == "at host=h password=*** user=u"
    assert (
        without_secrets("http://me:abc@h/x and http://127.0.0.1:3001/y")
        == "http://me:***@h/x and http://127.0.0.1:3001/y"
    )


def test_a_short_secret_is_blotted_out_where_it_stands_alone() -> None:
    hide("abc", "x")
    assert without_secrets("abc, 'abc', abcd, x") == "***, '***', abcd, x"


def test_tokens_of_an_alert_address_are_hidden_and_its_plain_words_are_not() -> None:
    hide_alert_address("jsons://bot:t0psecret@hooks.example.com:8443/services/T00AAA111/notify?key=longenough1")
    text = without_secrets("hooks.example.com:8443 services T00AAA111 notify longenough1 t0psecret bot")
    assert text == "hooks.example.com:8443 services *** notify *** *** bot"


def test_an_answer_about_an_address_shows_no_part_of_it_and_breaks_no_other_word() -> None:
    said = "kitchen is no topic of h.example.com; expected kitchen/x, password=abc"
    assert (
        without_address("ntfy://h.example.com/kitchen/x", said)
        == "*** is no topic of ***; expected ***/***, password=***"
    )
    assert without_address("nothing", "it is down") == "it is down"


@pytest.mark.parametrize("text", ["at host=h password=abc", "cannot reach postgresql://ml:abc@h/x"])
def test_an_error_that_quotes_a_password_which_nobody_registered_is_raised_without_it(text: str) -> None:
    for error in (RuntimeError(text), ExceptionGroup("two", [OSError(text)])):
        with pytest.raises(PlatformError) as refused, secret_free_errors():
            raise error
        assert "abc" not in "".join(traceback.format_exception(refused.value))


def test_an_error_of_the_platform_keeps_its_own_words_where_what_led_to_it_holds_a_secret() -> None:
    with pytest.raises(PlatformError) as refused, secret_free_errors():
        try:
            raise ValueError("host=h password=abc")
        except ValueError:
            raise DeclarationError("ML_PLATFORM_CATALOG", "it is wrong", remedy="Mend it.") from None
    assert str(refused.value) == (
        "ML_PLATFORM_CATALOG: it is wrong. Mend it. Its details held a credential and are left out."
    )


def test_a_source_line_that_names_a_password_hides_no_error() -> None:
    password = "none"
    with pytest.raises(ValueError, match="of another kind"), secret_free_errors():
        raise ValueError(dict(password=password) and "of another kind")  # it reads like a password


def test_the_last_line_of_a_process_holds_no_secret_and_nothing_that_is_not_printed() -> None:
    hide("sesame7")
    assert last_line_of(io.BytesIO(b"one\nat sesame7 \x1b[31m password=abc\n")) == "at *** \\x1b[31m password=***"
    assert last_line_of(io.BytesIO(b"")) == ""


def test_every_secret_setting_is_hidden_from_every_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "from-the-environment")
    Settings.model_validate({"catalog": "host=h password=sesame7", "alerts": "tgram://110201543AAHdqTcvCH1vGWJ/7"})
    secrets = ("from-the-environment", "sesame7", "110201543AAHdqTcvCH1vGWJ")
    words = " ".join(secrets)
    errors: list[PlatformError] = [
        LakeError(words, remedy=words),
        DeclarationError(words, words),
        FileRefused("f", words),
        PromotionRefused("p", 1, [words]),
    ]
    for text in [first_line(ValueError(words)), *(f"{error} {vars(error)}" for error in errors)]:
        assert "***" in text and not any(secret in text for secret in secrets)


def test_an_error_is_raised_without_the_secret_of_its_message_its_causes_or_its_notes() -> None:
    hide("sesame7")

    def raised(error: Exception, cause: Exception | None = None, note: str = "") -> str:
        with pytest.raises(PlatformError) as refused, secret_free_errors():
            error.add_note(note)
            raise error from cause
        return "".join(traceback.format_exception(refused.value))

    for text in (
        raised(RuntimeError("at sesame7")),
        raised(RuntimeError("at"), ValueError("sesame7")),
        raised(RuntimeError("at"), note="sesame7"),
    ):
        assert "sesame7" not in text and "RuntimeError: at" in text


def test_an_error_without_a_secret_passes_unchanged() -> None:
    hide("sesame7")
    error = ValueError("no secret")
    with pytest.raises(ValueError, match="no secret") as passed, secret_free_errors():
        raise error
    assert passed.value is error


def test_records_of_a_library_hold_no_secret_whoever_handles_them(caplog: pytest.LogCaptureFixture) -> None:
    hide("sesame7")
    logger = logging.getLogger("some_driver")
    logger.addFilter(redaction.SecretFreeRecords())
    logger.warning("cannot reach %s", "https://h/sesame7")
    assert caplog.messages == ["cannot reach https://h/***"]
