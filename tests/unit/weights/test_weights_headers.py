"""Headers of model files: looked at from afar, and before an engine may open them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from header_fuzz import KINDS, cases
from header_fuzz import check as check_case
from hub import LoopbackHub
from hypothesis import given
from hypothesis import strategies as st
from shelf import MIB, Shelf, small_gguf, some_bytes

from appliance.catalog.gguf import GgufHeader
from appliance.catalog.gguf_write import header_bytes
from appliance.core.errors import Unreachable, VerificationFailed
from appliance.core.i18n import Text, use_language
from appliance.core.reference import HubReference
from appliance.weights.header import check_header, inspecting
from appliance.weights.inspector import Verdict
from appliance.weights.pull import WantedFile
from appliance.weights.repository import look
from appliance.weights.safetensors import check_safetensors
from appliance.weights.template import objection

DEEPSEEK = (
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}"
    "{% endif %}{% set ns = namespace(is_first=false, is_tool=false, system_prompt='') %}"
    "{%- for message in messages %}{%- if message['role'] == 'system' %}"
    "{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}"
    "{{ns.system_prompt}}{% if add_generation_prompt %}{{'<｜Assistant｜><think>\\n'}}{% endif %}"
    "{%- macro call(name) %}{{ name.split('</think>')[-1] | tojson }}{%- endmacro %}"
    "{% generation %}{{ raise_exception('no') }}{% endgeneration %}"
)

BAD_TEMPLATES = [
    ("tokenizer_config.json", b'{"chat_template": "{{ x.__class__.__mro__ }}"}'),
    ("tokenizer_config.json", b'{"chat_template": [{"name": "rag", "template": "{{ x._y }}"}]}'),
    ("tokenizer_config.json", b'{"chat_template": ["{{ x }}", "{% include x %}"]}'),
    ("tokenizer_config.json", b'{"chat_template": {"template": "", "rag": "{{ x._y }}"}}'),
    ("tokenizer_config.json", json.dumps({"chat_template": ["a"] * 20}).encode()),
    ("tokenizer_config.json", b"[1]"),
    ("tokenizer_config.json", b"\xff"),
    ("tokenizer_config.json", b"[" * 100_000),
    ("tokenizer_config.json", b" " * (5 << 20)),
    ("chat_template.json", b'{"chat_template": "{% include x %}"}'),
    ("processor_config.json", b'{"chat_template": "{{ x | attr(y) }}"}'),
    ("chat_template.jinja", b"{{ x.__class__ }}"),
    ("chat_template.jinja", b" " * (2 << 20)),
    ("additional_chat_templates/rag.jinja", b"{% import x as y %}"),
]
"""Documents beside safetensors that an engine must not see."""


@pytest.fixture
def shelf(hub: LoopbackHub, tmp_path: Path) -> Shelf:
    return Shelf(hub, tmp_path)


def gguf_with(**metadata: Any) -> bytes:
    names = {name.replace("__", "."): value for name, value in metadata.items()}
    header, size = header_bytes({"general.architecture": "llama", **names}, [])
    return header.ljust(size, b"\0")


def test_a_header_is_read_over_the_network_without_the_file(shelf: Shelf) -> None:
    shelf.add("m-Q4_K_M.gguf", gguf_with(llama__context_length=4096) + bytes(40 * MIB))
    header = look(HubReference("hf", "deepseek-ai/tiny")).about
    assert isinstance(header, GgufHeader)
    assert header.architecture == "llama"
    assert header.context_length == 4096
    assert shelf.hub.bytes_sent <= 2 * MIB


def test_a_header_from_afar_that_is_none(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.add("m.gguf", b"<html>" + bytes(100))
    with pytest.raises(VerificationFailed):
        look(HubReference("hf", "deepseek-ai/tiny"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unreachable):
        look(HubReference("hf", "a/b"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.gguf", small_gguf()[:50]),
        ("html.gguf", b"<html>sign in</html>"),
        ("empty.gguf", b""),
        ("cut.safetensors", some_bytes(1000)[:900]),
        ("html.safetensors", b"<html>sign in</html>"),
        ("huge.safetensors", b"\xff" * 8 + bytes(100)),
        ("template.gguf", gguf_with(tokenizer__chat_template="{{ x.__class__.__mro__ }}")),
        *BAD_TEMPLATES,
    ],
)
def test_what_an_engine_could_trip_over_is_refused(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / "content"
    path.write_bytes(content)
    with pytest.raises(VerificationFailed, match=f"^{name}: "):
        check_header(path, name)


@pytest.mark.parametrize("scheme", ["hf", "file"])
@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name, content in BAD_TEMPLATES if "/" not in name]
)
def test_a_bad_template_beside_safetensors_is_never_placed(
    shelf: Shelf, name: str, content: bytes, scheme: str
) -> None:
    shelf.add("model.safetensors", some_bytes(1000))
    directory = shelf.add(name, content).parent
    place = {"hf": "hf:deepseek-ai/tiny", "file": f"file:{directory}"}[scheme]

    with pytest.raises(VerificationFailed, match=f"^{name}: ") as caught:
        shelf.pull(place)

    assert caught.value.exit_code == 7
    assert shelf.store.models() == []
    assert list(shelf.store.root.glob(f"models/*/{name}")) == []


def test_a_bad_template_that_came_under_another_name_is_found(shelf: Shelf) -> None:
    evil = b'{"chat_template": "{{ x.__class__ }}"}'
    shelf.add("model.safetensors", some_bytes(1000), repo="org/decoy")
    shelf.add("notes.json", evil, repo="org/decoy")
    shelf.pull("hf:org/decoy")
    files = {"model.safetensors": some_bytes(1000), "tokenizer_config.json": evil}
    for name, content in files.items():
        shelf.add(name, content)
    wanted = [
        WantedFile(name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    ]

    with pytest.raises(VerificationFailed, match=r"^tokenizer_config\.json: "):
        shelf.pull(files=wanted)
    assert len(shelf.store.models()) == 1


def test_whole_files_pass(tmp_path: Path) -> None:
    for name, content in (
        ("a.gguf", gguf_with(tokenizer__chat_template=DEEPSEEK)),
        ("a.safetensors", some_bytes(1000)),
        ("config.json", b"anything"),
        ("tokenizer_config.json", json.dumps({"chat_template": DEEPSEEK}).encode()),
        ("tokenizer_config.json", b'{"model_max_length": 1000000000000000019884624838656}'),
        ("processor_config.json", b'{"chat_template": null}'),
        ("additional_chat_templates/tool_use.jinja", DEEPSEEK.encode()),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        check_header(path, name)


def test_a_part_that_was_renamed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m-00001-of-00002.gguf"
    path.write_bytes(gguf_with(split__no=1, split__count=2, split__tensors__count=0))
    for name in (path.name, "whole.gguf"):
        with pytest.raises(VerificationFailed, match="part 2 of 2"):
            check_header(path, name)


POWERLESS = """
import ctypes, json, os, resource, socket
from appliance.weights.sandbox import give_up_rights
libc = ctypes.CDLL(None)
give_up_rights()
def refused(act):
    try:
        act()
    except (OSError, MemoryError, ValueError):
        return True
    return False
print(json.dumps({
    "read a file": refused(lambda: os.open("/etc/hostname", os.O_RDONLY)),
    "write a file": refused(lambda: os.open(TARGET, os.O_CREAT | os.O_RDWR)),
    "remove a file": refused(lambda: os.unlink(TARGET + ".there")),
    "talk to the network": refused(socket.socket),
    "talk to a local service": refused(lambda: socket.socket(socket.AF_UNIX)),
    "start a process": refused(os.fork) and refused(lambda: os.execv("/bin/sh", ["sh"])),
    "end a process": refused(lambda: os.kill(os.getppid(), 0)),
    "look into a process": libc.ptrace(0, 0, 0, 0) != 0,
    "take memory": refused(lambda: bytearray(1 << 30)),
    "get it back": refused(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))),
    "be root": os.geteuid() != 0,
}), flush=True)
"""


CONTAINER = ["unshare", "--user", "--map-root-user"]
"""Its root may become nobody else: that is how root is in a container without capabilities."""


@pytest.mark.parametrize(("around", "kept"), [([], []), (CONTAINER, ["be root"])])
def test_the_inspector_has_no_rights(tmp_path: Path, around: list[str], kept: list[str]) -> None:
    target = tmp_path / "target"
    there = Path(f"{target}.there")
    there.touch()
    code = f"TARGET = {str(target)!r}\n{POWERLESS}"
    if around and subprocess.run([*around, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces of users here")

    argv = [*around, sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)

    verdict = json.loads(done.stdout)
    assert [
        what for what, is_refused in verdict.items() if not is_refused and what not in kept
    ] == []
    assert there.exists()
    assert not target.exists()


def test_a_header_is_looked_at_when_the_file_is_whole_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"what has come so far")
    with inspecting(path, "a.gguf") as inspect:
        path.write_bytes(gguf_with())
        inspect()
    with inspecting(path, "a.gguf") as inspect:
        path.write_bytes(b"no GGUF")
        with pytest.raises(VerificationFailed):
            inspect()


def test_an_inspector_that_nobody_asks_any_more_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"what came")
    with inspecting(path, "a.gguf"):
        assert psutil.Process().children()
    assert psutil.Process().children() == []


def test_without_rights_a_header_is_still_read(tmp_path: Path) -> None:
    """Everything the readers need: a long header, a template, a refusal with its reason."""
    words = {"tokenizer__ggml__tokens": list(range(100_000))}
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_with(tokenizer__chat_template=DEEPSEEK, **words))
    check_header(path, "a.gguf")
    path.write_bytes(gguf_with(tokenizer__chat_template="{{ x.__class__ }}"))
    with pytest.raises(VerificationFailed, match="reaches for __class__"):
        check_header(path, "a.gguf")


def test_a_refusal_is_in_the_language_of_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_with(tokenizer__chat_template="{{ x.__class__ }}"))
    with pytest.raises(VerificationFailed) as caught:
        check_header(path, "a.gguf")
    use_language("zh")
    assert "不是可用的 GGUF 文件" in str(caught.value)
    assert "请使用" in str(caught.value.hint)


@pytest.mark.parametrize(
    "text",
    [
        Text("{size:>999999999999}", {"size": 1}),
        Text("{size.__class__}", {"size": 1}),
        Text("{no_such_value}", {}),
        Text("{", {"size": 1}),
        Text("{inner}", {"inner": Text("{size!r}", {"size": 1})}),
    ],
)
def test_a_verdict_cannot_harm_who_reads_it(text: Text) -> None:
    with pytest.raises(ValueError, match="placeholders"):
        Verdict.read(msgspec.json.encode(Verdict(error=text)))


@given(st.binary(max_size=200))
def test_any_bytes_may_stand_for_a_verdict(raw: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(str(Verdict.read(raw).error), str)


@pytest.mark.parametrize("kind", KINDS)
def test_no_changed_header_crashes_hangs_or_swells(kind: str) -> None:
    """A thousandth of what `benchmarks/fuzz_headers.py` does."""
    taken = [check_case(case) for case in islice(cases(kind, seed=2), 1000)]
    assert 0 < sum(taken) < len(taken)


def test_the_templates_of_this_field_pass_and_tricks_do_not() -> None:
    assert objection(DEEPSEEK) is None
    for trick in (
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ x | attr('y') }}",
        "{% include 'other' %}",
        "{% import 'other' as other %}",
        "{{ messages._secret }}",
        "{% for",
        "x" * (2 << 20),
    ):
        assert objection(trick) is not None, trick


@pytest.mark.parametrize(
    "trick",
    [
        "{{ m['_' ~ '_class_' ~ '_'] }}",
        "{{ m['_' + x] }}",
        "{{ m[['_', '_x']|join] }}",
        "{{ m['%c%cx' % (95, 95)] }}",
        "{{ m['a'.replace('a', '_')] }}",
        "{% set k = '_' ~ 'x' %}{{ m[k] }}",
        "{% set k %}_{% endset %}{{ m[k] }}",
        "{% set k = x|string %}{% set j = k %}{{ m[j] }}",
        "{% set n = namespace() %}{% set n.k = '_' ~ 'x' %}{{ m[n.k] }}",
        "{% for k in ['_' ~ 'x'] %}{{ m[k] }}{% endfor %}",
        "{% macro f(k) %}{{ m[k] }}{% endmacro %}{{ f('_' ~ 'x') }}",
        "{{ 'a.__class__'.split('.') }}",
        "{{ m|map('attr', 'x') }}",
        "{{ m|map(attribute=x) }}",
        "{{ m|map(attribute='a._b') }}",
        "{{ m|selectattr('_x') }}",
        "{{ '{0.a}'.format(m) }}",
        "{{ x.format(m) }}",
        "{{ m|xmlattr }}",
        "{{ lipsum() }}",
        "{% set f = m.mro %}{{ f() }}",
        "{{ m.mro() }}",
        "{{ (m or x)() }}",
        "{% autoescape true %}{{ m }}{% endautoescape %}",
        "{% block b %}{% endblock %}",
    ],
)
def test_what_is_not_on_the_list_is_refused(trick: str) -> None:
    assert objection(trick) is not None


@pytest.mark.parametrize(
    "honest",
    [
        "{{ messages[messages|length - 1].content }}{{ messages[loop.index0 - 1]['role'] }}",
        "{% for key, value in tool.items() %}{{ tool[key] }}{{ '%s' | format(value) }}{% endfor %}",
        "{% set ns = namespace(at=0) %}{% set ns.at = loop.index0 %}{{ messages[ns.at] }}",
        "{% macro show(m) %}{{ m.content.split('</think>')[-1]|trim }}{% endmacro %}{{ show(m) }}",
        "{{ messages|map(attribute='role')|join(', ') }}{{ strftime_now('%d %b') }}",
        "{% if x is defined and x is not none %}{{ raise_exception('no ' ~ x) }}{% endif %}",
        "{% set bos = '<s_{}>'.format(name) %}{{ bos ~ messages|tojson(ensure_ascii=False) }}",
        "{% for m in messages %}{% if not m %}{% continue %}{% endif %}{{ m }}{% endfor %}",
        "{% generation %}{{ message['content'] }}{% endgeneration %}",
    ],
)
def test_what_templates_of_models_do_is_let_through(honest: str) -> None:
    assert objection(honest) is None


def raw_safetensors(header: bytes, body: int) -> bytes:
    return len(header).to_bytes(8, "little") + header + bytes(body)


def check(raw: bytes) -> int:
    return check_safetensors(lambda offset, length: raw[offset : offset + length], len(raw))


def test_tensors_must_fill_the_file_one_after_another() -> None:
    def entry(first: int, last: int, shape: list[int]) -> dict[str, Any]:
        return {"dtype": "BF16", "shape": shape, "data_offsets": [first, last]}

    good = {"__metadata__": {"format": "pt"}, "a": entry(0, 8, [2, 2]), "b": entry(8, 12, [2])}
    assert check(raw_safetensors(json.dumps(good).encode(), 12)) == 2
    for bad, body in (
        ({"a": entry(0, 8, [2, 2])}, 9),
        ({"a": entry(0, 8, [2, 2])}, 7),
        ({"a": entry(4, 12, [2, 2])}, 12),
        ({"a": entry(0, 8, [2, 2]), "b": entry(4, 8, [2])}, 8),
        ({"a": entry(0, 8, [2, 3])}, 8),
        ({"a": entry(0, 8, [-2, -2])}, 8),
        ({"a": entry(8, 0, [2, 2])}, 8),
        ({"a": {"dtype": "BF16"}}, 8),
        ({"a": 5}, 0),
    ):
        with pytest.raises(VerificationFailed):
            check(raw_safetensors(json.dumps(bad).encode(), body))


@given(st.binary(max_size=300))
def test_any_bytes_may_stand_in_a_safetensors_file(raw: bytes) -> None:
    for candidate in (raw, raw_safetensors(raw, 0)):
        try:
            count = check(candidate)
        except VerificationFailed:
            continue
        assert count >= 0
