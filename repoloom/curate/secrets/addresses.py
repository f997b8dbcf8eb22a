"""E-mail and IP addresses of someone: not the reserved ones, the public resolvers', or what only looks like one."""

import ipaddress
import re

from repoloom.curate.secrets.detectors import Detector, before

_GENERIC = b"""
com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia post xxx arpa
academy agency app art bank blog build business cafe camp capital care center chat church city cloud club codes coffee
community company consulting cool dev digital directory domains education email energy engineer engineering enterprises
events expert express family finance foundation fun games global group guru health help host hosting house inc ink
institute international land legal life link live llc love ltd management market marketing media money network news
ngo ninja one online page partners party photo photography pictures place plus press productions pub red rocks run sale
school science services shop show site social software solutions space store studio style support systems team tech
technology today tools top town toys training tube university vc ventures video vision web website wiki win work works
world wtf xyz zone berlin london nyc paris tokyo wien hamburg swiss google goog
"""
_COUNTRIES = b"""
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by bz ca cc cd cf
cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg
gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp
kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne
nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk
sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn
vu wf ws ye yt za zm zw
"""
_TOP = frozenset((_GENERIC + _COUNTRIES).split())
"""Top-level domains: all of countries and the common ones of the rest, so that `this@Activity.run` is no address."""
_RESERVED = re.compile(
    rb"(?:^|[.@])(?:example|test|invalid|localhost|local|(?:example|domain|email|company|yourdomain)\.\w{2,3}(?:\.\w\w)?)$"
)
"""Names that RFC 2606 reserves, and what people write for them."""
_NOBODY = frozenset(
    {
        b"git",
        b"hg",
        b"svn",
        b"this",
        b"super",
        b"return",
        b"break",
        b"continue",
        b"user",
        b"username",
        b"you",
        b"me",
        b"name",
    }
)
"""What stands before an @ that is no person: a version-control login, a label of Kotlin or Scala, a stopgap."""

_RESOLVERS = frozenset(
    map(
        ipaddress.ip_address,
        """
        8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 76.76.19.19 76.223.122.150 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220
        8.26.56.26 8.20.247.20 94.140.14.14 94.140.15.15 2001:4860:4860::8888 2001:4860:4860::8844 2606:4700:4700::1111
        2606:4700:4700::1001 2620:fe::fe
        """.split(),  # noqa: SIM905  (a list of one address a line would be long)
    )
)
"""Public DNS: StarCoder's fourteen, and the same services' IPv6 addresses."""
_VERSION = re.compile(
    rb"version|release|revision|section|\bver\b|\brev\b|\bv$|[=~<>]=\s*$|mozilla/|chrome/|safari/|oid", re.IGNORECASE
)


def _person(match: re.Match[bytes]) -> bool:
    local, domain = match["local"].lower(), match["domain"].lower()
    return (
        domain.rpartition(b".")[2] in _TOP
        and not _RESERVED.search(domain)
        and local not in _NOBODY
        and b".." not in local
    )


def _public(match: re.Match[bytes]) -> bool:
    try:
        address = ipaddress.ip_address(match["secret"].decode())
    except ValueError:
        return False
    if not address.is_global or address.is_multicast or address in _RESOLVERS:
        return False
    if address.version == 6:
        return True
    # Four numbers under 32 are a version; so are one address in 4,096. 2.5 begins X.500's object identifiers.
    if max(address.packed) < 32 or address.packed[3] == 0 or address.packed[:2] == b"\2\5":
        return False
    return not _VERSION.search(before(match, 30))


DETECTORS = (
    Detector(
        "email",
        r"[A-Za-z0-9_%+\-\x80-\xff]@[A-Za-z0-9\-\x80-\xff]{1,63}\.[A-Za-z0-9\-\x80-\xff]",
        re.compile(
            rb"(?<![\w.%+\-\x80-\xff])(?P<secret>(?P<local>[\w.%+\-\x80-\xff]{1,99}+)@"
            rb"(?P<domain>(?:[A-Za-z0-9\-\x80-\xff]{1,63}\.){1,8}[A-Za-z]{2,24}))(?![A-Za-z0-9_(])"
        ),
        (b"@",),
        _person,
    ),
    Detector(
        "ip",
        r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d",
        re.compile(rb"(?<![\w.\-])(?P<secret>\d{1,3}(?:\.\d{1,3}){3})(?![\w\-/]|\.\w)"),
        (b".",),
        _public,
    ),
    Detector(
        "ip",
        r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:",
        re.compile(rb"(?<![\w:.])(?P<secret>[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:/]|\.\w)"),
        (b":",),
        _public,
    ),
)  # fmt: skip
