"""What OpenAI's API says on the wire: the requests that are read, the errors that are answered.

A field that would change the answer and is not supported is refused, never ignored; unknown fields are ignored, since
editors send their own.
"""

from typing import Annotated, Any, Literal

from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, field_validator

MOST_PROMPTS = 64
MOST_MESSAGES = 1024
MOST_STOPS = 16
"""OpenAI allows four; editors send more."""


def _encodable(text: str) -> str:
    """JSON can spell half a character (a lone surrogate), which no tokenizer reads."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds a lone surrogate, which is no character") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]
Stop = Annotated[Text, Field(min_length=1, max_length=256)]


def _or(default: float) -> BeforeValidator:
    """Clients send null for what they leave open."""
    return BeforeValidator(lambda value: default if value is None else value)


class StreamOptions(BaseModel):
    """`stream_options` of both requests."""

    include_usage: bool = False


class Asked(BaseModel):
    """What both requests hold. Temperature and nucleus default to 1, as OpenAI's do."""

    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, _or(1), Field(ge=0, le=2)] = 1
    top_p: Annotated[float, _or(1), Field(gt=0, le=1)] = 1
    seed: int | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = None
    stream: Annotated[bool, _or(False)] = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    logprobs: Any = None
    logit_bias: Any = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None

    @field_validator("n", "best_of", check_fields=False)
    @classmethod
    def _one(cls, value: int | None) -> int | None:
        if value not in {None, 1}:
            raise ValueError("only 1 is supported")
        return value

    @field_validator("logprobs", "logit_bias", "echo", "tools", "functions", check_fields=False)
    @classmethod
    def _unsupported(cls, value: Any) -> Any:
        if value is not None and value is not False and value not in ({}, []):
            raise ValueError("is not supported")
        return value

    @field_validator("frequency_penalty", "presence_penalty")
    @classmethod
    def _no_penalty(cls, value: float | None) -> float | None:
        if value:
            raise ValueError("only 0 is supported")
        return value

    def stops(self) -> tuple[str, ...]:
        """The stop texts, however they were written."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class CompletionRequest(Asked):
    """POST /v1/completions. `path` is an addition: the file that is edited, so that the model sees its name."""

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_PROMPTS)] = ""
    suffix: Text | None = None
    path: Annotated[Text, Field(max_length=4096)] | None = None
    echo: Any = None
    best_of: int | None = None


class TextPart(BaseModel):
    """A part of a message's content; of OpenAI's kinds, text alone."""

    type: Literal["text"]
    text: Text


class Message(BaseModel):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]

    def plain(self) -> dict[str, str]:
        """The message as the chat template takes it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class ChatRequest(Asked):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    tools: Any = None
    functions: Any = None


class RefusedError(Exception):
    """A request that cannot be answered, as OpenAI's errors say it."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


def error(status: int, message: str, param: str | None = None, code: str | None = None) -> JSONResponse:
    """An error as OpenAI's clients read it."""
    return JSONResponse(error_body(status, message, param, code), status_code=status)


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The body of an error, which a stream that has begun sends as an event."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
