"""The page that a visitor's link opens; it is outside of Streamlit and has no session."""

from __future__ import annotations

from html import escape
from string import Template
from typing import Final

from emotion.translation.languages import match_language
from emotion.translation.messages import gettext_noop, translate

_TITLE: Final = gettext_noop("Open a link")
_EXPLANATION: Final = gettext_noop(
    "This browser then shows the videos of the link in place of its own. Whoever has the link sees them, and the "
    "videos that you add here afterwards. Open it only if it is yours, or if you trust the person who gave it to you."
)
_OPEN: Final = gettext_noop("Open the videos")
_KEEP: Final = gettext_noop("Keep the videos of this browser")

# The id is behind the "#": browsers send that part to no server, so that it is in no log.
_PAGE: Final = Template("""<!doctype html>
<html lang="$language">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
  body { font: 1rem/1.5 sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem;
         color: #1D2B2E; background: #FFFFFF; color-scheme: light dark }
  button { font: inherit; padding: .4rem 1rem }
  @media (prefers-color-scheme: dark) { body { color: #E4ECEC; background: #13191B } a { color: #8AD2D4 } }
</style>
<h1>$title</h1>
<p>$explanation</p>
<form method="post"><input type="hidden" name="id"><button>$open</button></form>
<p><a href="./">$keep</a></p>
<script>
  document.forms[0].id.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
</script>
</html>
""")


def render_link_page(accepted_languages: str) -> str:
    """Return the page in the first language of a header Accept-Language."""
    language = match_language(accepted_languages.split(",")[0].split(";")[0].strip())
    texts = {"title": _TITLE, "explanation": _EXPLANATION, "open": _OPEN, "keep": _KEEP}
    translated = {name: escape(translate(text, language)) for name, text in texts.items()}
    return _PAGE.substitute(translated, language=language)
