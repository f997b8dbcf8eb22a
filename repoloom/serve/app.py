"""An OpenAI-compatible server: /v1/completions with `suffix`, /v1/chat/completions, whole or streamed."""

import contextlib
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from repoloom.errors import UserError
from repoloom.generate import Generator, Sampling
from repoloom.serve import prompts
from repoloom.serve.answers import CHAT, COMPLETION, Answer, Shape
from repoloom.serve.protocol import Asked, ChatRequest, CompletionRequest, RefusedError, error
from repoloom.serve.turns import Turns

MOST_BODY = 8_000_000
"""Bytes of a request: several times the text that the longest context of a recipe holds."""

_CLIENT_LEFT = 499


def create(generator: Generator, name: str, repo: Path | None = None) -> FastAPI:
    """The application that answers for `generator` under the model name `name`; `repo` is the folder that is edited."""
    app = FastAPI(title="Repoloom", docs_url=None, redoc_url=None)  # their pages load scripts from the network
    app.add_middleware(_LimitBody)
    _answer_errors_as_openai(app)
    turns = Turns(generator)
    context = generator.model.config.context
    card = {"id": name, "object": "model", "created": int(time.time()), "owned_by": "repoloom"}

    no_such_model = RefusedError(404, f"the model here is {name!r}", "model", "model_not_found")

    def sampling(asked: Asked, most: int | None, default: int) -> Sampling:
        if asked.model not in {None, name}:
            raise no_such_model
        if most is not None and most > context:
            raise RefusedError(400, f"max_tokens: at most {context}, the model's context", "max_tokens")
        seed = secrets.randbits(63) if asked.seed is None else asked.seed
        return Sampling(most or default, asked.temperature, asked.top_p, seed, asked.stops())

    async def answer(
        request: Request, asked: Asked, shape: Shape, drawn: Sampling, encode: Callable[[], list[list[int]]]
    ) -> Response:
        ids = await to_thread.run_sync(encode)
        pieces = turns.write(request, ids, drawn)
        made = Answer(shape, name, sum(map(len, ids)))
        if asked.stream:
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            return StreamingResponse(made.events(pieces, usage=usage), media_type="text/event-stream")
        whole = await made.whole(pieces)
        return Response(status_code=_CLIENT_LEFT) if whole is None else JSONResponse(whole)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "model": name}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [card]}

    @app.get("/v1/models/{model}")
    async def model(model: str) -> dict[str, Any]:
        if model != name:
            raise no_such_model
        return card

    @app.post("/v1/completions")
    async def completions(asked: CompletionRequest, request: Request) -> Response:
        def encode() -> list[list[int]]:
            texts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
            if asked.path is not None:
                texts = [prompts.with_path(text, asked.path, repo) for text in texts]
            return [prompts.completion(generator.tokenizer, text, asked.suffix) for text in texts]

        return await answer(request, asked, COMPLETION, sampling(asked, asked.max_tokens, 16), encode)

    @app.post("/v1/chat/completions")
    async def chat(asked: ChatRequest, request: Request) -> Response:
        def encode() -> list[list[int]]:
            return [prompts.conversation(generator.tokenizer, [message.plain() for message in asked.messages])]

        most = asked.max_completion_tokens or asked.max_tokens
        return await answer(request, asked, CHAT, sampling(asked, most, max(1, context // 2)), encode)

    return app


def serve(model: Path, repo: Path | None, host: str, port: int) -> None:
    """Load the model's folder and answer until interrupted; prints the URL once it listens (port 0: any free one).

    Raises UserError for a bad folder or an address that cannot be listened on.
    """
    if repo is not None and not repo.is_dir():
        raise UserError(f"--repo {repo} is not a folder")
    name = "-".join(model.resolve().parts[-2:])
    generator = Generator.load(model)
    with _listen(host, port) as listening:
        address = f"[{host}]" if ":" in host else host
        print(f"{name} at http://{address}:{listening.getsockname()[1]}/v1 (end with Ctrl-C)", flush=True)
        app = create(generator, name, repo)
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=2)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as stack:
            listening = stack.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)  # from now on a client waits instead of being refused
            stack.pop_all()
    except OSError as problem:
        raise UserError(
            f"cannot listen on {host}:{port}: {problem.strerror}: choose another --host or --port"
        ) from None
    return listening


def _answer_errors_as_openai(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, problem: RequestValidationError) -> JSONResponse:
        first = problem.errors()[0]
        where = [str(part) for part in first["loc"] if part != "body"]
        param = where[0] if where and first["type"] != "json_invalid" else None
        said = first["msg"].removeprefix("Value error, ")
        return error(400, f"{'.'.join(where)}: {said}" if param else f"the body is not valid: {said}", param)

    @app.exception_handler(RefusedError)
    async def _refused(_: Request, problem: RefusedError) -> JSONResponse:
        return error(problem.status, str(problem), problem.param, problem.code)

    @app.exception_handler(HTTPException)
    async def _no_such_place(_: Request, problem: HTTPException) -> JSONResponse:
        return error(problem.status_code, problem.detail)

    @app.exception_handler(UserError)
    async def _user_error(_: Request, problem: UserError) -> JSONResponse:
        return error(400, str(problem))

    @app.exception_handler(Exception)
    async def _failed(_: Request, __: Exception) -> JSONResponse:
        return error(500, "the server failed: its log says how")


class _LimitBody:
    """Refuses a body over MOST_BODY while it arrives, whatever its headers claim."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_BODY:
                raise HTTPException(413, f"the body is larger than {MOST_BODY} bytes")
            return message

        await self._app(scope, limited, send)
