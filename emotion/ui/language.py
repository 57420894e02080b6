"""The language of the pages: that of the browser, until a person chooses another one."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, Final, TypeVar, cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion.translation.languages import ENGLISH, LANGUAGES, get_language, match_language, set_language_source
from emotion.translation.messages import gettext as _

_FunctionT = TypeVar("_FunctionT", bound=Callable[..., Any])

_KEY: Final = "language"  # of the widget, and its parameter in the address


def choose_language() -> None:
    """Show the choice of the language; call it before anything else that shows text."""
    set_language_source(_read_language)
    tags = list(LANGUAGES)
    st.selectbox(
        _("Language"),
        tags,
        tags.index(match_language(st.context.locale)),
        LANGUAGES.__getitem__,
        key=_KEY,
        on_change=_keep_choices,
        label_visibility="collapsed",
        icon=":material/language:",
        required=True,
        bind="query-params",
    )


def translate_spinner(cache: Any, text: str, **options: Any) -> Callable[[_FunctionT], _FunctionT]:
    """Cache a function as `cache` does, with a text in the language of the page while it runs.

    Streamlit takes the text when the module is imported. Here each language has a decorated function of its own; they
    share one cache, since Streamlit tells caches apart by the source of the function.

    Upstream: no issue is known. Remove when `show_spinner` can be a function (1.67: a text or a truth value).

    Args:
        cache: `st.cache_data` or `st.cache_resource`.
        text: The text, marked by `gettext_noop`.
        options: Further arguments of `cache`.
    """

    def decorate(function: _FunctionT) -> _FunctionT:
        @lru_cache
        def get_cached(language: str) -> Any:
            return cache(function, show_spinner=_(text), **options)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return get_cached(get_language())(*args, **kwargs)

        return cast("_FunctionT", call)

    return decorate


def _read_language() -> str:
    """Return the language of the session whose page this thread runs; English outside of one."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return ENGLISH
    return st.session_state.get(_KEY) or match_language(st.context.locale)


def _keep_choices() -> None:
    """Set all choices anew, since the language changes the texts of their options.

    The browser names the options of select boxes by their texts; one that is no longer among them would be returned
    instead of the option.

    Upstream: no issue is known (1.67). Remove when select boxes name options by their index, as segmented controls do.
    """
    for key, value in list(st.session_state.items()):
        # An empty list is no choice, and that of a file uploader may not be set.
        if isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(it, str) for it in value)):
            st.session_state[key] = value
