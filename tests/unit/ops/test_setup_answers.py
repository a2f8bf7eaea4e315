from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.errors import UsageError
from appliance.node.wishes import UpOptions, up_options
from appliance.ops.planning import DEFAULT_USERS
from appliance.ops.setup.answers import (
    FIELDS,
    Answers,
    answers_of,
    answers_schema,
    answers_toml,
    fault_of,
    read_answers,
)
from appliance.ops.setup.options import BY_NAME, OPTIONS, PAGES, flags, lines

printable = st.text(min_size=1, max_size=40).filter(str.isprintable)
names = printable.filter(lambda text: text == text.strip())
paths = printable.map(lambda text: str(Path("/", text)))
models = st.sampled_from(["quality", "balanced", "fastest", "deepseek-r1:q4_k_m", "hf:a/b@main"])
sources = st.sampled_from(["hubs", "hf", "ms,hf", "peer:ward-3", "peer:10.0.0.4:8481"])
answers = st.builds(
    Answers,
    language=st.sampled_from([None, "en", "zh"]),
    users=st.none() | st.integers(1, 10_000),
    style=st.sampled_from(["chat", "documents", "code"]),
    context=st.none() | st.integers(256, 2**20),
    model=st.none() | models | paths.map(lambda path: f"file:{path}"),
    source=sources | paths.map(lambda path: f"file:{path}"),
    key_name=st.none() | names,
    adapt=st.booleans(),
    allow_cpu=st.booleans(),
)
anything = st.none() | st.booleans() | st.integers() | st.text()
AGAIN = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@AGAIN
@given(answers)
def test_what_is_written_is_what_is_read(tmp_path: Path, some: Answers) -> None:
    path = written(tmp_path / "answers.toml", answers_toml(some))

    assert answers_of(read_answers(path)) == some


@AGAIN
@given(answers)
def test_the_lines_of_the_pages_are_the_whole_file(tmp_path: Path, some: Answers) -> None:
    path = written(tmp_path / "answers.toml", "\n".join(lines(some)))

    assert answers_of(read_answers(path)) == some
    together = [line for page in PAGES for line in lines(some, page)]
    assert sorted(together) == sorted(lines(some))


@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "modle", "x"]),
        st.none() | st.booleans() | st.integers() | st.text(),
    )
)
def test_no_values_are_worse_than_a_usage_error(values: dict[str, object]) -> None:
    with suppress(UsageError):
        assert isinstance(answers_of(values), Answers)


def test_an_empty_file_takes_everything_as_it_is(tmp_path: Path) -> None:
    assert answers_of(read_answers(written(tmp_path / "a.toml", ""))) == Answers()


def test_every_fault_is_told_with_its_file_line_name_and_what_is_allowed(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.toml",
        '# a comment\nusers = 0\nstyle = "talk"\n\nmodle = "x"\ncontext = "long"\n[zzz]\n',
    )

    with pytest.raises(UsageError) as caught:
        read_answers(path)

    told = str(caught.value)
    assert f"{path}, line 2, users: 0 is not allowed; a whole number from 1 to 10000" in told
    assert f"{path}, line 3, style: 'talk' is not allowed; chat, documents or code" in told
    assert f"{path}, line 5, modle: there is no such answer; did you mean model?" in told
    assert f"{path}, line 6, context: 'long' is not allowed" in told
    assert f"{path}, line 7, zzz: there is no such answer; there are: language" in told
    assert "--print-schema" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["users = \n", "users = 1\nusers = 2\n", '"\n'])
def test_a_file_that_is_no_toml_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "a.toml", text)

    with pytest.raises(UsageError, match=r"line [12]"):
        read_answers(path)


def test_a_file_in_another_encoding_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes('key_name = "病房"'.encode("gbk"))

    with pytest.raises(UsageError):
        read_answers(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", "ftp:somewhere"), ("source", "hf,"), ("source", "file:"), ("source", "peer:"),
        ("model", ""), ("model", "hf:"), ("model", "a b"), ("key_name", " first"),
        ("key_name", "a\nb"),
        ("key_name", "x" * 65), ("users", True), ("users", 10_001), ("context", 255), ("adapt", 1),
        ("language", "de"), ("key_name", "\udcff"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(name: str, value: object) -> None:
    assert "is not allowed" in (fault_of(name, value) or "")


def test_paths_are_meant_from_where_the_operator_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    found = answers_of({"model": "file:a.gguf", "source": "file:usb"})

    assert found.model == f"file:{tmp_path}/a.gguf"
    assert found.source == f"file:{tmp_path}/usb"


def test_the_table_and_the_answers_are_of_one_mind() -> None:
    assert [option.name for option in OPTIONS] == list(FIELDS)
    for option in OPTIONS:
        assert option.page in PAGES
        assert fault_of(option.name, option.example) is None
        for preset in option.presets:
            assert preset is None or fault_of(option.name, preset) is None
        answers_of({option.name: option.example})
    assert BY_NAME["users"].usual == DEFAULT_USERS


def test_the_schema_describes_every_answer() -> None:
    schema = json.loads(json.dumps(answers_schema()))
    answers = schema["$defs"]["Answers"]

    assert answers["additionalProperties"] is False
    assert set(answers["properties"]) == set(FIELDS)
    assert all(entry["description"] for entry in answers["properties"].values())


def test_flags_are_for_a_shell() -> None:
    some = answers_of({"users": 12, "key_name": "ward 3", "adapt": True, "language": "zh"})

    assert flags(some) == ["--lang", "zh", "--users", "12", "--key-name", "'ward 3'", "--adapt"]
    assert flags(some, "people") == ["--users", "12", "--adapt"]
    assert flags(Answers()) == []


def test_the_main_job_is_told_every_answer_it_knows() -> None:
    some = answers_of({"model": "quality", "users": 3, "style": "code", "source": "ms",
                       "key_name": "k", "allow_cpu": True, "context": 4096})  # fmt: skip

    assert up_options(some) == UpOptions(
        model="quality", users=3, style="code", source="ms", key_name="k", allow_cpu=True,
        context=4096,
    )  # fmt: skip


def test_the_file_explains_what_it_leaves_open() -> None:
    text = answers_toml(Answers(users=12))

    assert "users = 12\n" in text
    assert '# model = "balanced"\n' in text
    assert tomllib.loads(text) == {"users": 12}
