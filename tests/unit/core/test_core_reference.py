"""References: whatever is accepted says itself again; whatever is hostile is refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import UsageError
from appliance.core.reference import (
    CatalogReference,
    FileReference,
    HubReference,
    IndexReference,
    PeerReference,
    from_here,
    parse_reference,
)

WORD = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
REFERENCES = st.one_of(
    st.builds(
        CatalogReference,
        WORD.filter(lambda w: w not in ("hf", "ms", "index", "file", "peer")),
        st.none() | WORD,
    ),
    st.builds(
        HubReference,
        st.sampled_from(["hf", "ms"]),
        st.builds("{}/{}".format, WORD.filter(".".strip), WORD.filter(".".strip)),
        st.none() | WORD.filter(lambda w: ".." not in w),
        st.none() | st.builds("{}/*{}.gguf".format, WORD, WORD),
    ),
    st.builds(IndexReference, WORD, WORD, st.builds("{}/{}.gguf".format, WORD, WORD)),
    st.builds(
        PeerReference,
        st.sampled_from(["ward-3", "10.0.0.7", "[fd00::1]", "gpu.lan"]),
        st.integers(1, 65535),
        st.sampled_from(["deepseek-r1:q4_k_m", "hf:org/name:*Q4.gguf", "file:/models/a b.gguf"]),
    ),
    st.builds(FileReference, st.text(min_size=1).filter(lambda t: "\0" not in t)),
)


@given(REFERENCES)
def test_round_trip(reference: object) -> None:
    assert parse_reference(str(reference)) == reference


@given(
    st.text() | st.builds("{}:{}".format, st.sampled_from(["hf", "ms", "index", "peer"]), st.text())
)
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        found = parse_reference(text)
        assert parse_reference(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "::", "hf:", "hf:nonsense", "ms:", "hf:../..", "hf:org/..", "hf:../name",
        "hf:org/name@../../x", "hf:org/name:../secret.gguf", "hf:org/name:/etc/passwd",
        "hf:org/name:a\\..\\b", "hf:org/name:a b", "hf:org/name\n", "hf:org/na/me",
        "index:", "index:project:path", "index:p==1:../x", "index:p==1:/x", "index:p==1:a\nb",
        "peer:", "peer:host", "peer:host/", "peer:host:0/m", "peer:host:99999/m", "peer:a b/m",
        "peer:host/m\n", "peer:user@host/m", "peer:[::1/m",
        "file:", "file:a\0b", "http://host/x", "a b", "q:4:k", "../x", "deepseek:q4\n",
    ],
)  # fmt: skip
def test_hostile_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_reference(text)
    assert refused.value.code == "BAD-REFERENCE"
    assert str(refused.value.hint)


def test_names_of_the_catalogue_are_read_in_any_case() -> None:
    assert parse_reference("DeepSeek-V3:Q4_K_M") == CatalogReference("deepseek-v3", "q4_k_m")


def test_a_path_of_here_means_the_same_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")

    assert from_here("file:x/y.gguf") == f"file:{tmp_path}/x/y.gguf"
    assert from_here("file:~/y.gguf") == "file:/home/someone/y.gguf"
    assert from_here("file:/y.gguf") == "file:/y.gguf"
    assert from_here("hf:org/name") == "hf:org/name"
    assert from_here("file:") == "file:"
