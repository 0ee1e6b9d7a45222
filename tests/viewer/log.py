"""The viewer as people use it: by what things are called and what they are, never by how they are made."""

from __future__ import annotations

import re
from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

__all__ = ["Log"]


class Log:
    """One `<audit-log>` of a page: the only one, or the one of this number."""

    def __init__(self, page: Page, number: int = 0) -> None:
        self.page = page
        self.root = page.locator("audit-log").nth(number)
        self.box = self.root.get_by_role("combobox", name="Search the audit log", exact=True)
        self.feed = self.root.get_by_role("feed", name="Events, newest first")
        self.filters = self.root.get_by_role("list", name="Filters")
        self.facets = self.root.get_by_role("region", name="Overview")
        self.range = self.root.get_by_role("button", name="Time range")
        self.told = self.root.locator("[role=status].for-screen-readers p")

    # --- events

    def rows(self) -> Locator:
        """Those that are there: of a long list the ones in sight, and some around."""
        return self.feed.get_by_role("article")

    def row(self, sentence: str) -> Locator:
        return self.feed.get_by_role("article", name=sentence, exact=True)

    def sentence(self, sentence: str) -> Locator:
        """The button that says what happened."""
        return self.row(sentence).get_by_role("button", name=sentence, exact=True)

    def expect_sentences(self, *sentences: str) -> None:
        """Exactly these, in this order, as soon as they are there."""
        expect(self.rows().locator(".row-open")).to_have_text(sentences)

    def open(self, sentence: str) -> Locator:
        """Opens the event, and gives its details."""
        self.sentence(sentence).click()
        details = self.row(sentence).get_by_label("Event details", exact=True).first
        expect(details).to_be_visible()
        return details

    def lock(self, row: Locator) -> Locator:
        """What the row says of its proof; a click opens the panel."""
        return row.get_by_role("button", name=re.compile("^(Proof:|Proven|Consistent|ALTERED)"))

    def state(self, state: str) -> Locator:
        """A heading that stands in place of the list, or the words above it."""
        return self.root.get_by_text(state, exact=True)

    # --- asking

    def search(self, text: str) -> None:
        self.box.fill(text)
        self.box.press("Enter")

    def filter(self, field: str, *values: str) -> None:
        """By the button "Add filter": what it is about, then its values."""
        self.root.get_by_role("button", name="Add filter", exact=True).click()
        dialog = self.root.get_by_role("dialog", name="Add filter")
        dialog.get_by_role("option", name=field, exact=True).click()
        for value in values:
            dialog.get_by_role("combobox").fill(value)
            dialog.get_by_role("option", name=re.compile(rf"^{re.escape(value)}\b")).first.click()
        self.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()

    def facet(self, value: str) -> Locator:
        """The box beside the list, whatever its count."""
        return self.facets.get_by_role("checkbox", name=re.compile(rf"^{re.escape(value)}, [\d,]+ events?$"))

    def expect_filters(self, *filters: str) -> None:
        """As the chips have them: "Outcome is Failure"."""
        groups: Sequence[str | re.Pattern[str]] = [
            re.compile(r"\s*".join(map(re.escape, words.split()))) for words in filters
        ]
        removable = self.page.get_by_role("button", name=re.compile("^Remove the filter"))
        expect(self.filters.get_by_role("listitem").filter(has=removable)).to_have_text(groups)

    # --- beside the list

    def menu(self) -> Locator:
        """Opens the menu; its items."""
        self.root.get_by_role("button", name="More", exact=True).click()
        return self.root.get_by_role("menu", name="More").get_by_role("menuitem")

    def panel(self, name: str) -> Locator:
        """Opens a panel by the menu."""
        self.menu().filter(has_text=name).click()
        return self.root.get_by_role("dialog", name=name)

    def prove(self, row: Locator) -> Locator:
        """The panel about the row's proof."""
        self.lock(row).click()
        return self.root.get_by_role("dialog", name="Proof and evidence")
