"""A headless Chromium that opens a page from disk, drives it, and says what it found."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

DESKTOP, PHONE = 1280, 390
"""Widths in CSS pixels."""


_DRIVER = """
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("securitypolicyviolation", (event) => errors.push(event.violatedDirective));
addEventListener("load", () => {
  let found;
  try { found = (() => { BODY })(); } catch (error) { found = { failed: String(error) }; }
  parent.postMessage(JSON.stringify({ ...found, errors }), "*");
});
"""


def drive(page: Path, script: str, width: int = DESKTOP) -> Any:
    """Open ``page`` in a frame ``width`` pixels wide and run ``script``, a function body, after it has loaded.

    Returns:
        What the body returns, through JSON; under ``errors`` what the page complained of, if that is an object.
    """
    driver = f"<script>{_DRIVER.replace('BODY', script)}</script>"
    driven = page.with_name(f"driven_{page.name}")
    driven.write_text(page.read_text(encoding="utf-8").replace("<body>", f"<body>{driver}"), encoding="utf-8")
    frame = page.with_name(f"frame_{page.name}")
    # Chromium's own windows are never as narrow as a phone; frames are
    frame.write_text(
        "<!doctype html><script>addEventListener('message', (event) => "
        "{ document.documentElement.dataset.found = event.data; });</script>"
        f'<iframe src="{driven.name}" style="width:{width}px;height:800px;border:0"></iframe>'
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--window-size=1400,900"]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    assert CHROMIUM is not None
    opened = subprocess.run(
        [CHROMIUM, *options, profile, "--dump-dom", frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'data-found="([^"]*)"', opened.stdout)
    assert found, opened.stderr[-2000:]
    return json.loads(html.unescape(found[1]))
