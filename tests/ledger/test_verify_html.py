"""The verify.html that lies in a batch's bundle: in a real browser from a file, the same lines as the other two verifiers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zipfile
from pathlib import Path

import pytest

from gateway.ledger.names import format_openings, make_opening
from gateway.ledger.policy import Policy, format_policy
from gateway.ledger.verify.bundle import blob_name
from tests.counterparts.chromium import Page, chromium
from tests.ledger.mutants import ANYWHERE, Members, listed, mutants
from tests.ledger.test_bundle import BUNDLE, GOOD, OWN, both, make_bundle
from tests.ledger.test_damage import POLICY
from tests.paths import ROOT

HTML = ROOT / "gateway/ledger/standalone/verify.html"
GOLDEN = ROOT / "tests/vectors/v1"
BATCH = 100
JUDGE = """
(async () => {
  const bytes = (text) => unraw(atob(text));
  const {base, policy, authority, changes} = %s;
  const said = [];
  for (const change of changes) {
    const members = new Map(Object.entries({...base, ...change}).filter(([, one]) => one !== null));
    for (const [name, text] of members) members.set(name, bytes(text));
    const verifier = await verifyMembers(members, policy && readPolicy(bytes(policy)), authority && bytes(authority));
    said.push([verifier.result(), verifier.lines()]);
  }
  return said;
})()
"""


@pytest.fixture
async def page(tmp_path):
    async with chromium(tmp_path) as page:
        await page.open(HTML)
        yield page


async def in_browser(
    page: Page, base: Members, others: list[Members], policy: Policy | None, authority: bytes | None = None
) -> list[list]:
    """What the page says of each: [result, lines]."""
    given = {
        "base": {name: text(content) for name, content in base.items()},
        "policy": None if policy is None else text(format_policy(policy).encode()),
        "authority": text(authority),
        "changes": [
            {name: text(other.get(name)) for name in base.keys() | other.keys() if other.get(name) != base.get(name)}
            for other in others
        ],
    }
    return await page.run(JUDGE % json.dumps(given))


def text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


async def all_three_agree(page: Page, base: Members, count: int, seed: int, policy: Policy | None) -> set[str]:
    """Compare every line on `count` mutants; return the classes of findings that came up."""
    seen: set[str] = set()
    damaged = list(mutants(base, count, seed))
    for first in range(0, count, BATCH):
        part = damaged[first : first + BATCH]
        for number, (other, (result, lines)) in enumerate(
            zip(part, await in_browser(page, base, part, policy), strict=True), start=first
        ):
            ours = both(other, policy)
            assert (lines, result) == (ours.lines(), ours.result), f"mutant {number} of seed {seed}"
            seen.update(finding.class_ for finding in ours.findings)
    return seen


SMALL = make_bundle(extra={})


@pytest.mark.integration
@pytest.mark.parametrize("policy", [None, POLICY])
async def test_us_03_three_verifiers_say_the_same_of_a_good_bundle(page, policy):
    assert await in_browser(page, BUNDLE, [BUNDLE], policy) == [["verified", [GOOD] if policy else [OWN, GOOD]]]


@pytest.mark.integration
async def test_us_01_three_verifiers_agree_on_100_mutants(page):
    seen = await all_three_agree(page, SMALL, 100, 8, POLICY)
    assert {"altered", "missing", "inserted", "reordered", "signature"} <= seen


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_us_01_three_verifiers_agree_on_1000_mutants(page):
    seen = await all_three_agree(page, SMALL, 500, 2, POLICY)
    seen |= await all_three_agree(page, SMALL, 400, 3, None)
    seen |= await all_three_agree(page, golden(), 100, 4, None)
    assert {"altered", "missing", "inserted", "reordered", "signature", "unwitnessed"} <= seen


def named() -> Members:
    """A bundle with three names that open, and two side objects."""
    openings = [
        make_opening(text, bytes([n]) * 32) for n, text in enumerate(("Åsa Berg", 'O\'Hara \u2028 "x"', "山田"))
    ]
    blobs = [b"one side object" * 40, bytes(range(256))]
    extra = {"names.jsonl": format_openings(openings)}
    extra |= {blob_name(content): content for content in blobs}
    return make_bundle(extra=extra)


@pytest.mark.integration
async def test_us_05_three_verifiers_open_names_and_refuse_a_wrong_one(page):
    base = named()
    lines = base["names.jsonl"].splitlines(keepends=True)
    blob = next(name for name in base if name.startswith("blob/"))
    opening = json.loads(lines[0])
    cases = {
        "good": base,
        "one erased": base | {"names.jsonl": b"".join(lines[1:])},
        "all erased": {name: content for name, content in base.items() if name != "names.jsonl"},
        "another name": base | {"names.jsonl": base["names.jsonl"].replace("Åsa".encode(), b"Eva")},
        "another salt": base | {"names.jsonl": base["names.jsonl"].replace(b'"salt":"00', b'"salt":"01', 1)},
        "another order of members": base | {"names.jsonl": json.dumps(dict(reversed(opening.items()))).encode()},
        "upper case": base
        | {"names.jsonl": lines[0].replace(opening["name"].encode(), opening["name"].upper().encode())},
        "decomposed": base | {"names.jsonl": lines[0].replace("Å".encode(), "A\u030a".encode())},
        "no text": base | {"names.jsonl": b'{"name":"00","salt":""}\n'},
        "a number": base | {"names.jsonl": b'{"name":1,"salt":"","text":""}\n'},
        "a list": base | {"names.jsonl": b"[]\n"},
        "other blob": base | {blob: b"other"},
        "blob elsewhere": base | {"blob/00/ab": b"x"},
    }
    cases = {name: listed(one) for name, one in cases.items()}
    said = await in_browser(page, base, list(cases.values()), POLICY)
    for (name, members), (result, lines) in zip(cases.items(), said, strict=True):
        ours = both(members, POLICY)
        assert (lines, result) == (ours.lines(), ours.result), name
        good = name in {"good", "one erased", "all erased", "another order of members"}
        assert (result == "verified") is good, (name, lines)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_us_01_three_verifiers_agree_on_500_damaged_names_and_side_objects(page):
    base = named()
    part = {name: content for name, content in base.items() if name.startswith(("names", "blob/"))}
    damaged = [base | one for one in mutants(part | {"manifest.json": b"{}"}, 500, 78, ways=ANYWHERE)]
    damaged = [listed(one | {"manifest.json": base["manifest.json"]}) for one in damaged]
    seen = set()
    for first in range(0, 500, BATCH):
        chosen = damaged[first : first + BATCH]
        for members, (result, lines) in zip(chosen, await in_browser(page, base, chosen, POLICY), strict=True):
            ours = both(members, POLICY)
            assert (lines, result) == (ours.lines(), ours.result)
            seen.add(lines[-1].partition(": ")[2])
    assert {"a name does not open its commitment", "content hash differs from its name"} <= seen


def edges() -> dict[str, Members]:
    """Bundles whose JSON, policy or names are at the edge of what their formats allow."""
    manifest, policy = SMALL["manifest.json"], SMALL["keys/policy"]
    stamp, scope, count = b'"made_ns": 1', b'"client C7F2"', b'"count": 18'
    texts = {
        "no number": (stamp, b'"made_ns": NaN'),
        "beyond a double": (stamp, b'"made_ns": 1e999'),
        "5,000 digits": (stamp, b'"made_ns": ' + b"9" * 5000),
        "a member of every object": (stamp, b'"__proto__": 1, "made_ns": 1'),
        "half a pair": (scope, b'"\\ud800"'),
        "half a pair in the id": (b'"B-123"', b'"\\ud800"'),
        "a pair in the id": (b'"B-123"', b'"\\ud83d\\ude00"'),
        "controls in the id": (b'"B-123"', b'"a\\u0001\\u007f\\u2028\\n"'),
        "a control as it is": (scope, b'"a\tb"'),
        "an unknown escape": (scope, b'"a\\xb"'),
        "deep": (b'"intervals": []', b'"intervals": ' + b"[" * 500 + b"]" * 500),
        "too deep": (b'"intervals": []', b'"intervals": ' + b"[" * 5000 + b"]" * 5000),
        "a count with a point": (count, b'"count": 18.0'),
        "a count of 25 digits": (count, b'"count": ' + b"9" * 25),
        "a count told twice": (count, b'"count": 17, "count": 18'),
        "less than nothing": (count, b'"count": -0'),
        "a size over 63 bits": (b'"size": 46', b'"size": 9223372036854775808'),
    }
    cases = {name: SMALL | {"manifest.json": manifest.replace(*change, 1)} for name, change in texts.items()}
    assert all(one["manifest.json"] != manifest for one in cases.values())
    for number, mark in enumerate([b"\xef\xbb\xbf", b"\x0c", b"\xc2\xa0", b" \t\r\n"]):
        cases[f"mark {number} before"] = SMALL | {"manifest.json": mark + manifest}
    for number, blank in enumerate([b"\xc2\xa0", b"\x1f", b"\r", b"\xe2\x80\xa8", b"\x85"]):
        cases[f"blank {number}"] = SMALL | {"keys/policy": policy.replace(b" ", blank)}
        cases[f"blank {number} at the end"] = SMALL | {"keys/policy": policy.replace(b"\n", blank + b"\n")}
    opening = b'{"name":"%s","salt":"00 01\\t02","text":"\\u00e4"}'
    digest = hashlib.sha256(b"\x00\x01\x02" + "ä".encode()).hexdigest().encode()
    cases["blanks in a salt"] = SMALL | {"names.jsonl": opening % digest}
    cases["an empty line"] = SMALL | {"names.jsonl": opening % digest + b"\n\r\n"}
    cases["order of names"] = SMALL | {chr(0xFFFF): b"a", chr(0x10000): b"b", "Z": b"", "a": b""}
    return cases


@pytest.mark.integration
async def test_us_01_what_lies_at_the_edge_of_a_format_is_read_alike(page):
    cases = edges()
    said = await in_browser(page, SMALL, list(cases.values()), None)
    for (name, members), (_, lines) in zip(cases.items(), said, strict=True):
        assert lines == both(members).lines(), name


def golden() -> Members:
    """The golden bundle: every kind of record, names, a side object, three kinds of signatures."""
    with zipfile.ZipFile(GOLDEN / "bundle.zip") as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.integration
async def test_us_03_double_click_choose_and_read(page, tmp_path):
    await page.choose("#bundle", GOLDEN / "bundle.zip")
    line = "VERIFIED  59 records, 1 head, 1 witness, batch B-GOLD-1"
    assert await shown(page) == ("last verified", line)
    assert await page.run("output.querySelector('li').textContent") == OWN
    await page.choose("#policy", GOLDEN / "ledger/keys/policy")
    assert await shown(page) == ("last verified", line)
    assert await page.run("output.querySelectorAll('li').length") == 0
    await page.choose("#policy", GOLDEN / "SHA256SUMS")
    assert await shown(page) == ("last failed", "Not checked: SHA256SUMS: not a policy")
    await page.choose("#bundle", tampered_zip(tmp_path))
    await page.choose("#policy", GOLDEN / "ledger/keys/policy")
    kind, said = await shown(page)
    assert kind == "last failed"
    assert said == "FAILED in readings.csv: differs from the records"
    assert page.problems == []
    assert page.requests == [HTML.as_uri()], "no network"


@pytest.mark.integration
@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\5\6" + bytes(18), None])
async def test_us_03_files_that_are_no_bundle(page, tmp_path, content):
    path = tmp_path / "x.zip"
    whole = (GOLDEN / "bundle.zip").read_bytes()
    path.write_bytes(whole[:2000] + b"\xff" + whole[2001:] if content is None else content)
    await page.choose("#bundle", path)
    kind, said = await shown(page)
    assert kind == "last failed"
    assert said.startswith(("Not checked: ", "FAILED in manifest.json: cannot be read"))
    assert page.problems == []


async def shown(page: Page) -> tuple[str, str]:
    """Class and text of the big line, once it is no longer at work."""
    await page.run("""new Promise((done) => {
        const look = () => { const one = document.querySelector('.last'); if (one && one.className.trim() !== 'last') done(); else setTimeout(look, 20); };
        setTimeout(look, 100); })""")
    return await page.run("document.querySelector('.last').className"), await page.run(
        "document.querySelector('.last').textContent"
    )


@pytest.mark.integration
async def test_us_05_the_page_shows_names_and_that_one_was_erased(page, tmp_path):
    await page.choose("#bundle", GOLDEN / "bundle.zip")
    await shown(page)
    table = "[...document.querySelectorAll('dt')].map((one) => [one.textContent, one.nextSibling.textContent])"
    assert ["Name 529bf293", "Ana Müller"] in await page.run(table)
    members = listed({name: content for name, content in golden().items() if name != "names.jsonl"})
    with zipfile.ZipFile(tmp_path / "erased.zip", "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    await page.choose("#bundle", tmp_path / "erased.zip")
    assert (await shown(page))[0] == "last verified"
    assert ["Name 529bf293", "name erased"] in await page.run(table)


def tampered_zip(folder: Path) -> Path:
    members = golden()
    members["readings.csv"] = members["readings.csv"].replace(b"37.0", b"36.0", 1)
    with zipfile.ZipFile(folder / "tampered.zip", "w", zipfile.ZIP_STORED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return folder / "tampered.zip"


@pytest.mark.integration
@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (1280, False)])
async def test_us_03_the_page_fits_a_phone_and_both_schemes(page, width, dark):
    await page.choose("#bundle", GOLDEN / "bundle.zip")
    await shown(page)
    assert (await page.look(width, 800, dark=dark)).startswith(b"\x89PNG")
    assert await page.run("document.documentElement.scrollWidth <= innerWidth")
    ink, paper = await page.run(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert (brightness(ink) > brightness(paper)) is dark
    assert abs(brightness(ink) - brightness(paper)) > 150


def brightness(colour: str) -> float:
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def test_us_03_the_page_may_load_and_send_nothing():
    page = HTML.read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    allowed = {one.split()[0]: one.split()[1:] for one in policy[1].split("; ")}
    assert allowed["default-src"] == allowed["base-uri"] == allowed["form-action"] == ["'none'"]
    for tag, name in (("script", "script-src"), ("style", "style-src")):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert body is not None
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert allowed[name] == [f"'sha256-{digest}'"], f"write sha256-{digest} into {name}"
    assert "://" not in page
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|eval|innerHTML)\b", page)


@pytest.mark.integration
async def test_us_01_hashes_and_signatures_in_the_page_are_those_of_others(page):
    """SHA-2 against the standard library, lengths around the blocks; the curves are covered by the bundles above."""
    for size in (0, 1, 55, 56, 63, 64, 111, 112, 119, 128, 1000):
        content = bytes(i % 251 for i in range(size))
        said = await page.run(
            f"[hex(sha256(unraw(atob('{text(content)}')))), hex(sha512(unraw(atob('{text(content)}'))))]"
        )
        assert said == [hashlib.sha256(content).hexdigest(), hashlib.sha512(content).hexdigest()]
