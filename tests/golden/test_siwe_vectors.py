"""EIP-4361 against the vectors of github.com/spruceid/siwe, test/: parsing_*.json and verification_positive.json.

Retyped as what differs from one message. Left out: ``domain not RFC4501 authority`` (``not_rfc4501`` is a
registered name by RFC 3986; the service refuses it as a domain that is not its own) and ``version not 1``, whose
text says 1.
"""

import pytest

from aggregator.access.siwe import SignInRefused, parse_message, signed_by_key

WANTS = " wants you to sign in with your Ethereum account:"
LINES = {
    "domain": "service.org wants you to sign in with your Ethereum account:",
    "address": "0xe5A12547fe4E872D192E3eCecb76F2Ce1aeA4946",
    "gap": "",
    "statement": "I accept the ServiceOrg Terms of Service: https://service.org/tos",
    "gap2": "",
    "uri": "URI: https://service.org/login",
    "version": "Version: 1",
    "chain": "Chain ID: 1",
    "nonce": "Nonce: 12341234",
    "issued": "Issued At: 2022-03-17T12:45:13.610Z",
    "expires": "Expiration Time: 2023-03-17T12:45:13.610Z",
    "begins": "Not Before: 2022-03-17T12:45:13.610Z",
    "request": "Request ID: some_id",
    "resources": "Resources:\n- https://service.org/login",
}
ORDER = tuple(LINES)
WRONG_TIME = "Wed Oct 05 2011 16:48:00 GMT+0200 (CEST)"


def text(order: tuple[str, ...] = ORDER, **changes: str | None) -> str:
    """The message with other lines; None leaves a line out."""
    lines = LINES | changes
    return "\n".join(lines[name] for name in order if lines[name] is not None)


def moved(name: str, after: str) -> tuple[str, ...]:
    rest = [one for one in ORDER if one != name]
    rest.insert(rest.index(after) + 1, name)
    return tuple(rest)


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({}, "request_id", "some_id"),
        ({"expires": None, "begins": None, "request": None,
          "resources": "Resources:\n- ipfs://Qme7ss3ARVgxv6rXqVPiikMJ8u2NLgmgszg13pYrDKEoiu\n"
                       "- https://example.com/my-web2-claim.json"}, "resources",
         ("ipfs://Qme7ss3ARVgxv6rXqVPiikMJ8u2NLgmgszg13pYrDKEoiu", "https://example.com/my-web2-claim.json")),
        ({"expires": None, "begins": None, "request": None, "resources": None}, "nonce", "12341234"),
        ({"issued": "Issued At: 2021-09-30T16:25:24Z"}, "nonce", "12341234"),
        ({"domain": "127.0.0.1 wants you to sign in with your Ethereum account:"}, "domain", "127.0.0.1"),
        ({"domain": "test@127.0.0.1" + WANTS}, "domain", "test@127.0.0.1"),
        ({"domain": "127.0.0.1:8080" + WANTS}, "domain", "127.0.0.1:8080"),
        ({"domain": "test@127.0.0.1:8080" + WANTS}, "domain", "test@127.0.0.1:8080"),
        ({"statement": None, "gap2": ""}, "statement", None),
    ],
)  # fmt: skip
def test_valid_messages_parse(changes, field, value):
    assert getattr(parse_message(text(**changes)), field) == value


@pytest.mark.parametrize(
    "message",
    [
        *(text(**{name: None}) for name in ("uri", "version", "chain", "nonce", "issued", "address")),
        *(text(**{name: ""}) for name in ("uri", "version", "chain", "nonce", "issued", "address")),
        text(gap="\n"),
        text(domain=" wants you to sign in with your Ethereum account:"),
        text(version="Version: 2"),
        text(order=moved("uri", "version")),
        text(order=moved("version", "chain")),
        text(order=moved("chain", "nonce")),
        text(order=moved("nonce", "issued")),
        text(order=moved("issued", "expires")),
        text(order=moved("expires", "begins")),
        text(order=moved("begins", "request")),
        text(order=moved("request", "resources")),
        text(order=moved("resources", "expires")),
        text(address="0xe5a12547fe4e872d192e3ececb76f2ce1aea4946"),
        text(statement="I accept the ServiceOrg Terms of Service: \nhttps://service.org/tos"),
        text(uri="URI: _not_a_rfc3986_valid_uri_"),
        text(chain="Chain ID: ?"),
        text(nonce="Nonce: 1234567"),
        text(issued=f"Issued At: {WRONG_TIME}"),
        text(expires=f"Expiration Time: {WRONG_TIME}"),
        text(begins=f"Not Before: {WRONG_TIME}"),
        text(resources="Resources:\n- https://service.org/login - https://service.org/login/2"),
        text(resources="Resources:\n- https://service.org/login\n- _not_a_rfc3986_valid_uri_"),
        text(resources="Resources:\n- _not_a_rfc3986_valid_uri_\n- https://service.org/login"),
    ],
)
def test_everything_else_is_refused(message):
    with pytest.raises(SignInRefused):
        parse_message(message)


def simple(domain: str, address: str, statement: str, uri: str, nonce: str, issued: str, more: str = "") -> str:
    return (
        f"{domain} wants you to sign in with your Ethereum account:\n{address}\n\n{statement}\n\nURI: {uri}\n"
        f"Version: 1\nChain ID: 1\nNonce: {nonce}\nIssued At: {issued}{more}"
    )


EXAMPLE = "Sign-In With Ethereum Example Statement"
SIGNED = [
    (
        simple("login.xyz", "0x9D85ca56217D2bb651b00f15e694EB7E713637D4", EXAMPLE, "https://login.xyz",
               "bTyXgcQxn2htgkjJn", "2022-01-27T17:09:38.578Z", "\nExpiration Time: 2100-01-07T14:31:43.952Z"),
        "dc35c7f8ba2720df052e0092556456127f00f7707eaa8e3bbff7e56774e7f2e0"
        "5a093cfc9e02964c33d86e8e066e221b7d153d27e5a2e97ccd5ca7d3f2ce06cb1b",
    ),
    (
        simple("login.xyz", "0xE6D3Aa1F561A215E5eb1f02Ba8705385F03fCaFB", EXAMPLE, "https://login.xyz",
               "lx2nx4so", "2022-01-05T14:27:30.883Z", "\nNot Before: 2100-01-07T14:31:43.952Z"),
        "c2539ace78f13c7eb8c0852d38d269a6f97bebd9f7872097d2e3137b541f8bf5"
        "0176062a46eeea83086bd2721423fb5755a932ff6ccc046ed482d14e4576042f1c",
    ),
    (
        simple("login.xyz", "0x2ecA0068307e706741445764A3D6A4402aC2A5a9", EXAMPLE, "https://login.xyz",
               "lx2nx4so", "2022-01-05T14:27:30.883Z", "\nExpiration Time: 2021-01-05T00:00:00Z"),
        "7337bc2826c7678cd6bc84f5b3b236efc969b0451f9feca2328b1d3401b030c1"
        "13f19bdba359ba3f52762c66e9147311fa95fe598a1a4ec9bb383a7b4e3874241b",
    ),
    (
        simple("www.tally.xyz", "0xc95EB884FE852e241D409234bfC7045CB9E31BD7", "Sign in with Ethereum to Tally",
               "https://tally.xyz", "15050747", "2022-06-30T14:08:51.382Z"),
        "8c46b6eb8505939892d8e9b075f89f8277321b17b993151f37810cdda38cce6f"
        "4a85909d2b53e6a14629c74c0ac38bf4becde78ee5b2529812bf6cceaf7b2a2501",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "signature"), SIGNED)
def test_published_signatures_are_of_their_address_and_of_no_other_text(message, signature):
    address, raw = parse_message(message).address, bytes.fromhex(signature)
    assert signed_by_key(message, raw, address)
    assert not signed_by_key(message + " ", raw, address)
    assert not signed_by_key(message, raw[:-1], address)
    assert not signed_by_key(message, bytes(65), address)
