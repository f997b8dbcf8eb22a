"""The server, asked by OpenAI's own client: completions, fill-in, chat, whole and streamed, and what it refuses."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from repoloom.errors import UsageError, UserError
from repoloom.generate import Generator, Sampling
from repoloom.serve import prompts
from repoloom.serve.app import MOST_BODY, serve
from repoloom.tokens import chat, fim

PROMPT = "def loads(text):\n    return "
MODEL = "tiny-model"


def written(generator: Generator, ids: list[int], **sampling: Any) -> Any:
    return generator.complete([ids], Sampling(**sampling))[0]


def begin(generator: Generator, text: str) -> list[int]:
    assert generator.tokenizer.bos is not None
    return [generator.tokenizer.bos, *generator.tokenizer.encode(text)]


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "repoloom"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_a_completion_is_what_the_generator_writes(client: openai.OpenAI, generator: Generator) -> None:
    ids = begin(generator, PROMPT)
    expected = written(generator, ids, max_tokens=24)
    assert len(expected.text) > 10
    answer = client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=24, temperature=0)
    assert answer.object == "text_completion"
    assert answer.choices[0].text == expected.text
    assert answer.choices[0].finish_reason == expected.finish == "length"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(ids)
    assert answer.usage.completion_tokens == 24
    assert answer.usage.total_tokens == len(ids) + 24


def test_a_streamed_completion_adds_up_to_the_whole_one(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "prompt": PROMPT, "max_tokens": 24, "temperature": 0.8, "seed": 7}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == whole.choices[0].text
    assert len({chunk.id for chunk in chunks}) == 1
    assert len(chunks) > 5
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons[-1] == "length"
    assert set(reasons[:-1]) == {None}
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert client.completions.create(**asked | {"seed": 8}).choices[0].text != whole.choices[0].text


def test_events_are_byte_for_byte_openais_form(url: str) -> None:
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 3, "stream": True, "seed": 1}
    answer = httpx.post(f"{url}/v1/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.split("\n\n")
    assert events.pop() == ""
    assert events.pop() == "data: [DONE]"
    for event in events:
        chunk = json.loads(event.removeprefix("data: "))
        assert set(chunk) == {"id", "object", "created", "model", "choices"}
        assert set(chunk["choices"][0]) == {"index", "text", "logprobs", "finish_reason"}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, "stream": True, "seed": 1}
    events = httpx.post(f"{url}/v1/chat/completions", json=body).text.split("\n\n")[:-2]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all("role" not in chunk["choices"][0]["delta"] for chunk in chunks[1:])
    assert chunks[-1]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}


def test_suffix_fills_in(client: openai.OpenAI, generator: Generator) -> None:
    suffix = "\n\nprint(loads('1'))\n"
    expected = written(generator, fim.prompt(generator.tokenizer, PROMPT, suffix), max_tokens=16).text
    asked: dict[str, Any] = {"model": MODEL, "prompt": PROMPT, "suffix": suffix, "temperature": 0}
    assert client.completions.create(**asked).choices[0].text == expected
    chunks = client.completions.create(**asked, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == expected
    assert client.completions.create(**asked | {"suffix": ""}).choices[0].text != expected


def test_a_list_of_prompts_gets_a_choice_each(client: openai.OpenAI, generator: Generator) -> None:
    texts = ["import ", PROMPT, "class A:\n"]
    asked: dict[str, Any] = {"model": MODEL, "prompt": texts, "max_tokens": 8, "temperature": 0}
    expected = [written(generator, begin(generator, text), max_tokens=8).text for text in texts]
    answer = client.completions.create(**asked)
    assert [choice.text for choice in answer.choices] == expected
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    streamed = ["", "", ""]
    for chunk in client.completions.create(**asked, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].text
    assert streamed == expected


def test_stop_texts_end_it(client: openai.OpenAI, generator: Generator) -> None:
    text = written(generator, begin(generator, PROMPT), max_tokens=24).text
    stop = text[6:9]
    for given in (stop, ["never there", stop]):
        answer = client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=24, temperature=0, stop=given)
        assert answer.choices[0].text == text[: text.index(stop)]
        assert answer.choices[0].finish_reason == "stop"


def test_chat_whole_and_streamed(client: openai.OpenAI, generator: Generator) -> None:
    messages: Any = [
        {"role": "system", "content": "Answer with code."},
        {"role": "user", "content": [{"type": "text", "text": "Add "}, {"type": "text", "text": "two numbers."}]},
        {"role": "assistant", "content": "a + b"},
        {"role": "user", "content": "Three?"},
    ]
    plain = [dict(message) for message in messages]
    plain[1]["content"] = "Add two numbers."
    expected = written(generator, chat.encode(generator.tokenizer, plain), max_tokens=20)
    asked: dict[str, Any] = {"model": MODEL, "messages": messages, "temperature": 0, "max_completion_tokens": 20}
    answer = client.chat.completions.create(**asked)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == expected.text
    assert answer.choices[0].finish_reason == expected.finish
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected.text
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == expected.finish


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": PROMPT, "echo": True}, "echo"),
    ({"prompt": PROMPT, "n": 2}, "n"),
    ({"prompt": PROMPT, "best_of": 3}, "best_of"),
    ({"prompt": PROMPT, "logprobs": 0}, "logprobs"),
    ({"prompt": PROMPT, "presence_penalty": 0.5}, "presence_penalty"),
    ({"prompt": PROMPT, "max_tokens": 0}, "max_tokens"),
    ({"prompt": PROMPT, "max_tokens": 10**9}, "max_tokens"),
    ({"prompt": PROMPT, "temperature": -1}, "temperature"),
    ({"prompt": PROMPT, "top_p": 0}, "top_p"),
    ({"prompt": PROMPT, "stop": [""]}, "stop"),
    ({"prompt": PROMPT, "stop": ["a"] * 17}, "stop"),
    ({"prompt": []}, "prompt"),
    ({"prompt": {"a": 1}}, "prompt"),
    ({"prompt": ["a"] * 65}, "prompt"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED, ids=[param for _, param in REFUSED])
def test_what_is_not_supported_is_refused(client: openai.OpenAI, body: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/completions", cast_to=object, body=body | {"model": MODEL})
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"
    assert param in refused.value.message


def test_errors_have_openais_form(client: openai.OpenAI, url: str) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.completions.create(model="gpt-4", prompt="a")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=[{"role": "tool", "content": "x", "tool_call_id": "1"}])
    assert refused.value.param == "messages"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=[])
    json_type = {"content-type": "application/json"}
    for body, status in (
        (b"{", 400),
        (b"[1]", 400),
        (b'{"prompt": "\\ud800"}', 400),
        (b'{"prompt": "a", "temperature": NaN}', 400),
        (b'{"prompt": "' + b"a" * MOST_BODY + b'"}', 413),
    ):
        answer = httpx.post(f"{url}/v1/completions", content=body, headers=json_type)
        assert answer.status_code == status, body[:40]
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert httpx.get(f"{url}/v1/nothing").json()["error"]["type"] == "invalid_request_error"
    assert httpx.get(f"{url}/v1/completions").status_code == 405
    assert httpx.get(f"{url}/health").json() == {"status": "ok", "model": MODEL}


def test_a_client_that_leaves_stops_its_generation(url: str, generator: Any) -> None:
    for stream in (True, False):
        body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 1000, "temperature": 1.5, "seed": 5, "stream": stream}
        before = generator.pieces
        try:
            with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=0.4) as answer:
                next(answer.iter_lines())
        except httpx.ReadTimeout:
            assert not stream
        deadline = time.monotonic() + 5
        while generator.running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert generator.running == 0
        assert 0 < generator.pieces - before < 900


def test_one_generation_at_a_time(client: openai.OpenAI, generator: Any) -> None:
    generator.most_running = 0
    texts: list[str] = []

    def ask() -> None:
        answer = client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=60, temperature=0)
        texts.append(answer.choices[0].text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert generator.most_running == 1
    assert len(texts) == 4
    assert len(set(texts)) == 1


def test_path_shows_the_file_name_as_training_did(client: openai.OpenAI, generator: Generator, tmp_path: Path) -> None:
    expected = written(generator, begin(generator, f"# lib/a.py\n{PROMPT}"), max_tokens=16).text
    answer = client.completions.create(model=MODEL, prompt=PROMPT, temperature=0, extra_body={"path": "lib/a.py"})
    assert answer.choices[0].text == expected
    assert prompts.with_path("x", str(tmp_path / "lib" / "a.py"), tmp_path) == "# lib/a.py\nx"
    with pytest.raises(UsageError, match="--repo"):
        prompts.with_path("x", "/etc/passwd", tmp_path)
    with pytest.raises(openai.BadRequestError, match="--repo"):
        client.completions.create(model=MODEL, prompt=PROMPT, extra_body={"path": "/etc/a.py"})


def test_serve_prints_its_url_answers_and_ends_with_ctrl_c(model_folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from repoloom.serve.app import serve;"
        "serve(Path(sys.argv[1]), None, '127.0.0.1', 0)"
    )
    command = [sys.executable, "-c", program, str(model_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            name, _, rest = server.stdout.readline().partition(" at ")
            url = rest.split()[0]
            assert name == MODEL
            assert httpx.get(f"{url}/models", timeout=20).json()["data"][0]["id"] == name
            body = {"prompt": PROMPT, "max_tokens": 1000, "temperature": 1.5, "stream": True}
            with httpx.stream("POST", f"{url}/completions", json=body) as answer:
                next(answer.iter_lines())
                server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0
        finally:
            server.kill()
        assert server.stderr is not None
        assert "Traceback" not in server.stderr.read()


def test_an_address_that_cannot_be_had_is_one_clear_line(model_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}: .* choose another"):
            serve(model_folder, None, "127.0.0.1", port)
    with pytest.raises(UserError, match="is not a folder"):
        serve(model_folder, model_folder / "config.json", "127.0.0.1", 0)
