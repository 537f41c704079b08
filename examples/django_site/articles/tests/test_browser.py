"""The admin's search box in headless Chromium, as a person uses it."""

from __future__ import annotations

import shutil
import tempfile

from django.contrib.auth.models import User
from django.contrib.staticfiles.testing import StaticLiveServerTestCase
from django.test import tag

from articles import samples
from articles.tests.test_search import WORDS

try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    webdriver = None

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,900",
)
_SECONDS = 60


@tag("browser")
@WORDS
class BrowserTests(StaticLiveServerTestCase):
    def setUp(self) -> None:
        if webdriver is None or not shutil.which("chromium") or not shutil.which("chromedriver"):
            self.skipTest("needs selenium, chromium and chromedriver")
        samples.load()
        User.objects.create_superuser("editor", password="secret")
        folder = tempfile.TemporaryDirectory(prefix="newsroom-chromium-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*_FLAGS, f"--user-data-dir={folder.name}"):
            options.add_argument(flag)
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.browser = webdriver.Chrome(options=options, service=service)
        self.addCleanup(self.browser.quit)

    def find(self, selector: str):
        return WebDriverWait(self.browser, _SECONDS).until(
            lambda browser: browser.find_element(By.CSS_SELECTOR, selector)
        )

    def titles(self) -> list[str]:
        return [link.text for link in self.browser.find_elements(By.CSS_SELECTOR, "#result_list tbody th a")]

    def search(self, text: str) -> None:
        box = self.find("#searchbar")
        box.clear()
        box.send_keys(text, Keys.RETURN)
        WebDriverWait(self.browser, _SECONDS).until(lambda browser: "q=" in browser.current_url)
        self.find("#result_list")

    def test_the_search_box(self) -> None:
        self.browser.get(f"{self.live_server_url}/admin/articles/article/")
        self.find("#id_username").send_keys("editor")
        self.find("#id_password").send_keys("secret", Keys.RETURN)
        self.find("#result_list")
        self.assertEqual(self.titles()[0], "New bridge opens to trains")  # the latest
        self.search("interest rates of the bank")
        self.assertEqual(self.titles()[0], "Central bank raises interest rates")
        distances = [float(cell.text) for cell in self.browser.find_elements(By.CSS_SELECTOR, "td.field-_distance")]
        self.assertEqual(distances, sorted(distances))
        self.assertEqual(len(distances), 8)
        self.find("#changelist-filter a[href*='category=sport']").click()
        WebDriverWait(self.browser, _SECONDS).until(lambda _: len(self.titles()) == 2)
        self.find("#result_list tbody th a").click()
        self.assertIn("(384 dimensions)", self.find("#article_form").text)
        self.find("input[name=_save]").click()
        self.find(".messagelist .success")
