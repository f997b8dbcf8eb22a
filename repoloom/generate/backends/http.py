"""JSON over HTTP with patience: time limits, and new tries where the server is busy or failing."""

import contextlib
import email.utils
import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from repoloom.errors import UserError

TRIES = 6
SECONDS = 600
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_MOST_BYTES = 64_000_000
_AGAIN = {408, 409, 425, 429}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to wherever it points."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def post(url: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    """The JSON object that is answered. Raises UserError, in one line without the key, once all tries have failed."""
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310  (`open` takes http alone)
    for attempt in range(TRIES):
        pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
        try:
            with _OPENER.open(request, timeout=SECONDS) as answer:
                found = json.loads(answer.read(_MOST_BYTES))
            if not isinstance(found, dict):
                raise ValueError("no JSON object")
            return found
        except urllib.error.HTTPError as error:
            said = _hidden(f"answered {error.code}: {_message(error)}", key)
            if error.code not in _AGAIN and error.code < 500:
                break
            pause = min(_asked_pause(error) or pause, _LONGEST_PAUSE)
        except (OSError, HTTPException) as error:
            said = f"cannot be reached: {getattr(error, 'reason', None) or error}"
        except ValueError as error:
            said = f"answered what is not JSON: {error}"
            break
        if attempt + 1 < TRIES:
            time.sleep(pause)
    raise UserError(f"{url} {said}")


def _message(error: urllib.error.HTTPError) -> str:
    """What the server says was wrong, in at most a line."""
    try:
        text = error.read(100_000).decode("utf-8", "replace")
    except (OSError, HTTPException):
        return str(error.reason)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = json.loads(text)["error"]["message"]
    return " ".join(str(text).split())[:200] or str(error.reason)


def _hidden(text: str, key: str | None) -> str:
    return text.replace(key, "***") if key else text


def _asked_pause(error: urllib.error.HTTPError) -> float | None:
    """Seconds that the server asks to wait (Retry-After), as a number or a date."""
    asked = error.headers.get("Retry-After", "")
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None
