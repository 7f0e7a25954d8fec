"""A real Chromium, without a window: what it shows, logs and asks the network for."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

#: Where this is set, as in CI, a browser that is missing is a failure.
REQUIRED = "PYTEST_MLPERF_TEST_BROWSER"
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
#: As root there is no sandbox; the rest keeps Chromium itself from the network.
_FLAGS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --hide-scrollbars
"""
Theme = Literal["light", "dark"]
PHONE, DESKTOP = 390, 1440


class Browser:
    """One Chromium, whose window and theme may change."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, page: Path, *, theme: Theme = "light", width: int = DESKTOP, script: bool = True) -> None:
        """Open a file; what was logged before is forgotten."""
        self.log()
        self.requests()
        self._tell("Emulation.setScriptExecutionDisabled", value=not script)
        self._tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self._tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width == PHONE
        )
        self.driver.get("about:blank")
        self.driver.get(page.as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        """Run a function's body in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        """Press keys, where the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, what: str, most: int = 200) -> None:
        """Press Tab until an element that fits a selector has the focus."""
        from selenium.webdriver import Keys

        for _ in range(most):
            self.press(Keys.TAB)
            if self.run("return document.activeElement.matches(arguments[0])", what):
                return
        raise AssertionError(f"Tab does not lead to {what}")

    def log(self) -> list[str]:
        """Return what was written to the console since the last call."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last call, without files and Chromium's own."""
        entries = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        told = [json.loads(entry["message"])["message"] for entry in entries]
        asked = [each["params"]["request"]["url"] for each in told if each["method"] == "Network.requestWillBeSent"]
        return [address for address in asked if not address.startswith(("file:", "data:", "about:", "chrome:"))]

    def roles(self) -> dict[str, int]:
        """Return how many elements have which role for a screen reader."""
        found: dict[str, int] = {}
        for node in self._tell("Accessibility.getFullAXTree")["nodes"]:
            if not node.get("ignored"):
                role = node["role"]["value"]
                found[role] = found.get(role, 0) + 1
        return found

    def _tell(self, command: str, **parameters: object) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium for the whole session; a test without one is skipped, or fails where one is required."""
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        missing = "Chromium and chromedriver are not installed (Debian: chromium, chromium-driver)"
        if os.environ.get(REQUIRED):
            pytest.fail(missing)
        pytest.skip(missing)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(chromedriver))
    yield Browser(driver)
    driver.quit()
