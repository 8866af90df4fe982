"""Malformed addresses of PostgreSQL, judged before libpq quotes a piece of the password."""

from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import ValidationError

from ml_platform.database_address import fault
from ml_platform.redaction import without_secrets
from ml_platform.settings import Settings

# Few letters and all signs that mean something, so that most addresses are nearly right.
PASSWORDS = st.text("ab1@/:?#%&= '\\+,[]", min_size=1, max_size=8)


@given(password=PASSWORDS)
def test_an_address_is_accepted_only_where_libpq_reads_the_whole_password_as_the_password(password: str) -> None:
    for address in (f"postgresql://ml:{password}@db:5432/lake", f"host=db password={password} port=5432 user=ml"):
        if fault(address):
            continue
        read = conninfo_to_dict(address)
        assert (read["host"], read["user"], read.get("port", "5432")) == ("db", "ml", "5432")
        assert set(read) <= {"host", "user", "port", "dbname", "password"}


@given(password=st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text))
def test_every_encoded_password_is_accepted(password: str) -> None:
    address = f"postgresql://ml:{quote(password, safe='')}@db:5432/lake?sslmode=prefer"
    assert fault(address) == "" and conninfo_to_dict(address)["password"] == password
    words = make_conninfo(host="db", user="ml", password=password)
    assert fault(words) == "" and conninfo_to_dict(words)["password"] == password


@pytest.mark.parametrize(
    "address",
    [
        "",
        "dbname=lake",
        "postgres:///lake?host=/var/run/postgresql",
        "postgresql://[::1]:5432/lake",
        "postgresql://a:1,b:2/lake?target_session_attrs=read-write",
        "postgresql://me%40corp:x@db/lake",
        "host = db  user='m l'   options='-c search_path=x'",
    ],
)
def test_what_libpq_understands_is_accepted(address: str) -> None:
    conninfo_to_dict(address)
    assert fault(address) == ""


MALFORMED = {
    "a slash": "postgresql://ml:{}/x@db/lake",
    "an at": "postgresql://ml:{}@x@db/lake",
    "a percent sign": "postgresql://ml:{}%zz@db/lake",
    "a slash and a question mark": "postgresql://ml:{}/x?y@db/lake",
    "another scheme": "mysql://ml:{}@db/lake",
    "a misspelt scheme": "postgress://ml:{}@db/lake",
    "no scheme": "ml:{}@db/lake",
    "a blank in a word": "host=db password={} x user=ml",
    "a quote without end": "host=db password='{} user=ml",
    "text behind a quote": "host=db password='{}'x user=ml",
    "an unknown word": "host=db pasword={}",
    "a port that is none": "host=db port={}",
    "an unknown option": "postgresql://db/lake?pasword={}",
    "a port that is none in a URL": "postgresql://db:{}/lake",
}


@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_address_is_refused_without_a_word_of_it(malformed: str) -> None:
    address = MALFORMED[malformed].format("zebra")
    assert fault(address) and without_secrets(fault(address)) == fault(address), "the advice itself is shown whole"
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"catalog": address})
    assert "zebra" not in fault(address) and "zebra" not in str(refused.value) and "zebra" not in repr(refused.value)


def test_libpq_quotes_pieces_of_a_malformed_address_which_is_why_it_never_sees_one() -> None:
    with pytest.raises(psycopg.ProgrammingError, match="zebra"):
        conninfo_to_dict("host=db password=open zebra")


def test_a_report_address_with_a_password_is_refused_because_pages_and_alerts_show_it() -> None:
    with pytest.raises(ValidationError, match="leave user and password out") as refused:
        Settings.model_validate({"reports_url": "https://me:zebra@reports.example.com"})
    assert "zebra" not in str(refused.value)
