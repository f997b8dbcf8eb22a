"""Tokens known by their form: detect-secrets' patterns, and prefixes that came after them (as gitleaks has them)."""

import importlib
import re

from repoloom.curate.secrets.detectors import Detector
from repoloom.curate.secrets.likeness import entropy, is_stopgap

_THEIRS = (
    # module of detect_secrets.plugins, class, kind, words one of which it needs
    ("aws", "AWSKeyDetector", "aws-key", "a3t abia acca akia asia aws"),
    ("github_token", "GitHubTokenDetector", "github-token", "ghp_ gho_ ghu_ ghs_ ghr_"),
    ("gitlab_token", "GitLabTokenDetector", "gitlab-token", "gl gr1348941"),
    ("mailchimp", "MailchimpDetector", "mailchimp-key", "-us"),
    ("pypi_token", "PypiTokenDetector", "pypi-token", "pypi-"),
    ("sendgrid", "SendGridDetector", "sendgrid-key", "sg."),
    ("slack", "SlackDetector", "slack-token", "xox hooks.slack.com"),
    ("square_oauth", "SquareOAuthDetector", "square-secret", "sq0csp-"),
    ("telegram_token", "TelegramBotTokenDetector", "telegram-token", ":"),
    ("twilio", "TwilioKeyDetector", "twilio-key", "ac sk"),
)  # fmt: skip
"""Plugins of detect-secrets whose patterns are linear and rarely wrong. Its others find by name what `assigned` finds,
are quadratic (npm, OpenAI, JWT), match common words (Artifactory), or slow the prefilter by half (Discord)."""

_OURS = (
    # kind, words one of which it needs, form
    ("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_\-]{24,200}"),
    ("artifactory-key", "akcp", r"AKCp[A-Za-z0-9]{60,80}"),
    ("atlassian-token", "atatt3x", r"ATATT3x[A-Za-z0-9_\-=]{60,300}"),
    ("azure-key", "accountkey", r"[A-Za-z0-9+/]{86}=="),
    ("databricks-token", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    ("digitalocean-token", "do", r"do[opr]_v1_[0-9a-f]{64}"),
    ("docker-token", "dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_\-]{27,60}"),
    ("facebook-token", "eaa", r"EAA[A-Za-z0-9]{80,300}"),
    ("github-token", "github_pat_", r"github_pat_[A-Za-z0-9_]{50,90}"),
    ("google-key", "aiza", r"AIza[0-9A-Za-z_\-]{35}"),
    ("google-secret", "gocspx-", r"GOCSPX-[A-Za-z0-9_\-]{28}"),
    ("google-token", "ya29.", r"ya29\.[0-9A-Za-z_\-]{30,300}"),
    ("grafana-token", "gl", r"gl(?:c|sa)_[A-Za-z0-9+/=_]{32,300}"),
    ("huggingface-token", "hf_", r"hf_[A-Za-z0-9]{34,40}"),
    ("linear-key", "lin_api_", r"lin_api_[A-Za-z0-9]{40}"),
    ("mailgun-key", "key-", r"key-[0-9a-f]{32}"),
    ("newrelic-key", "nra", r"NRA[KL]-[A-Z0-9]{27}"),
    ("npm-token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    ("openai-key", "sk-", r"sk-[A-Za-z0-9]{48}|sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_\-]{40,250}"),
    ("postman-key", "pmak-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("sendinblue-key", "xkeysib-", r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    ("sentry-token", "sntry", r"sntry[su]_[A-Za-z0-9+/=_]{60,300}"),
    ("shopify-token", "shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("slack-token", "x", r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9\-]{20,250}"),
    ("square-secret", "sq0atp-", r"sq0atp-[0-9A-Za-z_\-]{22}"),
    ("stripe-key", "k_live_", r"(?:sk|rk)_live_[0-9a-zA-Z]{16,250}"),
    ("stripe-key", "whsec_", r"whsec_[A-Za-z0-9+/=]{32,80}"),
    ("vault-token", "hv", r"hv[sb]\.[A-Za-z0-9_\-]{24,300}"),
)  # fmt: skip

_JWT = r"eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]{4,}"
_HINTS = {
    "azure-key": r"(?i:accountkey)",
    "jwt": r"eyJ[A-Za-z0-9]",
    "mailchimp-key": r"[0-9a-z]-us[0-9]",
    "telegram-token": r"[0-9]{8}:[0-9A-Za-z_\-]",
}
"""Hints for forms that begin with no fixed letters: such a form may begin at every letter of a text, and an automaton
that follows all these beginnings has too many states."""
_SHORT = 2
_COUNT = re.compile(r"\{(\d+)(?:,\d*)?\}")
_GROUP = re.compile(r"(?<!\\)\((?!\?)")


def detectors() -> tuple[Detector, ...]:
    """One a pattern. Raises ImportError without detect-secrets."""
    found = []
    for module, name, kind, needs in _THEIRS:
        plugin = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)
        # Those with quotes are assignments, which `assigned` finds. RE2 has no lookahead; ours is as strict.
        forms = [(p.pattern.replace(r"(?!\w)", ""), p.flags & re.IGNORECASE) for p in plugin.denylist]
        found += [_detector(kind, needs, form, flags) for form, flags in forms if '"' not in form]
    found += [_detector(kind, needs, form, 0) for kind, needs, form in _OURS]
    # Possessive, for a line may be eyJeyJeyJ...
    jwt = re.compile(rb"(?<![\w.\-])(?P<secret>" + _JWT.replace(",}", ",}+").encode() + rb")(?![\w\-])")
    return (*found, Detector("jwt", _HINTS["jwt"], jwt, (b"eyj",), _is_jwt))


def _detector(kind: str, needs: str, form: str, flags: int) -> Detector:
    """The form between word boundaries; with its counts cut to `_SHORT` it is the hint."""
    hint = _HINTS.get(kind) or _COUNT.sub(lambda count: f"{{{min(int(count[1]), _SHORT)},}}", form)
    pattern = re.compile(f"(?<![A-Za-z0-9])(?P<secret>{_GROUP.sub('(?:', form)})(?![A-Za-z0-9_])".encode(), flags)
    return Detector(kind, f"(?i:{hint})" if flags else hint, pattern, tuple(needs.encode().split()), _is_random)


def _is_random(match: re.Match[bytes]) -> bool:
    """Whether a token is none of documentation's, and no long name that happens to begin like one."""
    secret = match["secret"]
    mixed = re.search(rb"[0-9]", secret) or (re.search(rb"[a-z]", secret) and re.search(rb"[A-Z]", secret))
    return mixed is not None and not is_stopgap(secret) and entropy(secret) >= 3


def _is_jwt(match: re.Match[bytes]) -> bool:
    """Whether its first two parts are base64url of JSON; detect-secrets' own check."""
    from detect_secrets.plugins.jwt import JwtTokenDetector

    return bool(JwtTokenDetector.is_formally_valid(match["secret"].decode()))
